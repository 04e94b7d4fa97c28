"""Pieces of a stream: consecutive steps of all rows, regrouped to a given number of steps."""

from __future__ import annotations

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


def regrouped(items: Iterable[Any], steps: int) -> Iterator[Piece]:
    """Pieces of ``steps`` steps from pieces of any number of them."""
    buffered: list[InputsAndTargets] = []
    fresh: Array | None = None
    first_shapes: tuple[Any, ...] | None = None
    for number, item in enumerate(items, 1):
        inputs, targets, new_fresh = _checked(item, f"Stream, piece {number}")
        shapes = tuple((name, a.shape[1:]) for part in (inputs, targets) for name, a in part.items())
        if first_shapes not in (None, shapes):
            where = f"Stream, piece {number}"
            raise ShapeError("pieces differ in shape", where=where, expected=str(first_shapes), received=str(shapes))
        first_shapes = shapes
        if new_fresh is not None and buffered:
            yield _joined(buffered, fresh)
            buffered, fresh = [], None
        fresh = new_fresh if new_fresh is not None else fresh
        buffered.append((inputs, targets))
        while _steps(buffered) >= steps:
            piece, buffered = _split(buffered, steps)
            yield _joined(piece, fresh)
            fresh = None
    if _steps(buffered):
        yield _joined(buffered, fresh)


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
