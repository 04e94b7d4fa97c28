"""The leading axes of a value, which number its rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.axes import BATCH, ROWS, TIME
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ShapeError


def kept(x: Shape) -> int:
    """The number of leading axes that number the rows: 1 for the batch, 2 for time and batch."""
    return 2 if x.names[:2] == (TIME, BATCH) else 1


def check_rows(x: Shape, layer: Layer) -> None:
    """Raise a ShapeError if axes are declared and those of the rows are not the leading ones."""
    x.read_as((TIME, BATCH) if kept(x) == 2 else (ROWS,), repr(layer))


def inner_axis(x: Shape, axis: int, layer: Layer) -> int:
    """The position, from 0, of an axis inside each row.

    Raises
    ------
    ShapeError
        If ``x`` has no such axis, or it numbers the rows (batch; time and batch), which must match those of other
        values.
    """
    position = x.axis(axis)
    if position < kept(x) or (x.declared and x.names[position] == BATCH):
        raise ShapeError(
            "cannot concatenate or split along the rows",
            where=repr(layer),
            expected=f"an axis after {x.names[kept(x) - 1]}",
            received=f"axis {axis} of {x}",
        )
    return position


def valid(lengths: Any, steps: int, rank: int) -> Any:
    """A boolean array ``(time, batch, 1, …)``, true at valid steps, for a value of this rank."""
    return (np.arange(steps)[:, None] < lengths).reshape(steps, -1, *[1] * (rank - 2))
