"""The learning curve as an image."""

from __future__ import annotations

import functools
import importlib.util
import io
import math
import os
from collections.abc import Sequence
from typing import Any

from graphnet.training.history import EpochRecord, History

TRAINING, VALIDATION = "#1b6ca8", "#d1603d"
#: The axis is logarithmic if the greatest value is this multiple of the least.
WIDE = 1e4


def learning_curve(history: History, title: str) -> bytes | None:
    """A PNG of the loss and the first metric over the epochs, in training and validation.

    Parameters
    ----------
    history : History
        With at least one epoch.
    title : str

    Returns
    -------
    bytes or None
        None if matplotlib is not installed, or no epoch was completed. The backend of pyplot is not changed.
    """
    if not history.epochs or importlib.util.find_spec("matplotlib") is None:
        return None
    return png(curves(history, ["loss", *list(history.epochs[0].metrics)[:1]], title))


def curves(history: History, names: Sequence[str], title: str) -> Any:
    """A matplotlib Figure with the figures of these names over the epochs, in training and validation, 3 in a row."""
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = new_figure(5.2 * columns, 3.8 * rows, title)
    places = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, name in zip(places, names, strict=False):
        _draw(axes, name, history)
    for empty in places[len(names) :]:
        empty.set_axis_off()
    return figure


def new_figure(width: float, height: float, title: str) -> Any:
    """An empty matplotlib Figure, in inches, that pyplot does not know; a notebook shows it."""
    import_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title).set_parse_math(False)  # a $ is a letter here
    # Notebooks have a printer for figures only after pyplot was imported.
    figure._repr_png_ = functools.partial(png, figure)  # type: ignore[attr-defined]
    return figure


def png(figure: Any) -> bytes:
    """A figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def import_matplotlib() -> None:
    """Import matplotlib, whatever backend the environment asks for: it refuses to be imported if there is no such one.

    The backend of a notebook does not exist in a process that the notebook starts. The picture needs none.
    """
    try:
        import matplotlib
    except ValueError:
        wanted = os.environ.pop("MPLBACKEND", None)
        try:
            import matplotlib  # noqa: F401
        finally:
            if wanted is not None:
                os.environ["MPLBACKEND"] = wanted


def _draw(axes: Any, name: str, history: History) -> None:
    """Draw one quantity over the epochs; mark the best epoch, and those in which it is not finite."""
    epochs = [record.epoch for record in history.epochs]
    marker = "o" if len(epochs) < 40 else None
    shown: list[float] = []
    for values, colour, label in (
        (_training_values(history.epochs, name), TRAINING, "training"),
        (_validation_values(history.epochs, name), VALIDATION, "validation"),
    ):
        if all(value is None for value in values):
            continue
        plotted = [math.nan if value is None or not math.isfinite(value) else value for value in values]
        axes.plot(epochs, plotted, color=colour, marker=marker, markersize=3, label=label)
        shown += [value for value in plotted if math.isfinite(value)]
        lost = [e for e, value in zip(epochs, values, strict=True) if value is not None and not math.isfinite(value)]
        if lost:  # at the lower border, since they have no height
            words = f"{label}, not finite"
            axes.plot(lost, [0.03] * len(lost), "x", color=colour, transform=axes.get_xaxis_transform(), label=words)
    if shown and min(shown) > 0 and max(shown) > WIDE * min(shown):
        axes.set_yscale("log")
    if history.best_epoch:
        label = f"best epoch ({history.best_epoch})"
        axes.axvline(history.best_epoch, color="0.45", linestyle=":", linewidth=1, label=label)
    axes.set_xlabel("epoch")
    axes.set_ylabel(name.replace("_", " ")).set_parse_math(False)
    room = 0.5 if len(epochs) == 1 else 0.04 * (epochs[-1] - epochs[0])
    axes.set_xlim(epochs[0] - room, epochs[-1] + room)
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    axes.grid(alpha=0.25)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)


def _training_values(records: Sequence[EpochRecord], name: str) -> list[float | None]:
    return [record.flat().get(name) for record in records]


def _validation_values(records: Sequence[EpochRecord], name: str) -> list[float | None]:
    return [record.validation_loss if name == "loss" else record.validation_metrics.get(name) for record in records]
