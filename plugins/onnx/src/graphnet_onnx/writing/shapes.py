"""Functions of numpy that move or repeat the elements of an array, as operators of ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet_onnx.writing.array import TracedArray, implements
from graphnet_onnx.writing.functions import concatenate, sequence
from graphnet_onnx.writing.scope import Untraceable
from graphnet_onnx.writing.sizes import free


@implements("reshape")
def reshape(a: Any, shape: Any = None, *, newshape: Any = None, order: Any = "C", copy: Any = None) -> Any:
    """The elements in another shape."""
    if order != "C":
        raise Untraceable("it uses np.reshape in another order than C")
    wanted = [a.scope.recognized(size) for size in sequence(newshape if shape is None else shape)]
    if -1 in [int(size) for size in wanted]:
        known: Any = 1
        for size in wanted:
            known = known if int(size) == -1 else size * known
        wanted = [_missing(a, wanted, known) if int(size) == -1 else size for size in wanted]
    sizes = tuple(wanted)
    if _same(sizes, a.shape):
        return a.view(a.name, a.shape)
    return a.view(a.scope.op("Reshape", a.name, _target(a, sizes)), sizes)


def _missing(array: TracedArray, wanted: list[int], known: Any) -> Any:
    """The size that -1 stands for: of what is left when sizes that both shapes have are taken away."""
    rest, others = list(array.shape), [size for size in wanted if int(size) != -1]
    for size in others:
        match = next((i for i, own in enumerate(rest) if free(own) == free(size) and int(own) == int(size)), None)
        if match is None:
            return array.size // known
        del rest[match]
    total: Any = 1
    for size in rest:
        total = total * size
    return total


def _same(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return len(a) == len(b) and all(int(x) == int(y) and free(x) == free(y) for x, y in zip(a, b, strict=True))


def _target(array: TracedArray, sizes: tuple[int, ...]) -> str:
    """The operand of Reshape: 0 for an axis that stays, -1 for one free size."""
    plan: list[Any] = list(sizes)
    for axis, size in enumerate(sizes):
        own = array.shape[axis] if axis < array.ndim else None
        if free(size) and free(own) and int(own) == int(size):  # type: ignore[arg-type]
            plan[axis] = 0
    left = [axis for axis, size in enumerate(plan) if free(size)]
    if len(left) == 1:
        plan[left[0]] = -1
        left = []
    if 0 in sizes:
        raise Untraceable("it makes an array without elements")
    return array.scope.shape(plan if not left else sizes)


@implements("ravel", "flatten")
def ravel(a: Any, order: Any = "C") -> Any:
    """The elements as a vector."""
    return reshape(a, (-1,), order=order)


@implements("transpose", "permute_dims")
def transpose(a: Any, axes: Any = None) -> Any:
    """The axes in another order."""
    order = tuple(range(a.ndim))[::-1] if axes is None else tuple(axis % a.ndim for axis in axes)
    if order == tuple(range(a.ndim)):
        return a.view(a.name, a.shape)
    return a.view(a.scope.op("Transpose", a.name, perm=order), tuple(a.shape[axis] for axis in order))


@implements("swapaxes")
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    order = list(range(a.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return transpose(a, order)


@implements("moveaxis")
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Axes at other places."""
    sources = [axis % a.ndim for axis in sequence(source)]
    targets = [axis % a.ndim for axis in sequence(destination)]
    order = [axis for axis in range(a.ndim) if axis not in sources]
    for target, axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, axis)
    return transpose(a, order)


@implements("expand_dims")
def expand_dims(a: Any, axis: Any) -> Any:
    """New axes of size 1."""
    rank = a.ndim + len(sequence(axis))
    places = sorted(each % rank for each in sequence(axis))
    shape = list(a.shape)
    for place in places:
        shape.insert(place, 1)
    return a.view(a.scope.op("Unsqueeze", a.name, a.scope.constant(places, np.int64)), shape)


