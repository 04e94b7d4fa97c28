"""Indices of weights, and of sums over rows, as plain data."""

from __future__ import annotations

from typing import Any


def static_index(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return an index of integers, slices, ``...`` and ``None`` as hashable plain data."""
    return tuple(
        ("...",) if i is Ellipsis else ("new",) if i is None
        else (i.start, i.stop, i.step) if isinstance(i, slice) else int(i)
        for i in items
    )  # fmt: skip
