"""Indices of values of a graph: which slices of which axes they select, and where they add axes."""

from __future__ import annotations

from typing import Any

from graphnet.core.checks import is_integer
from graphnet.core.errors import GraphError

EVERYTHING = slice(None)


def slices(index: Any, where: str) -> list[tuple[slice, int]]:
    """The slices that select less than a whole axis, each with its axis; from the end after ``...``.

    Raises
    ------
    GraphError
        If the index is anything but slices, None and one ``...``, or selects along the first axis, that of the rows.

    Examples
    --------
    >>> slices((..., slice(2)), "x"), slices((slice(None), slice(1, None)), "x")
    ([(slice(None, 2, None), -1)], [(slice(1, None, None), 1)])
    """
    before, after = ([item for item in part if item is not None] for part in _parts(index, where))
    found = [(_plain(item), axis) for axis, item in enumerate(before) if item != EVERYTHING]
    found += [(_plain(item), axis - len(after)) for axis, item in enumerate(after) if item != EVERYTHING]
    if any(axis == 0 for _, axis in found):
        raise GraphError(
            "the first axis of a value cannot be sliced, because it numbers the rows (batch or time)",
            where=where,
            expected="a slice of the features, such as value[..., :3]",
            received=repr(index),
            remedy="Pass other rows to the run; a layer such as Last selects steps.",
        )
    return found


def new_axes(index: Any, where: str) -> list[int]:
    """The positions in the result of the axes that None adds, in the order in which they are added one by one.

    Raises
    ------
    GraphError
        As :func:`slices`, and if an axis would come before that of the rows.

    Examples
    --------
    >>> new_axes((slice(None), None, ..., None), "x")
    [1, -1]
    """
    before, after = _parts(index, where)
    front = [position for position, item in enumerate(before) if item is None]
    if front[:1] == [0]:
        raise GraphError(
            "no axis can come before the first one, which numbers the rows (batch or time)",
            where=where,
            expected="an axis inside each row, such as value[:, None] or value[..., None]",
            received=repr(index)[:100],
        )
    return front + [position - len(after) for position in reversed(range(len(after))) if after[position] is None]


def _parts(index: Any, where: str) -> tuple[list[Any], list[Any]]:
    """The items of an index before and after ``...``."""
    items = list(index) if isinstance(index, tuple) else [index]
    for item in items:
        if item is not Ellipsis and item is not None and not _is_slice(item):
            raise _refused(index, where, item)
    dots = [position for position, item in enumerate(items) if item is Ellipsis]
    if len(dots) > 1:
        raise _refused(index, where, Ellipsis)
    return (items[: dots[0]], items[dots[0] + 1 :]) if dots else (items, [])


def _is_slice(item: Any) -> bool:
    if not isinstance(item, slice):
        return False
    numbers = (item.start, item.stop, item.step)
    return all(n is None or is_integer(n) for n in numbers) and item.step != 0


def _plain(item: slice) -> slice:
    """The slice with Python integers, for files."""
    return slice(*[None if n is None else int(n) for n in (item.start, item.stop, item.step)])


def _refused(index: Any, where: str, item: Any) -> GraphError:
    remedy = "Use value[..., a:b] to select features, split(value, parts), or a layer such as Last to select steps."
    if is_integer(item):
        stop = item + 1 or None
        remedy = f"A value keeps its axes: write value[..., {item}:{'' if stop is None else stop}] for one feature."
    return GraphError(
        "a value of a graph cannot be indexed so",
        where=where,
        expected="the name of an output, or slices of integers, None for a new axis and ...",
        received=repr(index)[:100],
        remedy=remedy,
    )
