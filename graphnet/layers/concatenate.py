"""Values side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.errors import ShapeError
from graphnet.core.layer import Layer, require
from graphnet.core.shapes import Shape


class Concatenate(Layer):
    """``y = [x_1, x_2, …]`` along one axis; all other axes must agree.

    Parameters
    ----------
    axis : int
        -1: the features. The batch (0) cannot be joined: rows would no longer belong to their inputs.

    Raises
    ------
    ShapeError
        If the inputs differ elsewhere.
    """

    axis: int = -1

    def check(self) -> None:
        whole = isinstance(self.axis, int) and not isinstance(self.axis, bool)
        require(whole and self.axis != 0, self, "axis", "a whole number, not 0")

    def infer(self, *inputs: Shape) -> Shape:
        first = inputs[0]
        axis = first.axis(self.axis)
        for other in inputs[1:]:
            if other.rank != first.rank or not first.resized(axis, None).fits(other):
                raise ShapeError(
                    "inputs differ on an axis that is not joined",
                    where=repr(self),
                    expected=str(first.resized(axis, None)),
                    received=str(other),
                )
        sizes = [x.sizes[axis] for x in inputs]
        return first.resized(axis, None if None in sizes else sum(n or 0 for n in sizes))

    def apply(self, *inputs: Any) -> tuple[Any, Any]:
        return np.concatenate(inputs, axis=self.axis), [x.shape[self.axis] for x in inputs]

    def pull(self, widths: Any, error: Any) -> Any:
        before = (slice(None),) * (self.axis if self.axis >= 0 else error.ndim + self.axis)
        ends = [sum(widths[: i + 1]) for i in range(len(widths))]
        return tuple(error[(*before, slice(end - width, end))] for end, width in zip(ends, widths, strict=True))
