"""The history of a run, from the files in its folder."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphnet.io.checkpoint import entries
from graphnet.io.json_files import json_object, json_objects
from graphnet.io.run_files import METRICS, SUMMARY, finite
from graphnet.training.history import EpochRecord, History

#: The file in the folder of a model; a run has one line for each epoch in its metrics.
HISTORY = "history.json"


def history_file(history: History) -> bytes:
    """The contents of ``history.json``."""
    epochs = [finite(record.flat()) for record in history.epochs]
    figure = {} if history.figure is None else {"figure": history.figure}
    values = {"stopped": history.stopped, "best_epoch": history.best_epoch, **figure, "epochs": epochs}
    return (json.dumps(values, allow_nan=False) + "\n").encode()


def read_history(folder: Path, *, all_epochs: bool = False) -> History | None:
    """The history of the run, or of the model, in a folder; None if there is none.

    Of a run that has not ended, the epochs up to its newest checkpoint, whose weights ``graphnet.load`` reads; with
    ``all_epochs`` also those since then, which a run that was killed will run again. Its ``stopped`` is
    ``'unfinished'``. Durations and figures are those of the file, in which a figure that was not finite is NaN. What
    cannot be read counts as missing.
    """
    if not (folder / METRICS).is_file():
        saved = json_object(folder / HISTORY)
        lines = None if saved is None else saved.get("epochs")
        return None if saved is None or not isinstance(lines, list) else _ended(_records(lines), saved)
    summary = json_object(folder / SUMMARY)
    records = _records(json_objects(folder / METRICS))
    if summary is None:
        found = entries(folder)  # the newest first
        records = records[: found[0].epoch] if found and not all_epochs else records
        return History(records, _best(records), "unfinished")
    return _ended(records, summary)


def _ended(records: list[EpochRecord], summary: Mapping[str, Any]) -> History:
    best = summary.get("best_epoch")
    known = isinstance(best, int) and 0 <= best <= len(records)
    stopped, figure = str(summary.get("stopped", "finished")), summary.get("figure")
    return History(
        records,
        best if known else _best(records),  # type: ignore[arg-type]
        stopped,
        figure if isinstance(figure, str) else None,
    )


def _records(lines: list[dict[str, Any]]) -> list[EpochRecord]:
    """The epochs in order, up to the first line that is not one."""
    records: list[EpochRecord] = []
    with contextlib.suppress(KeyError, TypeError, ValueError):
        for values in lines:
            if values["epoch"] != len(records) + 1:
                break
            records.append(EpochRecord.from_flat(_without_unknown(values)))
    return records


def _without_unknown(values: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of an epoch: numbers, and null for those that are not finite."""
    return {name: value for name, value in values.items() if value is None or isinstance(value, (bool, int, float))}


def _best(records: list[EpochRecord]) -> int:
    return max((record.epoch for record in records if record.best), default=0)
