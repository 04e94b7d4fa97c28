"""The trials of a sweep as a table of text."""

from __future__ import annotations

import json
import statistics
from typing import Any

#: Characters of an error, and of a value.
ERROR, VALUE = 60, 24


def table(result: Any, most: int | None) -> str:
    """The best trials of a ``SweepResult``, then the others; a line about those that are left out."""
    if len(result.trials) == 1 and len(result.trials[0].runs) > 1 and not result.trials[0].parameters:
        return _runs(result, result.trials[0])
    ranked = result.ranked()
    others = [each for each in result.trials if each not in ranked]
    shown = [*ranked, *others][:most]
    names = list(dict.fromkeys(name for each in result.trials for name in each.parameters))
    labels = short_names(names)
    spread = any(each.deviation is not None for each in shown)
    header = ["trial", "state", result.objective + (" ± sd" if spread else ""), *labels, "epochs", "time", "run"]
    lines = _lines([header, *(_row(result, each, names) for each in shown)])
    if len(shown) < len(result.trials):
        lines.append(f"and {len(result.trials) - len(shown)} more")
    return "\n".join(lines)


def _lines(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _runs(result: Any, trial: Any) -> str:
    """The runs of a sweep that only repeats, and their mean, median and standard deviation."""
    keys = [key for key in ("seed", "fold") if any(run[key] is not None for run in trial.runs)]
    rows = [[*keys, result.objective, "epochs", "time", "run"]]
    for run in trial.runs:
        figures = [f"{run['value']:.5g}", str(run["epochs"]), f"{run['seconds']:.1f} s", run["path"]]
        rows.append([*(str(run[key]) for key in keys), *figures])
    lines = _lines(rows)
    values = [run["value"] for run in trial.runs]
    if trial.value is not None and trial.deviation is not None:
        lines.append(f"mean {trial.value:.5g} ± {trial.deviation:.2g} (standard deviation), "
                     f"median {statistics.median(values):.5g}, {min(values):.5g} to {max(values):.5g}")  # fmt: skip
    return "\n".join(lines)


def _row(result: Any, each: Any, names: list[str]) -> list[str]:
    value = "-" if each.value is None else f"{each.value:.5g}"
    if each.deviation is not None:
        value += f" ± {each.deviation:.2g}"
    run = each.error[:ERROR] if each.error is not None else f"{len(each.runs)} runs"
    if each.error is None and len(each.runs) == 1:
        run = each.runs[0]["path"]
    cells = [shown_value(each.parameters.get(name)) for name in names]
    return [str(each.number), each.state, value, *cells, str(each.epochs), f"{each.seconds:.1f} s", run]


def shown_value(value: Any) -> str:
    """A value of a parameter in a few characters.

    Examples
    --------
    >>> shown_value(0.0123456789), shown_value("Adam"), shown_value({"SGD": {"learning_rate": 0.1}})
    ('0.012346', 'Adam', '{"SGD": {"learning_rat…')
    """
    if isinstance(value, float):
        return f"{value:.5g}"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) < VALUE else f"{text[: VALUE - 2]}…"


def short_names(names: list[str]) -> list[str]:
    """The last parts of dotted names, as many as tell them apart.

    Examples
    --------
    >>> short_names(["training.optimizer.learning_rate", "a.units", "b.units"])
    ['optimizer.learning_rate', 'a.units', 'b.units']
    """
    parts = [name.split(".") for name in names]
    for count in range(1, 8):
        short = [".".join(each[-count:]) for each in parts]
        if len(set(short)) == len(names):
            return short
    return names
