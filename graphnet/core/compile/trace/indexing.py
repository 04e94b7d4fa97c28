"""Indices of symbols: which columns of rows an index selects, and indices as plain data."""

from __future__ import annotations

from typing import Any


def static_index(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return an index of integers, slices, ``...`` and ``None`` as hashable plain data."""
    return tuple(
        ("...",) if i is Ellipsis else ("new",) if i is None
        else (i.start, i.stop, i.step) if isinstance(i, slice) else int(i)
        for i in items
    )  # fmt: skip


#: Columns that are selected one by one, at most; each is an operation.
SELECTED = 256


def column_ranges(items: tuple[Any, ...], shape: tuple[int, ...]) -> list[tuple[int, int]] | str:
    """Return the runs of columns, first and last (exclusive), that an index of rows selects, in order.

    A string says why it selects none.
    """
    explicit = [i for i in items if i is not Ellipsis]
    fill = [slice(None)] * (len(shape) - len(explicit))
    if Ellipsis in items:
        position = items.index(Ellipsis)
        index = [*items[:position], *fill, *items[position + 1 :]]
    else:
        index = [*items, *fill]
    *rows, last = index
    if len(index) != len(shape) or any(i != slice(None) for i in rows) or not isinstance(last, slice):
        return "it selects rows, or single columns, of an array"
    start, stop, step = last.indices(shape[-1])
    if step == 1:
        return [(start, stop)] if stop > start else "it selects no columns"
    columns = range(start, stop, step)
    if not 1 <= len(columns) <= SELECTED:
        return f"it selects {len(columns)} columns with a step"
    return [(column, column + 1) for column in columns]
