"""Reductions over axes inside each row."""

from __future__ import annotations

from dataclasses import field
from typing import Any

import numpy as np

from graphnet import Layer, Shape, ShapeError
from graphnet.authoring import is_python_int, require

KINDS = ("sum", "mean", "max", "min")


class Reduce(Layer):
    """The sum, mean, maximum or minimum over one axis of each row, which is left out or keeps size 1.

    Of equal maxima, the first one gets the error.

    Parameters
    ----------
    kind : {'sum', 'mean', 'max', 'min'}
    axis : int
        Negative: counted from the end.
    keep : bool
        Whether the axis stays, with size 1.

    Raises
    ------
    ShapeError
        If the axis numbers the rows, or does not exist.

    Examples
    --------
    >>> import numpy as np
    >>> Reduce("max", -1).forward(np.array([[[1.0, 5.0], [2.0, 0.0]]]))
    array([[5., 2.]])
    """

    kind: str
    axis: int = -1
    keep: bool = field(default=False)

    def check(self) -> None:
        require(self.kind in KINDS, self, "kind", "'sum', 'mean', 'max' or 'min'")
        require(is_python_int(self.axis) and self.axis < 0, self, "axis", "an integer below 0")
        require(isinstance(self.keep, bool), self, "keep", "True or False")

    def infer(self, x: Shape) -> Shape:
        if x.rank + self.axis < (2 if x.names[:2] == ("time", "batch") else 1):
            raise ShapeError("the rows cannot be reduced", where=repr(self), expected="an axis after the batch",
                             received=str(x))  # fmt: skip
        return x.resized(self.axis, 1) if self.keep else x.without(self.axis)

    def apply(self, x: Any) -> tuple[Any, Any]:
        if self.kind in ("sum", "mean"):
            total = x.sum(self.axis, keepdims=self.keep)
            return total / x.shape[self.axis] if self.kind == "mean" else total, x
        best = x.max(self.axis, keepdims=self.keep) if self.kind == "max" else x.min(self.axis, keepdims=self.keep)
        return best, x

    def pull(self, x: Any, error: Any) -> Any:
        if not self.keep:
            error = np.expand_dims(error, self.axis)
        if self.kind in ("sum", "mean"):
            share = error / x.shape[self.axis] if self.kind == "mean" else error
            return np.broadcast_to(share, x.shape).copy()
        found = x.argmax(self.axis) if self.kind == "max" else x.argmin(self.axis)
        result = np.zeros(x.shape, error.dtype)
        np.put_along_axis(result, np.expand_dims(found, self.axis), error, self.axis)
        return result
