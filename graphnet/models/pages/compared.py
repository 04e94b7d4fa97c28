"""Several runs over each other: their curves, and the settings in which they differ."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from graphnet.core.errors import ConfigError
from graphnet.io.json_files import json_object
from graphnet.io.run_folder import SUMMARY
from graphnet.io.run_history import read_history
from graphnet.models.loading import load
from graphnet.models.model import Model
from graphnet.models.pages.details import settings
from graphnet.models.pages.facts import curve_data, test_data, training_data
from graphnet.training.history import History

#: The most runs on a page, and the most rows of differences.
MOST, ROWS = 24, 80
#: What a run has in place of a setting that it does not have.
MISSING = "-"


def compared_data(targets: Sequence[Any]) -> dict[str, Any]:
    """The runs, each with a name, curves and results, and a table of the settings that are not equal in all of them.

    Parameters
    ----------
    targets : sequence of path, Model or History

    Raises
    ------
    ConfigError
        If one of them has no history, or there are too many.
    FileError
        If a run cannot be read.
    """
    if len(targets) > MOST:
        raise ConfigError("too many runs", where="report", expected=f"at most {MOST}", received=len(targets))
    runs: list[dict[str, Any]] = []
    facts: list[dict[str, str]] = []
    for target in targets:
        name, history, results, found = _read(target)
        runs.append({"name": _free(name, [run["name"] for run in runs]), **curve_data(history), "test": results})
        facts.append(found)
    return {"runs": runs, "differences": _differences(facts)}


def _read(target: Any) -> tuple[str, History, list[list[Any]], dict[str, str]]:
    """Name, history, results on the test set and settings of a run."""
    if isinstance(target, History):
        return "history", target, [], {}
    path = Path(target) if isinstance(target, (str, os.PathLike)) else None
    model = target if path is None else load(path)
    if not isinstance(model, Model):
        raise _nothing(repr(target)[:200])
    folder = path if path is not None and path.is_dir() else None
    history = model.history if folder is None else read_history(folder)
    if not isinstance(history, History):
        raise _nothing(repr(target)[:200] if path is None else str(path))
    results = [] if folder is None else test_data(json_object(folder / SUMMARY))
    found = {name.replace("_", " "): text for name, text, _ in training_data(model.config)}
    for node, layer in model.graph.walk():
        found |= {f"{node}: {name}": text for name, text in settings(layer)}
    return model.graph.name if path is None else path.resolve().name, history, results, found


def _nothing(received: str) -> ConfigError:
    return ConfigError(
        "there is no history to compare",
        where="report",
        expected="folders of runs, Models that were trained, or Histories",
        received=received,
    )


def _free(name: str, used: Sequence[str]) -> str:
    number, free = 1, name
    while free in used:
        number += 1
        free = f"{name} ({number})"
    return free


def _differences(facts: Sequence[Mapping[str, str]]) -> list[list[str]]:
    """The settings that are not the same in all runs, each with its value in every run."""
    known = [found for found in facts if found]
    names = dict.fromkeys(name for found in known for name in found)
    differing = [name for name in names if len({found.get(name) for found in known}) > 1]
    return [[name, *(found.get(name, MISSING) for found in facts)] for name in differing[:ROWS]]
