"""The error of a broadcast input: the sum over the axes along which it was broadcast."""

from __future__ import annotations

from typing import Any


def unbroadcast(error: Any, shape: tuple[int, ...]) -> Any:
    """``error`` summed to ``shape``; unchanged if the shapes are equal."""
    if error.shape == shape:
        return error
    extra = len(error.shape) - len(shape)
    stretched = tuple(i + extra for i, size in enumerate(shape) if size == 1 and error.shape[i + extra] != 1)
    return error.sum(axis=(*range(extra), *stretched), keepdims=True).reshape(shape)
