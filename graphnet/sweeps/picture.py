"""The picture of a sweep: the objective by trial, the learning curves, and each parameter against the objective."""

from __future__ import annotations

import importlib.util
import io
import json
import math
from pathlib import Path
from typing import Any

from graphnet.io.learning_curve import import_matplotlib
from graphnet.io.run_files import METRICS
from graphnet.sweeps.parameters import number_at
from graphnet.sweeps.results import SweepResult, TrialResult

PICTURE = "results.png"
FINISHED, PRUNED, BEST = "#1b6ca8", "0.65", "#d1603d"
#: Parameters and curves that are drawn.
MOST, CURVES = 8, 200


def picture(result: SweepResult) -> bytes | None:
    """A PNG; None if matplotlib is not installed, or no trial has a value."""
    known = [each for each in result.trials if each.value is not None]
    if not known or importlib.util.find_spec("matplotlib") is None:
        return None
    import_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(name for each in known for name in each.parameters))[:MOST]
    count = 2 + len(names)
    width = min(3, count)
    rows = math.ceil(count / width)
    figure = Figure(figsize=(4.6 * width, 3.5 * rows), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(result.path.name).set_parse_math(False)
    axes = list(figure.subplots(rows, width, squeeze=False).flat)
    _by_trial(axes[0], result, known)
    _curves(axes[1], result)
    for each, name in zip(axes[2:], names, strict=False):
        _by_parameter(each, result, known, name)
    for empty in axes[count:]:
        empty.set_axis_off()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _label(axes: Any, x: str, y: str) -> None:
    for label in (axes.set_xlabel(x), axes.set_ylabel(y)):
        label.set_parse_math(False)
    axes.grid(alpha=0.25)


def _by_trial(axes: Any, result: SweepResult, known: list[TrialResult]) -> None:
    """The value of each trial, and the best one so far."""
    for state, colour in (("finished", FINISHED), ("pruned", PRUNED)):
        these = [each for each in known if each.state == state]
        if these:
            spread = [each.deviation or 0.0 for each in these] if any(each.deviation for each in these) else None
            numbers, values = [each.number for each in these], [each.value for each in these]
            axes.errorbar(numbers, values, spread, fmt="o", color=colour, markersize=4, label=state)
    best, numbers, values = None, [], []
    for each in known:
        if each.state == "finished":
            better = min if result.direction == "minimize" else max
            best = each.value if best is None else better(best, each.value)  # type: ignore[type-var]
            numbers.append(each.number)
            values.append(best)
    if numbers:
        axes.step(numbers, values, where="post", color=BEST, linewidth=1, label="best so far")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False, fontsize=8)
    _label(axes, "trial", result.objective)


def _curves(axes: Any, result: SweepResult) -> None:
    """The objective after each epoch, of each run; of a figure of the test split, the training loss."""
    best = result.best
    figure = result.objective
    if figure.startswith(("test_", "held_out_")):
        figure = "loss"
    for trial in result.trials:
        for run in trial.runs[: max(1, CURVES // max(1, len(result.trials)))]:
            values = curve(result.path / run["path"], figure)
            chosen = best is not None and trial.number == best.number
            colour = BEST if chosen else PRUNED if trial.state == "pruned" else FINISHED
            axes.plot(range(1, len(values) + 1), values, color=colour, alpha=1.0 if chosen else 0.4,
                      linewidth=1.8 if chosen else 0.8, zorder=3 if chosen else 2)  # fmt: skip
    axes.xaxis.get_major_locator().set_params(integer=True)
    _label(axes, "epoch", figure)


def curve(run: Path, figure: str) -> list[float]:
    """A figure of a run after each epoch; NaN where there is none."""
    values = []
    try:
        for line in (run / METRICS).read_text(encoding="utf-8").splitlines():
            value = json.loads(line).get(figure)
            values.append(float(value) if isinstance(value, (int, float)) else math.nan)
    except (OSError, ValueError, AttributeError):
        pass
    return values


def _by_parameter(axes: Any, result: SweepResult, known: list[TrialResult], name: str) -> None:
    """The objective against a parameter: numbers on a scale, logarithmic if they span two decades; others by name."""
    these = [each for each in known if name in each.parameters]
    values = [each.parameters[name] for each in these]
    colours = [PRUNED if each.state == "pruned" else FINISHED for each in these]
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        places = [float(number_at(value, ())) for value in values]
        if min(places) > 0 and max(places) >= 30 * min(places):
            axes.set_xscale("log")
    else:
        labels = list(dict.fromkeys(json.dumps(value) for value in values))
        places = [float(labels.index(json.dumps(value))) for value in values]
        ticks = axes.set_xticks(range(len(labels)), [label.strip('"')[:16] for label in labels])
        for tick in ticks:
            tick.label1.set_parse_math(False)
    axes.scatter(places, [each.value for each in these], c=colours, s=18)
    best = result.best
    if best is not None and best in these:
        axes.scatter([places[these.index(best)]], [best.value], c=BEST, s=40, zorder=3)
    _label(axes, name, result.objective)
