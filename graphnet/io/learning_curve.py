"""The learning curve as a picture."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Sequence
from typing import Any

from graphnet.training.history import EpochRecord, History

TRAINED, HELD = "#1b6ca8", "#d1603d"


def learning_curve(history: History, title: str) -> bytes | None:
    """A PNG of loss and first metric over the epochs, in training and on what was held out.

    Parameters
    ----------
    history : History
        With one epoch at least.
    title : str

    Returns
    -------
    bytes or None
        None where matplotlib is not installed, or no epoch was finished. The backend in use for windows stays as it is.
    """
    if not history.epochs or importlib.util.find_spec("matplotlib") is None:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = ["loss", *list(history.epochs[0].metrics)[:1]]
    figure = Figure(figsize=(5.2 * len(names), 3.8), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        _draw(axes, name, history)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _draw(axes: Any, name: str, history: History) -> None:
    """One figure over the epochs, with the best epoch marked."""
    epochs = [record.epoch for record in history.epochs]
    marker = "o" if len(epochs) < 40 else None
    axes.plot(epochs, _trained(history.epochs, name), color=TRAINED, marker=marker, markersize=3, label="training")
    held = _held(history.epochs, name)
    if any(value is not None for value in held):
        drawn = [float("nan") if value is None else value for value in held]
        axes.plot(epochs, drawn, color=HELD, marker=marker, markersize=3, label="validation")
    if history.best_epoch:
        label = f"best epoch ({history.best_epoch})"
        axes.axvline(history.best_epoch, color="0.45", linestyle=":", linewidth=1, label=label)
    axes.set_xlabel("epoch")
    axes.set_ylabel(name.replace("_", " "))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)


def _trained(records: Sequence[EpochRecord], name: str) -> list[float]:
    return [record.loss if name == "loss" else record.metrics.get(name, float("nan")) for record in records]


def _held(records: Sequence[EpochRecord], name: str) -> list[float | None]:
    return [record.validation_loss if name == "loss" else record.validation_metrics.get(name) for record in records]
