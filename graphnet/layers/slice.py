"""Some of the features of a value."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.checks import is_python_int
from graphnet.core.describe.layer import Layer, require
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ShapeError
from graphnet.layers.rows import inner_axis


class Slice(Layer):
    """``y = x[..., start:stop:step]``: some positions of one axis, as numpy selects them; the others get no error.

    Parameters
    ----------
    start, stop, step : int or None
        As of a Python slice; step is not 0.
    axis : int
        -1: the features. The axes of the rows (batch; time and batch) cannot be sliced.

    Raises
    ------
    ShapeError
        If nothing is selected, or the axis numbers the rows.

    Examples
    --------
    >>> import numpy as np
    >>> Slice(None, None, 2).forward(np.array([[1.0, 2.0, 3.0]]))
    array([[1., 3.]])
    """

    start: int | None = None
    stop: int | None = None
    step: int | None = None
    axis: int = -1

    def check(self) -> None:
        for name in ("start", "stop", "step"):
            value = getattr(self, name)
            require(value is None or is_python_int(value), self, name, "an integer, or None")
        require(self.step != 0, self, "step", "an integer other than 0, or None")
        require(is_python_int(self.axis) and self.axis != 0, self, "axis", "an integer other than 0")

    def infer(self, x: Shape) -> Shape:
        axis = inner_axis(x, self.axis, self)
        size = x.sizes[axis]
        selected = None if size is None else len(range(*self._selected.indices(size)))
        if selected == 0:
            raise ShapeError(
                "nothing is selected",
                where=repr(self),
                expected=f"at least one of {size} positions",
                received=str(x),
            )
        return x.resized(axis, selected)

    @property
    def _selected(self) -> slice:
        return slice(self.start, self.stop, self.step)

    def _index(self, x: Any, selected: slice | None = None) -> tuple[Any, ...]:
        axis = self.axis % x.ndim
        chosen = self._selected if selected is None else selected
        return (*[slice(None)] * axis, chosen, *[slice(None)] * (x.ndim - axis - 1))

    def apply(self, x: Any) -> tuple[Any, Any]:
        return x[self._index(x)], x

    def pull(self, x: Any, error: Any) -> Any:
        if isinstance(error, np.ndarray):
            whole = np.zeros(x.shape, error.dtype)
            whole[self._index(x)] = error
            return whole
        return self._joined(x, error)

    def _joined(self, x: Any, error: Any) -> Any:
        """The same for symbols, whose parts cannot be assigned: joined from the parts and zeros."""
        axis, parts, at = self.axis % x.ndim, [], 0
        size = x.shape[axis]
        positions = range(*self._selected.indices(size))
        order = sorted(range(len(positions)), key=positions.__getitem__)
        run = 0

        def zeros(start: int, stop: int) -> Any:
            return np.zeros_like(x[self._index(x, slice(start, stop))])

        while run < len(order):
            first = run
            while run + 1 < len(order) and (positions[order[run + 1]], order[run + 1]) == (
                positions[order[run]] + 1,
                order[run] + 1,
            ):
                run += 1
            run += 1
            start = positions[order[first]]
            if start > at:
                parts.append(zeros(at, start))
            parts.append(error[self._index(error, slice(order[first], order[run - 1] + 1))])
            at = positions[order[run - 1]] + 1
        if at < size:
            parts.append(zeros(at, size))
        return np.concatenate(parts, axis)
