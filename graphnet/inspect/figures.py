"""Learning curves and confusion matrices as figures of matplotlib."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

from graphnet.core.arguments import explained
from graphnet.core.errors import ConfigError, PluginError, unknown
from graphnet.io.learning_curve import curves, new_figure
from graphnet.metrics.confusion_matrix import ConfusionMatrix
from graphnet.training.history import FIGURES, HELD_OUT, History

#: Up to this many classes the counts are written into the cells.
WRITTEN = 25
#: The most characters of the name of a class.
NAME = 24


@explained
def plot_history(history: History, figures: Sequence[str] | str | None = None, *, title: str = "") -> Any:
    """The figures of a training run over its epochs, one axes for each, in training and, if there are, validation.

    Parameters
    ----------
    history : History
        With at least one epoch.
    figures : sequence of str, or str, optional
        ``'loss'``, metrics, ``'learning_rate'``, ``'gradient_norm'``; None: the loss and all metrics.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
        pyplot is neither imported nor changed; ``figure.savefig("curves.png")`` writes it.

    Raises
    ------
    ConfigError
        If no epoch was completed, or no figure is named.
    UnknownNameError
        If a name is not that of a figure.
    PluginError
        If matplotlib is not installed.
    """
    if not isinstance(history, History):
        raise ConfigError("not a history", where="plot_history", expected="a History", received=repr(history)[:200])
    if not history.epochs:
        raise ConfigError("there is nothing to plot", where="plot_history", expected="at least one completed epoch")
    flat = history.to_dict()
    hidden = ("epoch", "best")
    known = [n for n in flat if n not in hidden and not n.startswith(HELD_OUT)]
    known += [n.removeprefix(HELD_OUT) for n in flat if n.startswith(HELD_OUT)]
    known = list(dict.fromkeys(known))
    names = [figures] if isinstance(figures, str) else figures
    if names is None:
        names = ["loss", *(name for name in known if name not in FIGURES)]
    for name in names:
        if name not in known:
            raise unknown("figure", name, known, where="plot_history")
    if not names:
        raise ConfigError("no figure is named", where="plot_history", expected=", ".join(known))
    _require_matplotlib()
    return curves(history, list(names), title)


@explained
def plot_confusion_matrix(matrix: ConfusionMatrix, *, normalized: bool = False, title: str = "") -> Any:
    """A confusion matrix as a picture: rows are the true classes, columns the predicted ones.

    The colour of a cell is its share of the row. Up to 25 classes, the counts are in the cells.

    Parameters
    ----------
    matrix : ConfusionMatrix
    normalized : bool
        Whether the cells have the shares of their row, in percent, in place of counts.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
        As :func:`plot_history`.

    Raises
    ------
    ConfigError
        If ``matrix`` is no ConfusionMatrix, or is empty.
    PluginError
        If matplotlib is not installed.
    """
    if not isinstance(matrix, ConfusionMatrix) or not matrix.counts.size:
        raise ConfigError(
            "there is no confusion matrix to plot",
            where="plot_confusion_matrix",
            expected="what Model.confusion_matrix returns",
            received=repr(matrix)[:200],
        )
    _require_matplotlib()
    shares, count = matrix.normalized(), len(matrix.counts)
    side = min(14.0, 2.2 + 0.42 * count)
    figure = new_figure(side + 1.2, side, title)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    if count <= WRITTEN:
        for (i, j), share in _cells(shares):
            text = f"{100 * share:.0f}" if normalized else _count(matrix.counts[i, j])
            colour = "white" if share > 0.55 else "black"
            axes.text(j, i, text, ha="center", va="center", fontsize=min(8.0, 40.0 / len(text)), color=colour)
    ticks = range(0, count, -(-count // 50))
    names = [_short(str(matrix.classes[i])) for i in ticks]
    for labels in (axes.set_xticks(ticks, names, rotation=90 if max(map(len, names)) > 3 else 0),
                   axes.set_yticks(ticks, names)):  # fmt: skip
        for tick in labels:
            for text in (tick.label1, tick.label2):
                text.set_parse_math(False)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    figure.colorbar(image, ax=axes, label="share of the true class")
    return figure


def _count(number: Any) -> str:
    """A count that fits into a cell.

    Examples
    --------
    >>> _count(98765), _count(123456), _count(7654321), _count(0.5)
    ('98765', '123k', '7.7M', '0.5')
    """
    if number < 1e5:
        return f"{number:.3g}" if number != int(number) else f"{int(number)}"
    return f"{number / 1e3:.0f}k" if number < 1e6 else f"{number / 1e6:.2g}M" if number < 1e8 else f"{number:.1e}"


def _short(name: str) -> str:
    """A name on one line, cut if it is long."""
    shown = "".join(c if c.isprintable() else " " for c in name)
    return shown if len(shown) <= NAME else f"{shown[: NAME - 1]}…"


def _cells(shares: Any) -> list[tuple[tuple[int, int], float]]:
    return [((i, j), float(share)) for i, row in enumerate(shares) for j, share in enumerate(row)]


def _require_matplotlib() -> None:
    if importlib.util.find_spec("matplotlib") is None:
        raise PluginError("figures need matplotlib, which is not installed", remedy="pip install matplotlib")


def history_figure(history: History, figures: Any, title: str) -> Any:
    """What ``History.plot`` returns."""
    return plot_history(history, figures, title=title)


def confusion_figure(matrix: ConfusionMatrix, normalized: bool, title: str) -> Any:
    """What ``ConfusionMatrix.plot`` returns."""
    return plot_confusion_matrix(matrix, normalized=normalized, title=title)
