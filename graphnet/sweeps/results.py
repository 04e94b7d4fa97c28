"""The results of a sweep: one row for each trial, as objects, a table, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from graphnet.core.checks import path as checked_path
from graphnet.core.errors import FileError, PluginError
from graphnet.io import sweep_files
from graphnet.io.lock import is_locked

#: Columns of the CSV before and after those of the parameters.
FIRST, LAST = ("trial", "state", "value", "deviation"), ("epochs", "seconds", "path", "error")
#: Characters of an error in a table.
SHOWN = 60


@dataclass(frozen=True)
class TrialResult:
    """What is known of a trial.

    Attributes
    ----------
    number : int
        From 0, in the order in which they began.
    state : str
        ``finished``, ``pruned``, ``failed``, or ``unfinished``: begun and not ended.
    parameters : dict
        The value of each parameter.
    value : float or None
        The objective; with several runs, their mean.
    deviation : float or None
        The standard deviation of the objective over the runs (with n - 1), if there are several.
    figures : dict of str to float
        All figures of the best epoch, and of the test split; with several runs, their means.
    runs : list of dict
        ``path`` of each run, relative to the folder of the sweep, its ``seed`` and ``fold``, ``value`` and ``figures``,
        ``epochs`` and ``best_epoch``.
    epochs : int
        Of all runs.
    seconds : float
    error : str or None
        Why it failed.
    """

    number: int
    state: str
    parameters: dict[str, Any] = field(default_factory=dict)
    value: float | None = None
    deviation: float | None = None
    figures: dict[str, float] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)
    epochs: int = 0
    seconds: float = 0.0
    error: str | None = None

    @classmethod
    def of(cls, number: int, state: str, parameters: dict[str, Any], runs: list[dict[str, Any]],
           error: str | None = None) -> TrialResult:  # fmt: skip
        """The result of a trial from those of its runs."""
        values = [run["value"] for run in runs if run.get("value") is not None]
        whole = state in ("finished", "pruned") and len(values) == len(runs) > 0
        names = list(dict.fromkeys(name for run in runs for name in run["figures"]))
        figures = {name: [run["figures"].get(name) for run in runs] for name in names}
        return cls(
            number,
            state,
            parameters,
            statistics.fmean(values) if whole else None,
            statistics.stdev(values) if whole and len(values) > 1 else None,
            {name: statistics.fmean(each) for name, each in figures.items() if None not in each},
            runs,
            sum(run["epochs"] for run in runs),
            sum(run["seconds"] for run in runs),
            error,
        )


@dataclass(frozen=True)
class SweepResult:
    """A sweep as far as it is.

    Attributes
    ----------
    path : Path
        Its folder.
    objective, direction : str
        The figure by which trials are compared, and ``minimize`` or ``maximize``.
    wanted : int
        The number of trials that it is to have.
    state : str
        ``running``: a process is at work. ``finished``; ``stopped``: it can go on; ``crashed``: its process ended
        before the sweep did, and it can go on.
    trials : list of TrialResult
        By number.
    """

    path: Path
    objective: str
    direction: str
    wanted: int
    state: str
    trials: list[TrialResult]

    @property
    def best(self) -> TrialResult | None:
        """The trial with the best value; of equal ones the first. None if none has finished."""
        ranked = self.ranked()
        return ranked[0] if ranked else None

    @property
    def best_path(self) -> Path | None:
        """The folder of the best trial's run, or of its best one of several, for :func:`graphnet.load`."""
        best, sign = self.best, self._sign
        if best is None:
            return None
        return self.path / min(best.runs, key=lambda run: sign * run["value"])["path"]

    @property
    def _sign(self) -> float:
        return 1.0 if self.direction == "minimize" else -1.0

    def ranked(self) -> list[TrialResult]:
        """The finished trials, the best one first."""
        known = [(each.value, each) for each in self.trials if each.state == "finished" and each.value is not None]
        return [each for _, each in sorted(known, key=lambda pair: (self._sign * pair[0], pair[1].number))]

    def rows(self) -> list[dict[str, Any]]:
        """A plain row for each trial: number, state, value, parameters, figures, epochs, seconds, path, error."""
        names = list(dict.fromkeys(name for each in self.trials for name in each.parameters))
        figures = list(dict.fromkeys(name for each in self.trials for name in each.figures))
        return [
            {
                "trial": each.number,
                "state": each.state,
                "value": each.value,
                "deviation": each.deviation,
                **{name: each.parameters.get(name) for name in names},
                **{f"figure.{name}": each.figures.get(name) for name in figures},
                "epochs": each.epochs,
                "seconds": round(each.seconds, 3),
                "path": " ".join(str(self.path / run["path"]) for run in each.runs),
                "error": each.error,
            }
            for each in self.trials
        ]

    def to_dataframe(self) -> Any:
        """The rows as a pandas DataFrame.

        Raises
        ------
        PluginError
            If pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise PluginError("a DataFrame needs pandas, which cannot be imported", received=str(error),
                              remedy="pip install pandas") from error  # fmt: skip
        return pandas.DataFrame(self.rows())

    def to_csv(self) -> str:
        """The rows as CSV."""
        rows, text = self.rows(), io.StringIO()
        names = list(rows[0]) if rows else [*FIRST, *LAST]
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
        return text.getvalue()

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON values."""
        best = self.best_path
        return {
            "format": sweep_files.FORMAT,
            "state": self.state,
            "objective": {"metric": self.objective, "direction": self.direction},
            "wanted": self.wanted,
            "best": None if self.best is None else {"trial": self.best.number, "path": best and best.name},
            "trials": [asdict(each) for each in self.trials],
        }

    def table(self, most: int | None = 10) -> str:
        """The best trials as text, then those that were pruned or failed; ``most`` of them in all, None for all."""
        from graphnet.sweeps.table import table

        return table(self, most)

    def __str__(self) -> str:
        return self.table()


