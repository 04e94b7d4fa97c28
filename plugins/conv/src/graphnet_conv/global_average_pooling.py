"""Global average pooling."""

from math import prod
from typing import Any

import numpy as np

from graphnet import Layer, Shape, ShapeError


class GlobalAveragePooling(Layer):
    """The mean of each channel: ``(batch, channels, …) -> (batch, channels)`` (Lin, Chen & Yan 2014, section 3.2).

    Raises
    ------
    ShapeError
        If the input has no spatial axis, or declares its axes in another order.
    """

    def infer(self, x: Shape) -> Shape:
        leading = _leading_axes(x)
        if x.rank <= leading + 1:
            raise ShapeError(
                "the input has no spatial axis", where=repr(self), expected="(batch, channel, y, x)", received=str(x)
            )
        rows = ("time", "batch") if leading == 2 else (Shape.ROWS,)
        x.read_as((*rows, "channel", *[Shape.SPACE] * (x.rank - leading - 1)), repr(self))
        return Shape((*x.names[:leading], "feature"), x.sizes[: leading + 1])

    def apply(self, x: Any, *, shapes: Any) -> tuple[Any, Any]:
        axes = tuple(range(_leading_axes(shapes[0]) + 1, x.ndim))
        return x.sum(axes) / prod(x.shape[axis] for axis in axes), (x.shape, len(axes))

    def pull(self, saved: Any, error: Any) -> Any:
        shape, axes = saved
        share = (error / prod(shape[-axes:])).reshape(*error.shape, *(1,) * axes)
        return np.broadcast_to(share, shape)


def _leading_axes(x: Shape) -> int:
    """The number of axes before the channels."""
    return 2 if x.names[:2] == ("time", "batch") else 1
