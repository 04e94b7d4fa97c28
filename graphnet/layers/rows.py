"""Which leading axes of a value number its rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import BATCH, ROWS, TIME, Shape
from graphnet.core.errors import ShapeError


def kept(x: Shape) -> int:
    """How many leading axes stay where each row is rearranged: the batch, or time and batch."""
    return 2 if x.names[:2] == (TIME, BATCH) else 1


def check_rows(x: Shape, layer: Layer) -> None:
    """Refuse declared axes among which the rows are not the leading ones.

    Raises
    ------
    ShapeError
    """
    x.read_as((TIME, BATCH) if kept(x) == 2 else (ROWS,), repr(layer))


def inner_axis(x: Shape, axis: int, layer: Layer) -> int:
    """The position, from 0, of an axis inside each row.

    Raises
    ------
    ShapeError
        If ``x`` has no such axis, or it numbers the rows (the batch; time and batch): joined or cut there, they would
        no longer belong to the rows of other values.
    """
    found = x.axis(axis)
    if found < kept(x) or (x.declared and x.names[found] == BATCH):
        raise ShapeError(
            "cannot join or split the rows themselves",
            where=repr(layer),
            expected=f"an axis after {x.names[kept(x) - 1]}",
            received=f"axis {axis} of {x}",
        )
    return found


def valid(lengths: Any, steps: int, rank: int) -> Any:
    """True where a step of a row counts, ``(time, batch, 1, …)``, for a value of this rank."""
    return (np.arange(steps)[:, None] < lengths).reshape(steps, -1, *[1] * (rank - 2))