def run_name(run: Mapping[str, Any]) -> str:
    """Which run of its trial a run is.

    Examples
    --------
    >>> run_name({"seed": 1, "fold": 0}), run_name({"seed": None, "fold": None})
    ('seed 1, fold 0', 'run')
    """
    return ", ".join(f"{name} {run[name]}" for name in ("seed", "fold") if run.get(name) is not None) or "run"


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (list, dict, bool)) else value


def encoded(result: SweepResult) -> bytes:
    """The file of the results."""
    return (json.dumps(_finite(result.as_dict()), indent=1, allow_nan=False) + "\n").encode()


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def results(path: str | os.PathLike[str]) -> SweepResult:
    """The results of a sweep so far, from its folder; Optuna is not needed.

    Raises
    ------
    FileError
        If it is not the folder of a sweep, or its results are damaged.
    """
    from graphnet.sweeps.folder import facts_of

    folder = checked_path("results", path)
    facts = facts_of(folder)
    found, locked = sweep_files.results(folder), is_locked(folder)
    if found is None:
        return SweepResult(folder, str(facts["objective"]), str(facts["direction"]), int(facts["wanted"]),
                           "running" if locked else "crashed", [])  # fmt: skip
    try:
        objective = found["objective"]
        trials = [TrialResult(**values) for values in found["trials"]]
        result = SweepResult(
            folder, objective["metric"], objective["direction"], found["wanted"], found["state"], trials
        )
    except (KeyError, TypeError) as error:
        raise FileError("damaged results", where=str(folder / sweep_files.RESULTS), received=repr(error)) from error
    state = "running" if locked else "crashed" if result.state == "running" else result.state
    return SweepResult(folder, result.objective, result.direction, result.wanted, state, result.trials)


def state_of(trials: Sequence[TrialResult], wanted: int) -> str:
    """Whether a sweep that has ended in order is finished."""
    done = sum(each.state != "unfinished" for each in trials)
    return "finished" if done >= wanted else "stopped"
