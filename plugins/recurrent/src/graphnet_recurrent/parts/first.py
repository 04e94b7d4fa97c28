"""The first step of each row."""

from dataclasses import replace
from typing import Any

import numpy as np

from graphnet import Layer, Shape, ShapeError


class First(Layer):
    """``y_b = x[0, b]``: ``(time, batch, …) -> (batch, …)``; zeros for a row of length 0.

    What a Scan that goes backwards ends with; ``graphnet.Last`` is the same for one that goes forwards. One sequence
    ``(time, feature)`` gives ``(1, feature)``.

    Raises
    ------
    ShapeError
        If the input has no axis beside time.

    Examples
    --------
    >>> import numpy as np
    >>> First().forward(np.arange(12.0).reshape(3, 2, 2))
    array([[0., 1.],
           [2., 3.]])
    """

    def infer(self, x: Shape) -> Shape:
        if x.rank < 2 or "time" in x.names[1:]:
            raise ShapeError("no sequence", where=repr(self), expected="(time, batch, …)", received=x)
        x.read_as_sequence(repr(self))
        return replace(x, names=("batch", x.names[1]), sizes=(1, x.sizes[1])) if _single(x) else x.without(0)

    def apply(self, x: Any, *, lengths: Any, shapes: Any) -> tuple[Any, Any]:
        first = x[:1] if _single(shapes[0]) else x[0]
        if lengths is None:
            return first, (x.shape, None)
        there = (lengths > 0).reshape(-1, *[1] * (first.ndim - 1))
        return np.where(there, first, x.dtype.type(0)), (x.shape, there)

    def pull(self, saved: Any, error: Any) -> Any:
        shape, there = saved
        errors = np.zeros(shape, error.dtype)
        errors[0] = (error if there is None else np.where(there, error, error.dtype.type(0))).reshape(shape[1:])
        return errors


def _single(x: Shape) -> bool:
    return x.rank == 2 and x.names[1] != "batch"
