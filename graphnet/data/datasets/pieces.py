"""Pieces of a stream: some steps of all rows, cut anew to the steps that are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.core.dtypes import as_array
from graphnet.core.errors import DataError, ShapeError

#: An array or several by name.
Values = Array | Mapping[str, Array]


class Piece(NamedTuple):
    """Some steps of all rows of a stream, in the order of time.

    Attributes
    ----------
    inputs, targets : array (steps, batch, …), or mapping of name to array
    fresh : boolean array (batch,) or None
        The rows in which something new begins with this piece.
    """

    inputs: Values
    targets: Values
    fresh: Array | None = None


def bare(values: dict[str, Array]) -> Values:
    """The one array without a name by itself."""
    return values[""] if list(values) == [""] else values


def regrouped(items: Iterable[Any], steps: int) -> Iterator[Piece]:
    """Pieces of ``steps`` steps from pieces of any number of them."""
    held: list[tuple[dict[str, Array], dict[str, Array]]] = []
    fresh: Array | None = None
    known: tuple[Any, ...] | None = None
    for number, item in enumerate(items, 1):
        inputs, targets, new = _checked(item, f"Stream, piece {number}")
        shape = tuple((name, a.shape[1:]) for part in (inputs, targets) for name, a in part.items())
        if known not in (None, shape):
            raise ShapeError(
                "another kind of piece", where=f"Stream, piece {number}", expected=str(known), received=str(shape)
            )
        known = shape
        if new is not None and held:
            yield _joined(held, fresh)
            held, fresh = [], None
        fresh = new if new is not None else fresh
        held.append((inputs, targets))
        while _count(held) >= steps:
            first, held = _divided(held, steps)
            yield _joined(first, fresh)
            fresh = None
    if _count(held):
        yield _joined(held, fresh)


def _checked(item: Any, place: str) -> tuple[dict[str, Array], dict[str, Array], Array | None]:
    """One piece: arrays by name, of as many steps and rows each."""
    if not isinstance(item, (tuple, list)) or len(item) not in (2, 3):
        raise DataError(
            "not a piece", where=place, expected="(inputs, targets) or (inputs, targets, fresh)",
            received=type(item).__name__,
        )  # fmt: skip
    inputs, targets = (
        {str(name): as_array(value, f"{place}, {what} {name!r}") for name, value in part.items()}
        if isinstance(part, Mapping)
        else {"": as_array(part, f"{place}, {what}")}
        for what, part in zip(("input", "target"), item, strict=False)
    )
    arrays = [*inputs.values(), *targets.values()]
    if any(a.ndim < 2 for a in arrays) or len({a.shape[:2] for a in arrays}) != 1:
        received = ", ".join(str(a.shape) for a in arrays)
        raise ShapeError("steps and rows differ", where=place, expected="(steps, batch, …) each", received=received)
    if len(item) < 3 or item[2] is None:
        return inputs, targets, None
    new = as_array(item[2], f"{place}, fresh")
    rows = arrays[0].shape[1]
    if new.dtype != bool or new.shape != (rows,):
        received = f"{new.dtype} of shape {new.shape}"
        raise ShapeError("fresh has a truth value for each row", where=place, expected=(rows,), received=received)
    return inputs, targets, new if new.any() else None


Held = list[tuple[dict[str, Array], dict[str, Array]]]


def _count(held: Held) -> int:
    return sum(len(next(iter(inputs.values()))) for inputs, _ in held)


def _divided(held: Held, steps: int) -> tuple[Held, Held]:
    """The first steps, and the rest."""
    *before, (inputs, targets) = held
    left = steps - _count(before)
    first = [*before, ({n: a[:left] for n, a in inputs.items()}, {n: a[:left] for n, a in targets.items()})]
    if left == len(next(iter(inputs.values()))):
        return first, []
    return first, [({n: a[left:] for n, a in inputs.items()}, {n: a[left:] for n, a in targets.items()})]


def _joined(held: Held, fresh: Array | None) -> Piece:
    inputs, targets = ({name: np.concatenate([pair[i][name] for pair in held]) for name in held[0][i]} for i in (0, 1))
    return Piece(bare(inputs), bare(targets), fresh)
