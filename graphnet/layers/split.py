"""Splitting of a value into parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.checks import is_python_int
from graphnet.core.describe.layer import Layer, require
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ShapeError
from graphnet.layers.rows import inner_axis


class Split(Layer):
    """``x = [y_0, y_1, …]`` along one axis: the inverse of Concatenate; outputs ``part_0``, ``part_1``, …

    Parameters
    ----------
    parts : int or tuple of int
        The number of equal parts, or the sizes of the parts.
    axis : int
        -1: the features. The axes of the rows (batch; time and batch) cannot be split.

    Raises
    ------
    ShapeError
        If the sizes do not match the axis, or the axis numbers the rows.
    """

    parts: int | tuple[int, ...]
    axis: int = -1

    def check(self) -> None:
        sizes = self.parts if isinstance(self.parts, tuple) else (self.parts,)
        fits = bool(sizes) and all(is_python_int(n, 1) for n in sizes)
        require(fits, self, "parts", "a positive integer, or several")
        require(is_python_int(self.axis) and self.axis != 0, self, "axis", "an integer other than 0")

    def output_ports(self) -> tuple[str, ...]:
        count = len(self.parts) if isinstance(self.parts, tuple) else self.parts
        return tuple(f"part_{i}" for i in range(count))

    def infer(self, x: Shape) -> tuple[Shape, ...]:
        axis = inner_axis(x, self.axis, self)
        size = x.sizes[axis]
        if isinstance(self.parts, tuple):
            fits = size is None or size == sum(self.parts)
            sizes: list[int | None] = list(self.parts)
        else:
            fits = size is None or size % self.parts == 0
            sizes = [None if size is None else size // self.parts] * self.parts
        if not fits:
            raise ShapeError(
                "cannot be split into these parts", where=repr(self), expected=f"parts {self.parts}", received=str(x)
            )
        return tuple(x.resized(axis, n) for n in sizes)

    def apply(self, x: Any) -> tuple[Any, Any]:
        axis = self.axis if self.axis >= 0 else x.ndim + self.axis
        widths = self.parts if isinstance(self.parts, tuple) else (x.shape[axis] // self.parts,) * self.parts
        before, ends = (slice(None),) * axis, [sum(widths[: i + 1]) for i in range(len(widths))]
        parts = tuple(x[(*before, slice(end - n, end))] for end, n in zip(ends, widths, strict=True))
        return parts if len(parts) > 1 else parts[0], None

    def pull(self, saved: Any, errors: Any) -> Any:
        return np.concatenate(errors if isinstance(errors, tuple) else (errors,), axis=self.axis)
