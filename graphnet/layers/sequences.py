"""Shapes for layers over time, whose axis 0 is time."""

from __future__ import annotations

from dataclasses import replace

from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ShapeError


def single(x: Shape) -> bool:
    """Whether a sequence has no batch axis: ``(time, feature)``."""
    return x.rank == 2 and x.names[1] != BATCH


def without_time(x: Shape, layer: Layer) -> Shape:
    """The shape of one step; a single sequence is a batch of one.

    Raises
    ------
    ShapeError
        If time is the only axis, or axes are declared in another order.
    """
    if x.rank < 2 or TIME in x.names[1:]:
        raise ShapeError("not a sequence", where=repr(layer), expected="(time, batch, …)", received=str(x))
    x.read_as_sequence(repr(layer))
    return replace(x, names=(BATCH, x.names[1]), sizes=(1, x.sizes[1])) if single(x) else x.without(0)
