"""Checks that several layers of this plugin share."""

from __future__ import annotations

import math
from typing import Any

from graphnet import Layer, Shape, ShapeError
from graphnet.authoring import is_python_int, require


def check_probability(layer: Layer, field: str) -> None:
    """Require that a field is the probability of keeping a value.

    Raises
    ------
    ConfigError
    """
    probability = getattr(layer, field)
    require(_is_number(probability) and 0 < probability <= 1, layer, field, "the probability of keeping, in (0, 1]")


def check_limit(layer: Layer, field: str, *, optional: bool = False) -> None:
    """Require that a field is a finite positive number, or None if it is optional.

    Raises
    ------
    ConfigError
    """
    limit = getattr(layer, field)
    valid = _is_number(limit) and limit > 0 and math.isfinite(limit)
    expected = "a finite number above 0"
    require(valid or (optional and limit is None), layer, field, f"{expected}, or None" if optional else expected)


def state_sizes(layer: Layer, field: str) -> tuple[int, ...]:
    """The sizes of a state without its batch axis, from a field that is a width, or several sizes.

    Raises
    ------
    ConfigError
        If it is none of these.
    """
    value = getattr(layer, field)
    sizes = value if isinstance(value, tuple) else (value,)
    valid = bool(sizes) and all(is_python_int(size, 1) for size in sizes)
    require(valid, layer, field, "a positive integer, or several")
    return sizes


def state_shape(batch: int | None, sizes: tuple[int, ...]) -> Shape:
    """The shape of a state with these sizes; the names of several axes are not declared."""
    if len(sizes) == 1:
        return Shape(("batch", "feature"), (batch, *sizes))
    return Shape.of((batch, *sizes))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_sequence(x: Shape, layer: Layer) -> None:
    """Require the axes of a sequence: ``(time, batch, …)``, or ``(time, feature)`` for one sequence.

    Raises
    ------
    ShapeError
    """
    if x.rank < 2 or "time" in x.names[1:]:
        raise ShapeError("the input is not a sequence", where=repr(layer), expected="(time, batch, …)", received=x)
    x.read_as_sequence(repr(layer))


def is_single(x: Shape) -> bool:
    """Whether a shape is that of one sequence ``(time, feature)``, without a batch axis."""
    return x.rank == 2 and x.names[1] != "batch"


def batch_size(x: Shape, layer: Layer) -> int | None:
    """Return the batch size of sequences, 1 for one sequence without a batch axis, None if it is not known.

    Raises
    ------
    ShapeError
        If the shape is not that of sequences.
    """
    check_sequence(x, layer)
    return 1 if is_single(x) else x.sizes[1]
