"""The records of a run as a short table."""

from __future__ import annotations

import math
from collections.abc import Sequence

#: Epochs that are shown, at the beginning and at the end.
ENDS = 4
#: The widest table, in characters; further metrics are left out.
WIDTH = 110
_FORMATS = {"seconds": ".2f", "learning_rate": ".3g"}


def table(columns: Sequence[tuple[str, Sequence[object]]], best: int) -> str:
    """A table of epochs: the first and the last few, and the best one.

    Parameters
    ----------
    columns : sequence of (name, values)
        The first is the number of the epoch.
    best : int
        The best epoch, which is marked; 0: none.

    Examples
    --------
    >>> print(table([("epoch", [1, 2]), ("loss", [0.5, 1 / 3])], best=2))
      epoch    loss
          1  0.5000
    *     2  0.3333
    """
    count = len(columns[0][1])
    shown = _shown(count, best)
    columns, left_out = _fitting([(name, [_text(name, value) for value in values]) for name, values in columns])
    widths = [max(len(name), *(len(values[i]) for i in shown)) for name, values in columns]
    lines = ["  " + "  ".join(name.rjust(width) for (name, _), width in zip(columns, widths, strict=True))]
    for before, i in zip([-1, *shown], shown, strict=False):
        if i > before + 1:
            lines.append("  " + "...".rjust(widths[0]))
        row = "  ".join(str(values[i]).rjust(width) for (_, values), width in zip(columns, widths, strict=True))
        lines.append(f"{'*' if i + 1 == best else ' '} {row}")
    if left_out:
        lines.append(f"  (without {', '.join(left_out)}; to_dict() has them)")
    return "\n".join(lines)


def _shown(count: int, best: int) -> list[int]:
    """The positions of the rows to show."""
    if count <= 2 * ENDS + 2:
        return list(range(count))
    ends = {*range(ENDS), *range(count - ENDS, count)}
    return sorted(ends | ({best - 1} if best else set()))


def _fitting(columns: list[tuple[str, list[str]]]) -> tuple[list[tuple[str, list[str]]], list[str]]:
    """The columns that fit into the width, and the names of the others."""
    fitting: list[tuple[str, list[str]]] = []
    left_out: list[str] = []
    width = 2
    for name, values in columns:
        own = max(len(name), *map(len, values)) + 2
        if width + own > WIDTH and len(fitting) > 2:
            left_out.append(name)
        else:
            fitting.append((name, values))
            width += own
    return fitting, left_out


def _text(name: str, value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:{_format(name, value)}}"
    return str(value)


def _format(name: str, value: float) -> str:
    if name in _FORMATS:
        return _FORMATS[name]
    return ".4f" if 1e-3 <= abs(value) < 1e5 or value == 0 or not math.isfinite(value) else ".3e"
