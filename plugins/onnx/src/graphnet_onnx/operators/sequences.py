"""Sequences (lists) and optional values (None or a value)."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet import DataError
from graphnet_onnx.operators.context import Context
from graphnet_onnx.operators.shapes import axis_of
from graphnet_onnx.operators.table import operator


def _position(context: Context, items: list[Any], position: Any, *, end: bool = False) -> int:
    place, most = int(np.reshape(position, ())), len(items) + end
    if not -len(items) <= place < most:
        expected = f"{-len(items)} to {most - 1}"
        raise context.failure("a position is out of range", DataError, expected=expected, received=place)
    return place + len(items) if place < 0 else place


@operator("SequenceConstruct")
def construct(context: Context, *items: Any) -> Any:
    """A sequence of the inputs."""
    return (list(items),)


@operator("SequenceEmpty")
def empty(context: Context) -> Any:
    """A sequence of nothing."""
    return ([],)


@operator("SequenceLength")
def length(context: Context, items: Any) -> Any:
    """The number of items."""
    return np.array(len(items), np.int64)


@operator("SequenceAt")
def item_at(context: Context, items: Any, position: Any) -> Any:
    """One item."""
    return items[_position(context, items, position)]


@operator("SequenceInsert")
def insert(context: Context, items: Any, item: Any, position: Any = None) -> Any:
    """A sequence with an item before a position, or at the end."""
    place = len(items) if position is None else _position(context, items, position, end=True)
    return ([*items[:place], item, *items[place:]],)


@operator("SequenceErase")
def erase(context: Context, items: Any, position: Any = None) -> Any:
    """A sequence without one item, the last by default."""
    place = _position(context, items, -1 if position is None else position)
    return ([*items[:place], *items[place + 1 :]],)


@operator("SplitToSequence")
def split_to_sequence(context: Context, x: Any, sizes: Any = None) -> Any:
    """The parts of an array along an axis: of one size, of given sizes, or single entries."""
    axis = axis_of(context, x.ndim, context["axis"])
    total = x.shape[axis]
    if sizes is None:
        parts = np.split(x, total, axis) if total else []
        return ([p if context["keepdims"] else np.squeeze(p, axis) for p in parts],)
    if not sizes.ndim:
        context.require(int(sizes) > 0, "the parts are empty", received=int(sizes))
        return (np.split(x, range(int(sizes), total, int(sizes)), axis),)
    context.require(int(sizes.sum()) == total, "the parts do not add up", expected=total, received=sizes.tolist())
    return (np.split(x, np.cumsum(sizes)[:-1], axis),)


@operator("ConcatFromSequence")
def concatenate_sequence(context: Context, items: Any) -> Any:
    """The items one after the other along an axis, or stacked along a new one."""
    if context["new_axis"]:
        return np.stack(items, int(context["axis"]))
    return np.concatenate(items, axis_of(context, items[0].ndim, context["axis"]))


@operator("Optional")
def optional(context: Context, value: Any = None) -> Any:
    """A value, or None."""
    return (value,)


@operator("OptionalHasElement")
def has_element(context: Context, value: Any = None) -> Any:
    """Whether there is a value."""
    return np.array(value is not None)


@operator("OptionalGetElement")
def get_element(context: Context, value: Any) -> Any:
    """The value."""
    if value is None:
        raise context.failure("there is no value", DataError)
    return (value,)


@operator("SequenceMap")
def sequence_map(context: Context, items: Any, *others: Any) -> Any:
    """The outputs of a graph for each item, as sequences."""
    passes = [
        context["body"]([item, *(each[i] if isinstance(each, list) else each for each in others)])
        for i, item in enumerate(items)
    ]
    if not passes:
        return tuple([] for _ in context.outputs)
    return tuple(list(each) for each in zip(*passes, strict=True))


@operator("StringConcat")
def string_concatenation(context: Context, a: Any, b: Any) -> Any:
    """Texts one after the other."""
    joined = np.asarray(np.asarray(a, object) + np.asarray(b, object), object)
    return joined.reshape(np.broadcast_shapes(np.shape(a), np.shape(b)))