@implements("squeeze")
def squeeze(a: Any, axis: Any = None) -> Any:
    """The array without axes of size 1."""
    if axis is None:
        axis = tuple(i for i, size in enumerate(a.shape) if not free(size) and size == 1)
    places = [each % a.ndim for each in sequence(axis)]
    if any(free(a.shape[place]) or a.shape[place] != 1 for place in places):
        raise Untraceable("it removes an axis that has more than one element")
    if not places:
        return a.view(a.name, a.shape)
    shape = [size for i, size in enumerate(a.shape) if i not in places]
    return a.view(a.scope.op("Squeeze", a.name, a.scope.constant(places, np.int64)), shape)


@implements("atleast_2d")
def atleast_2d(a: Any) -> Any:
    """The array with at least two axes."""
    return a if a.ndim > 1 else reshape(a, (1, -1))


@implements("broadcast_to")
def broadcast_to(array: Any, shape: Any, subok: Any = None) -> Any:
    """The array repeated to a shape."""
    sizes = tuple(array.scope.recognized(size) for size in sequence(shape))
    return array.view(array.scope.op("Expand", array.name, array.scope.shape(sizes)), sizes)


@implements("tile")
def tile(a: Any, reps: Any) -> Any:
    """The array repeated as a whole."""
    times = [a.scope.recognized(count) for count in sequence(reps)]
    rank = max(a.ndim, len(times))
    whole = reshape(a, (*[1] * (rank - a.ndim), *a.shape))
    times = [1] * (rank - len(times)) + times
    shape = tuple(size * count if free(size) else count * size for size, count in zip(whole.shape, times, strict=True))
    return TracedArray(a.scope, a.scope.op("Tile", whole.name, a.scope.shape(times)), shape, a.dtype)


@implements("repeat")
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    """Each element repeated."""
    if axis is None:
        a, axis = ravel(a), 0
    if not isinstance(repeats, int):
        raise Untraceable("it repeats elements a different number of times")
    axis %= a.ndim
    times = a.scope.recognized(repeats)
    wide = expand_dims(a, axis + 1)
    repeated = broadcast_to(wide, (*a.shape[: axis + 1], times, *a.shape[axis + 1 :]))
    size = a.shape[axis] * times if free(a.shape[axis]) else times * a.shape[axis]
    return reshape(repeated, (*a.shape[:axis], size, *a.shape[axis + 1 :])).copy()


@implements("flip")
def flip(m: Any, axis: Any = None) -> Any:
    """The elements of axes in reverse order."""
    axes = range(m.ndim) if axis is None else [each % m.ndim for each in sequence(axis)]
    return m[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(m.ndim))]


@implements("roll")
def roll(a: Any, shift: int, axis: Any = None) -> Any:
    """The elements of an axis moved, and those at its end put at its start."""
    if not isinstance(shift, int) or not isinstance(axis, int):
        raise Untraceable("it uses np.roll without one shift and one axis")
    axis %= a.ndim
    if not free(a.shape[axis]):
        shift %= a.shape[axis]
    if not shift:
        return a.copy()
    before = (slice(None),) * axis
    return concatenate([a[(*before, slice(-shift, None))], a[(*before, slice(None, -shift))]], axis)


@implements("pad")
def pad(array: Any, pad_width: Any, mode: Any = "constant", *, constant_values: Any = 0) -> Any:
    """The array with a margin."""
    if mode not in ("constant", "reflect", "edge", "wrap"):
        raise Untraceable(f"it uses np.pad with mode {mode!r}")
    pairs = np.broadcast_to(np.asarray(pad_width), (array.ndim, 2)).tolist()
    if np.ndim(constant_values) or isinstance(constant_values, TracedArray):
        raise Untraceable("it uses np.pad with several constants")
    shape = tuple(size + (a + b) for size, (a, b) in zip(array.shape, pairs, strict=True))
    widths = np.array([a for a, _ in pairs] + [b for _, b in pairs], np.int64)
    value = array.lift(constant_values, array.dtype) if mode == "constant" else None
    return array.op("Pad", widths, *([value] if mode == "constant" else []), shape=shape, mode=mode)
