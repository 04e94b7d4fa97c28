"""Indices of values of a graph: which slices of which axes they select."""

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
        If the index is anything but slices and one ``...``, or selects along the first axis, that of the rows.

    Examples
    --------
    >>> slices((..., slice(2)), "x"), slices((slice(None), slice(1, None)), "x")
    ([(slice(None, 2, None), -1)], [(slice(1, None, None), 1)])
    """
    items = index if isinstance(index, tuple) else (index,)
    for item in items:
        if item is not Ellipsis and not _is_slice(item):
            raise _refused(index, where, item)
    dots = [position for position, item in enumerate(items) if item is Ellipsis]
    if len(dots) > 1:
        raise _refused(index, where, Ellipsis)
    before = items[: dots[0]] if dots else items
    after = items[dots[0] + 1 :] if dots else ()
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
        expected="the name of an output, or slices of integers",
        received=repr(index)[:100],
        remedy=remedy,
    )
