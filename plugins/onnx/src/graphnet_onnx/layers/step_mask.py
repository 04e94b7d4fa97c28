"""Which steps of a sequence are valid, from lengths that are a value of the graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet import Layer, Shape, ShapeError


class StepMask(Layer):
    """``y[t, b] = 1`` where ``t < n[b]``, else 0: ``(time, batch, …), (batch, …) -> (time, batch, 1)``.

    The lengths n are numbers of the graph, one for each row. Neither input gets an error.

    Raises
    ------
    ShapeError
        If the first value is not a sequence.

    Examples
    --------
    >>> import numpy as np
    >>> StepMask().apply(np.zeros((3, 2, 5)), np.array([1.0, 3.0]))[0][..., 0]
    array([[1., 1.],
           [0., 1.],
           [0., 1.]])
    """

    def infer(self, x: Shape, n: Shape) -> Shape:
        if x.rank < 2 or x.names[:2] != ("time", "batch"):
            raise ShapeError("not a sequence", where=repr(self), expected="(time, batch, …)", received=str(x))
        return Shape(("time", "batch", "feature"), (x.sizes[0], x.sizes[1], 1), x.declared)

    def apply(self, x: Any, n: Any) -> tuple[Any, Any]:
        counts = n.reshape(1, x.shape[1], -1)[:, :, :1]
        return (np.arange(x.shape[0]).reshape(-1, 1, 1) < counts).astype(x.dtype), None

    def pull(self, saved: Any, error: Any) -> Any:
        return None, None
