"""Concatenation of values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from graphnet.core.checks import is_python_int
from graphnet.core.describe.broadcasting import check_aligned
from graphnet.core.describe.layer import Layer, require
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ShapeError
from graphnet.layers.rows import inner_axis


class Concatenate(Layer):
    """``y = [x_1, x_2, …]`` along one axis; all other axes must agree.

    Parameters
    ----------
    axis : int
        -1: the features. The axes of the rows (batch; time and batch) cannot be concatenated.

    Raises
    ------
    ShapeError
        If the inputs differ on another axis, their declared axes differ, or the axis numbers the rows.
    """

    axis: int = -1

    def check(self) -> None:
        require(is_python_int(self.axis) and self.axis != 0, self, "axis", "an integer other than 0")

    def infer(self, *inputs: Shape) -> Shape:
        first = inputs[0]
        axis = inner_axis(first, self.axis, self)
        for other in inputs[1:]:
            if other.rank != first.rank or not first.resized(axis, None).fits(other):
                raise ShapeError(
                    "inputs differ on an axis that is not concatenated",
                    where=repr(self),
                    expected=str(first.resized(axis, None)),
                    received=str(other),
                )
        check_aligned(inputs)
        sizes = [next((n for n in axis_sizes if n is not None), None) for axis_sizes in zip(*inputs, strict=True)]
        widths = [x.sizes[axis] for x in inputs]
        sizes[axis] = None if None in widths else sum(n or 0 for n in widths)
        named = next((x for x in inputs if x.declared), first)
        return replace(named, sizes=tuple(sizes))

    def apply(self, *inputs: Any) -> tuple[Any, Any]:
        return np.concatenate(inputs, axis=self.axis), [x.shape[self.axis] for x in inputs]

    def pull(self, widths: Any, error: Any) -> Any:
        before = (slice(None),) * (self.axis if self.axis >= 0 else error.ndim + self.axis)
        ends = [sum(widths[: i + 1]) for i in range(len(widths))]
        return tuple(error[(*before, slice(end - width, end))] for end, width in zip(ends, widths, strict=True))
