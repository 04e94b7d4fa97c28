"""The first step of each row."""

from dataclasses import replace
from typing import Any

import numpy as np

from graphnet import Layer, Shape
from graphnet_recurrent.layers.checks import check_sequence, is_single


class First(Layer):
    """``y_b = x[0, b]``: ``(time, batch, …) -> (batch, …)``; zeros for a row of length 0.

    This is the last output of a reversed Scan; ``graphnet.Last`` is the counterpart for one that runs forward. One
    sequence ``(time, feature)`` gives ``(1, feature)``.

    Raises
    ------
    ShapeError
        If the input has no axis besides time.

    Examples
    --------
    >>> import numpy as np
    >>> First().forward(np.arange(12.0).reshape(3, 2, 2))
    array([[0., 1.],
           [2., 3.]])
    """

    def infer(self, x: Shape) -> Shape:
        check_sequence(x, self)
        return replace(x, names=("batch", x.names[1]), sizes=(1, x.sizes[1])) if is_single(x) else x.without(0)

    def apply(self, x: Any, *, lengths: Any, shapes: Any) -> tuple[Any, Any]:
        first = x[:1] if is_single(shapes[0]) else x[0]
        if lengths is None:
            return first, (x.shape, None)
        nonempty = (lengths > 0).reshape(-1, *[1] * (first.ndim - 1))
        return np.where(nonempty, first, x.dtype.type(0)), (x.shape, nonempty)

    def pull(self, saved: Any, error: Any) -> Any:
        shape, nonempty = saved
        if nonempty is not None:
            error = np.where(nonempty, error, error.dtype.type(0))
        errors = np.zeros(shape, error.dtype)
        errors[0] = error.reshape(shape[1:])
        return errors
