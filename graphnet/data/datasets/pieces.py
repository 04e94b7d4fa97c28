"""Pieces of a stream: consecutive steps of all rows, regrouped to a given number of steps."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.core.dtypes import as_array
from graphnet.core.errors import DataError, ShapeError

#: The arrays of inputs and of targets by name.
InputsAndTargets = tuple[dict[str, Array], dict[str, Array]]
#: An array, or several by name.
Values = Array | Mapping[str, Array]


class Piece(NamedTuple):
    """Consecutive steps of all rows of a stream.

    Attributes
    ----------
    inputs, targets : array (steps, batch, …), or mapping of name to array
    fresh : boolean array (batch,) or None
        The rows that start from the zero state at this piece.
    """

    inputs: Values
    targets: Values
    fresh: Array | None = None


def unnamed(values: dict[str, Array]) -> Values:
    """The array itself if it has no name; else the mapping."""
    return values[""] if list(values) == [""] else values


class Regrouped(Iterator[Piece]):
    """Pieces of ``steps`` steps from pieces of any number of them, read one by one.

    Parameters
    ----------
    items : iterable
    steps : int

    Raises
    ------
    ShapeError, DataError
        By ``next``, if an item is invalid, or does not fit those before it.
    """

    def __init__(self, items: Iterable[Any], steps: int) -> None:
        self._items, self._steps = iter(items), steps
        self._read = 0
        self._parts: list[InputsAndTargets] = []
        self._fresh: Array | None = None
        #: An item with fresh rows, which waits until the steps before it have been returned.
        self._waiting: tuple[dict[str, Array], dict[str, Array], Array] | None = None
        self._first_shapes: tuple[Any, ...] | None = None

    def __next__(self) -> Piece:
        while _steps(self._parts) < self._steps:
            if self._waiting is not None:
                if self._parts:
                    return self._take(self._parts, [])
                inputs, targets, self._fresh = self._waiting
                self._parts, self._waiting = [(inputs, targets)], None
            elif not self._add_item():
                if not _steps(self._parts):
                    raise StopIteration
                return self._take(self._parts, [])
        return self._take(*_split(self._parts, self._steps))

    def _take(self, parts: list[InputsAndTargets], rest: list[InputsAndTargets]) -> Piece:
        piece = _joined(parts, self._fresh)
        self._parts, self._fresh = rest, None
        return piece

    def _add_item(self) -> bool:
        """Read an item; False at the end."""
        try:
            item = next(self._items)
        except StopIteration:
            return False
        self._read += 1
        where = f"Stream, piece {self._read}"
        inputs, targets, fresh = _checked(item, where)
        shapes = tuple((name, a.shape[1:]) for part in (inputs, targets) for name, a in part.items())
        if self._first_shapes not in (None, shapes):
            raise ShapeError(
                "pieces differ in shape", where=where, expected=str(self._first_shapes), received=str(shapes)
            )
        self._first_shapes = shapes
        if fresh is not None:
            self._waiting = inputs, targets, fresh
        else:
            self._parts.append((inputs, targets))
        return True

    @property
    def unread_bytes(self) -> int:
        """The bytes of what has been read and not returned yet."""
        waiting = [] if self._waiting is None else [self._waiting[:2]]
        return sum(a.nbytes for pair in [*self._parts, *waiting] for part in pair for a in part.values())

    @property
    def unread(self) -> dict[str, Any]:
        """What has been read and not returned yet, and the number of items that have been read."""
        waiting = None if self._waiting is None else list(self._waiting)
        return {"read": self._read, "parts": [list(part) for part in self._parts], "fresh": self._fresh,
                "waiting": waiting}  # fmt: skip

    def go_on(self, unread: Mapping[str, Any]) -> None:
        """Read as many items as :attr:`unread` says in vain, and continue with what it holds."""
        for _ in itertools.islice(self._items, unread["read"]):
            self._read += 1
        self._parts = [(inputs, targets) for inputs, targets in unread["parts"]]
        self._fresh = unread["fresh"]
        self._waiting = None if unread["waiting"] is None else tuple(unread["waiting"])


def _checked(item: Any, where: str) -> tuple[dict[str, Array], dict[str, Array], Array | None]:
    """One piece: arrays by name, all with the same steps and rows."""
    if not isinstance(item, (tuple, list)) or len(item) not in (2, 3):
        raise DataError(
            "invalid piece", where=where, expected="(inputs, targets) or (inputs, targets, fresh)",
            received=type(item).__name__,
        )  # fmt: skip
    inputs, targets = (
        {str(name): as_array(value, f"{where}, {what} {name!r}") for name, value in part.items()}
        if isinstance(part, Mapping)
        else {"": as_array(part, f"{where}, {what}")}
        for what, part in zip(("input", "target"), item, strict=False)
    )
    arrays = [*inputs.values(), *targets.values()]
    if any(a.ndim < 2 for a in arrays) or len({a.shape[:2] for a in arrays}) != 1:
        received = ", ".join(str(a.shape) for a in arrays)
        raise ShapeError("steps and rows differ", where=where, expected="(steps, batch, …) each", received=received)
    if len(item) < 3 or item[2] is None:
        return inputs, targets, None
    fresh = as_array(item[2], f"{where}, fresh")
    rows = arrays[0].shape[1]
    if fresh.dtype != bool or fresh.shape != (rows,):
        received = f"{fresh.dtype} of shape {fresh.shape}"
        raise ShapeError("fresh must have one boolean for each row", where=where, expected=(rows,), received=received)
    return inputs, targets, fresh if fresh.any() else None


def _steps(parts: list[InputsAndTargets]) -> int:
    return sum(len(next(iter(inputs.values()))) for inputs, _ in parts)


def _split(parts: list[InputsAndTargets], steps: int) -> tuple[list[InputsAndTargets], list[InputsAndTargets]]:
    """The first ``steps`` steps, and the rest."""
    *before, (inputs, targets) = parts
    left = steps - _steps(before)
    first = [*before, ({n: a[:left] for n, a in inputs.items()}, {n: a[:left] for n, a in targets.items()})]
    if left == len(next(iter(inputs.values()))):
        return first, []
    return first, [({n: a[left:] for n, a in inputs.items()}, {n: a[left:] for n, a in targets.items()})]


def _joined(parts: list[InputsAndTargets], fresh: Array | None) -> Piece:
    inputs, targets = (
        {name: np.concatenate([pair[i][name] for pair in parts]) for name in parts[0][i]} for i in (0, 1)
    )
    return Piece(unnamed(inputs), unnamed(targets), fresh)
