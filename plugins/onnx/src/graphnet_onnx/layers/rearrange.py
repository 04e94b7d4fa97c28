"""Another order and another grouping of the axes of each row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphnet import Layer, Shape, ShapeError
from graphnet.authoring import is_python_int, require


class Rearrange(Layer):
    """Splits axes, puts them in another order, and joins neighbours: a transposition between two reshapes.

    The axes of x are split by ``split`` into parts, in row-major order. ``order`` lists the parts in their new order,
    and ``join`` says how many neighbours form each axis of the output.

    Parameters
    ----------
    split : tuple of tuple of int
        For each axis of x the sizes of its parts; one of each may be -1, the rest of the axis.
    order : tuple of int
        Every part once.
    join : tuple of int
        For each axis of the output the number of its parts; 0: an axis of size 1.
    sequence : bool
        Whether the first two axes of the output are time and batch.
    batch : int
        Without ``sequence``: the axis of the output that is the batch.

    Raises
    ------
    ConfigError
        If the parts are not those of a permutation.
    ShapeError
        If x has another number of axes, or an axis cannot be split.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Rearrange(((-1,), (2, -1)), (0, 2, 1), (1, 2))
    >>> layer.forward(np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]))
    array([[1., 4., 2., 5., 3., 6.]])
    """

    split: tuple[tuple[int, ...], ...]
    order: tuple[int, ...]
    join: tuple[int, ...]
    sequence: bool = False
    batch: int = 0

    def check(self) -> None:
        parts = self.split if isinstance(self.split, tuple) else ()
        valid = bool(parts) and all(
            isinstance(part, tuple)
            and part.count(-1) <= 1
            and all(is_python_int(n) and (n > 0 or n == -1) for n in part)
            for part in parts
        )
        require(valid, self, "split", "a tuple of sizes for each axis, one of them perhaps -1")
        count = sum(map(len, parts))
        order = self.order if isinstance(self.order, tuple) else ()
        require(all(map(is_python_int, order)) and sorted(order) == list(range(count)), self, "order",
                f"the numbers from 0 to {count - 1}, each once")  # fmt: skip
        join = self.join if isinstance(self.join, tuple) else ()
        sizes = all(is_python_int(n, 0) for n in join)
        require(sizes and bool(join) and sum(join) == count, self, "join", f"numbers of neighbours, {count} together")
        require(isinstance(self.sequence, bool), self, "sequence", "True or False")
        require(is_python_int(self.batch, 0) and self.batch < len(join), self, "batch", "an axis of the output")

    def _parts(self, sizes: tuple[int | None, ...]) -> list[int | None]:
        """The sizes of all parts of an input.

        Raises
        ------
        ShapeError
        """
        if len(sizes) != len(self.split):
            raise ShapeError("the input has another number of axes", where=repr(self), expected=len(self.split),
                             received=len(sizes))  # fmt: skip
        parts: list[int | None] = []
        for size, split in zip(sizes, self.split, strict=True):
            known = math.prod(n for n in split if n != -1)
            if size is not None and (size % known if -1 in split else size != known):
                raise ShapeError("an axis cannot be split into these parts", where=repr(self), expected=split,
                                 received=size)  # fmt: skip
            parts += [(None if size is None else size // known) if n == -1 else n for n in split]
        return parts

    def infer(self, x: Shape) -> Shape:
        parts = self._parts(x.sizes)
        ordered = [parts[i] for i in self.order]
        sizes: list[int | None] = []
        for count in self.join:
            group, ordered = ordered[:count], ordered[count:]
            sizes.append(None if None in group else math.prod(n or 0 for n in group))
        rows = {0: "time", 1: "batch"} if self.sequence else {self.batch: "batch"}
        return Shape(tuple(rows.get(i, f"axis{i}") for i in range(len(sizes))), tuple(sizes), False)

    def apply(self, x: Any) -> tuple[Any, Any]:
        parts = [n or 0 for n in self._parts(x.shape)]
        ordered = x.reshape(parts).transpose(self.order)
        sizes, start = [], 0
        for count in self.join:
            sizes.append(math.prod(ordered.shape[start : start + count]))
            start += count
        return ordered.reshape(sizes), (x.shape, ordered.shape)

    def pull(self, saved: Any, error: Any) -> Any:
        shape, ordered = saved
        back = tuple(int(i) for i in np.argsort(self.order))
        return error.reshape(ordered).transpose(back).reshape(shape)
