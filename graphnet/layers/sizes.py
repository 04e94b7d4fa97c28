"""The size of the last axis, from the configuration of a layer or from its input."""

from __future__ import annotations

from collections.abc import Sequence

from graphnet.core.describe.axes import FEATURE
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ShapeError


def last_size(layer: Layer, configured: int | None, inputs: Sequence[Shape], *, known: bool = True) -> int:
    """The configured size of the last axis, else that of the first input; -1 if unknown and ``known`` is False.

    Raises
    ------
    ShapeError
        If the two differ, if the input has no feature axis or declares it elsewhere, or if the size is required and
        unknown.
    """
    if inputs and inputs[0].rank < 2:
        raise ShapeError("needs a batch axis and a feature axis", where=repr(layer),
                         expected="(batch, …, feature)", received=inputs[0])  # fmt: skip
    if inputs:
        inputs[0].read_as((*[None] * (inputs[0].rank - 1), FEATURE), layer)
    input_size = inputs[0].sizes[-1] if inputs else None
    if configured is not None and input_size is not None and configured != input_size:
        raise ShapeError("the last axis does not fit", where=repr(layer),
                         expected=inputs[0].resized(-1, configured), received=inputs[0])  # fmt: skip
    size = configured if configured is not None else input_size
    if size is None and known:
        raise ShapeError("the size of the input is not known yet", where=repr(layer),
                         remedy="Pass it to the constructor, or declare it on the input of the graph.")  # fmt: skip
    return -1 if size is None else size
