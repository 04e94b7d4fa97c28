"""Reading a size from a layer's configuration or, where that leaves it open, from its input."""

from __future__ import annotations

from collections.abc import Sequence

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import FEATURE, Shape
from graphnet.core.errors import ShapeError


def last_size(layer: Layer, configured: int | None, inputs: Sequence[Shape], *, known: bool = True) -> int:
    """The size of the last axis: as configured, else the first input's; -1 if nothing says it and ``known`` is False.

    Raises
    ------
    ShapeError
        If the two differ, if the input has no axis for features, or declares it elsewhere, or if the size must be
        known and is not.
    """
    if inputs and inputs[0].rank < 2:
        raise ShapeError("needs a batch axis and a feature axis", where=repr(layer),
                         expected="(batch, …, feature)", received=inputs[0])  # fmt: skip
    if inputs:
        inputs[0].read_as((*[None] * (inputs[0].rank - 1), FEATURE), repr(layer))
    found = inputs[0].sizes[-1] if inputs else None
    if configured is not None and found is not None and configured != found:
        raise ShapeError("the last axis does not fit", where=repr(layer),
                         expected=inputs[0].resized(-1, configured), received=inputs[0])  # fmt: skip
    size = configured if configured is not None else found
    if size is None and known:
        raise ShapeError("the input's size is not known yet", where=repr(layer),
                         remedy="Give it to the constructor, or declare it on the graph's input.")  # fmt: skip
    return -1 if size is None else size
