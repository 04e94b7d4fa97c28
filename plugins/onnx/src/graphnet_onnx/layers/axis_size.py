"""The size of an axis as a number."""

from __future__ import annotations

from dataclasses import field
from typing import Any

import numpy as np

from graphnet import Layer, Shape, ShapeError
from graphnet.authoring import is_python_int, require


class AxisSize(Layer):
    """``y[b] = the size of an axis of x``: ``(batch, …) -> (batch, 1)``; x gets no error.

    For sequences and axis 0 it is the number of valid steps of each row.

    Parameters
    ----------
    axis : int
        From 0 on.

    Raises
    ------
    ShapeError
        If x has no such axis.

    Examples
    --------
    >>> import numpy as np
    >>> AxisSize(1).forward(np.zeros((2, 7)))
    array([[7.],
           [7.]])
    """

    axis: int = field(default=0)

    def check(self) -> None:
        require(is_python_int(self.axis, 0), self, "axis", "an integer from 0 on")

    def infer(self, x: Shape) -> Shape:
        if self.axis >= x.rank:
            raise ShapeError("no such axis", where=repr(self), expected=f"more than {self.axis} axes", received=str(x))
        return Shape(("batch", "feature"), (x.sizes[self._batch(x)], 1), x.declared)

    def _batch(self, x: Shape) -> int:
        return 1 if x.names[:2] == ("time", "batch") else 0

    def apply(self, x: Any, *, lengths: Any, shapes: Any) -> tuple[Any, Any]:
        rows = x.shape[self._batch(shapes[0])]
        if lengths is not None and self.axis == 0 and self._batch(shapes[0]) == 1:
            return np.asarray(lengths).reshape(-1, 1).astype(x.dtype), None
        kind = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
        return np.full((rows, 1), x.shape[self.axis], kind), None

    def pull(self, saved: Any, error: Any) -> Any:
        return None
