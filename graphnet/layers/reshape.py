"""Another shape for each row."""

from __future__ import annotations

from math import prod
from typing import Any

from graphnet.core.checks import is_python_int
from graphnet.core.describe.layer import Layer, require
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ShapeError
from graphnet.layers.rows import check_rows, kept


class Reshape(Layer):
    """``(batch, …) -> (batch, *shape)``, in row-major order; sequences keep their time axis too.

    Parameters
    ----------
    shape : tuple of int
        The shape of each row; one size may be -1 and is computed from the others. Axes get the default names for their
        number.

    Raises
    ------
    ShapeError
        If the number of elements differs.
    """

    shape: tuple[int, ...]

    def check(self) -> None:
        sizes = self.shape if isinstance(self.shape, tuple) else ()
        valid = all(is_python_int(n, 1) or (is_python_int(n) and n == -1) for n in sizes)
        require(valid and len(sizes) > 0 and sizes.count(-1) <= 1, self, "shape", "positive integers, one perhaps -1")

    def infer(self, x: Shape) -> Shape:
        check_rows(x, self)
        leading = kept(x)
        rest = x.sizes[leading:]
        count = None if None in rest else prod(n or 0 for n in rest)
        known = prod(n for n in self.shape if n != -1)
        if count is not None and (count % known if -1 in self.shape else count != known):
            raise ShapeError("a row cannot take this shape", where=repr(self), expected=self.shape, received=str(x))
        sizes = [(None if count is None else count // known) if n == -1 else n for n in self.shape]
        names = Shape.of([None, *sizes]).names[1:]
        return Shape((*x.names[:leading], *names), (*x.sizes[:leading], *sizes))

    def apply(self, x: Any, *, shapes: Any) -> tuple[Any, Any]:
        return x.reshape(*x.shape[: kept(shapes[0])], *self.shape), x.shape

    def pull(self, shape: Any, error: Any) -> Any:
        return error.reshape(shape)
