"""Indices of arrays as operators of ONNX, and assignments to a part of an array."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet_onnx.writing.array import TracedArray, implements
from graphnet_onnx.writing.functions import concatenate, sequence, stack, where
from graphnet_onnx.writing.scope import Untraceable
from graphnet_onnx.writing.shapes import broadcast_to, expand_dims, moveaxis, squeeze
from graphnet_onnx.writing.sizes import free
from graphnet_onnx.writing.ufuncs import broadcast_shapes

#: The end of a slice that goes beyond every size.
FAR = np.iinfo(np.int64).max


def expanded(index: Any, rank: int) -> list[Any]:
    """An index with one entry for each axis, and None for new axes."""
    items = list(index) if isinstance(index, tuple) else [index]
    known = sum(1 for item in items if item is not None and item is not Ellipsis)
    if not any(item is Ellipsis for item in items):
        items.append(Ellipsis)
    place = next(i for i, item in enumerate(items) if item is Ellipsis)
    return [*items[:place], *[slice(None)] * (rank - known), *items[place + 1 :]]


@implements("getitem")
def getitem(array: TracedArray, index: Any) -> Any:
    """Part of an array."""
    items = expanded(index, array.ndim)
    arrays = [item for item in items if isinstance(item, (TracedArray, np.ndarray, list))]
    if any(np.dtype(getattr(item, "dtype", np.int64)) == bool for item in arrays):
        raise Untraceable("it selects elements by a mask, whose number is known only when the file runs")
    if arrays:
        return _gathered(array, items)
    return _sliced(array, items)


def _sliced(array: TracedArray, items: list[Any]) -> TracedArray:
    """Part of an array by numbers, slices and new axes."""
    scope, shape = array.scope, list(array.shape)
    bounds: list[tuple[Any, Any, int, int]] = []
    removed: list[int] = []
    added: list[int] = []
    axis = 0
    for item in items:
        if item is None:
            added.append(axis - len(removed) + len(added))
            continue
        if isinstance(item, slice):
            cut = _cut(item, array.shape[axis])
        elif isinstance(item, (int, np.integer)) and not isinstance(item, bool):
            end = item + 1 if int(item) != -1 else FAR
            cut = item, end, 1, 1
            removed.append(axis)
        else:
            raise Untraceable(f"it uses an index of type {type(item).__name__}")
        if cut is not None:
            bounds.append((cut[0], cut[1], axis, cut[2]))
            shape[axis] = cut[3]
        axis += 1
    result = array
    if bounds:
        names = [scope.shape([each[i] for each in bounds]) for i in range(2)]
        axes, steps = ([each[i] for each in bounds] for i in (2, 3))
        operands = [*names, scope.constant(axes, np.int64), scope.constant(steps, np.int64)]
        result = array.view(scope.op("Slice", array.name, *operands), shape)
    result = squeeze(result, tuple(removed)) if removed else result
    if added:
        return expand_dims(result, tuple(added))
    return result if bounds or removed else array.view(array.name, shape)


def _cut(item: slice, size: int) -> tuple[Any, Any, int, int] | None:
    """Start, end and step of ONNX's Slice and the resulting size; None for a whole axis."""
    step = 1 if item.step is None else int(item.step)
    if item.start is None and item.stop is None and step == 1:
        return None
    low, high, _ = slice(item.start, item.stop, step).indices(int(size))
    count = len(range(low, high, step))
    start = item.start if item.start is not None else (0 if step > 0 else FAR)
    stop = item.stop if item.stop is not None else (FAR if step > 0 else -FAR)
    if not free(size) and not free(start) and not free(stop):
        return start, stop, step, count
    return start, stop, step, _free_count(item, size, step, count)


def _free_count(item: slice, size: Any, step: int, count: int) -> Any:
    """The number of elements that a slice selects from an axis, as an expression of free sizes."""
    start, stop = item.start, item.stop
    if start is None and stop is None:
        return (size + (abs(step) - 1)) // abs(step) if abs(step) > 1 else size
    if step != 1:
        raise Untraceable("it selects every second row or step, or goes backwards, between two positions")
    from_end = start is not None and int(start) < 0
    if from_end and (stop is None or int(stop) < 0):
        return (0 if stop is None else stop) - start
    first = 0 if start is None else size + start if from_end else start
    last = size if stop is None else stop if int(stop) >= 0 else size + stop
    return last - first if int(last - first) == count else count


def _gathered(array: TracedArray, items: list[Any]) -> TracedArray:
    """Part of an array by arrays of positions."""
    if any(item is None for item in items):
        raise Untraceable("it mixes arrays of positions and new axes in an index")
    places = [i for i, item in enumerate(items) if not isinstance(item, slice)]
    arrays = [array.lift(items[i]).astype(np.int64) for i in places]
    rest = [item if isinstance(item, slice) else slice(None) for item in items]
    source = _sliced(array, rest) if any(item != slice(None) for item in rest) else array
    if len(places) == 1:
        return _taken(source, arrays[0], places[0])
    if places != list(range(places[0], places[-1] + 1)):
        raise Untraceable("it uses arrays of positions for axes that are not neighbours")
    shape = broadcast_shapes([each.shape for each in arrays])
    rows = [expand_dims(broadcast_to(each, shape), -1) for each in arrays]
    positions = concatenate(rows, -1)
    count = len(places)
    first = moveaxis(source, places, range(count)) if places[0] else source
    selected = first.op("GatherND", positions, shape=(*shape, *first.shape[count:]))
    return moveaxis(selected, range(len(shape)), range(places[0], places[0] + len(shape))) if places[0] else selected


def _taken(source: TracedArray, positions: TracedArray, axis: int) -> TracedArray:
    shape = (*source.shape[:axis], *positions.shape, *source.shape[axis + 1 :])
    result: TracedArray = source.op("Gather", positions, shape=shape, axis=axis)
    return result


@implements("take")
def take(a: Any, indices: Any, axis: Any = None, **options: Any) -> Any:
    """Elements by their positions along an axis."""
    if axis is None:
        a, axis = a.reshape(-1), 0
    return _taken(a, a.lift(indices).astype(np.int64), axis % a.ndim)


@implements("take_along_axis")
def take_along_axis(arr: Any, indices: Any, axis: int = -1) -> Any:
    """Elements by positions along an axis, one position for each element of the result."""
    axis %= arr.ndim
    positions = arr.lift(indices).astype(np.int64)
    leading = broadcast_shapes([(*arr.shape[:axis], 1, *arr.shape[axis + 1 :]),
                                (*positions.shape[:axis], 1, *positions.shape[axis + 1 :])])  # fmt: skip
    whole = [(*leading[:axis], each.shape[axis], *leading[axis + 1 :]) for each in (arr, positions)]
    source = broadcast_to(arr, whole[0])
    return source.op("GatherElements", broadcast_to(positions, whole[1]), shape=whole[1], axis=axis)


# ---------------------------------------------------------------------- assignment
@implements("setitem")
def setitem(array: TracedArray, index: Any, value: Any) -> None:
    """Hold other numbers in a part of an array."""
    new = array.lift(array.settled(value), array.dtype)
    if isinstance(index, (TracedArray, np.ndarray)) and np.dtype(index.dtype) == bool:
        mask = array.lift(index)
        if new.ndim and new.ndim != array.ndim:
            raise Untraceable("it assigns an array to the elements that a mask selects")
        mask = expand_dims(mask, tuple(range(mask.ndim, array.ndim))) if mask.ndim < array.ndim else mask
        array.become(where(mask, new, array))
        return
    array.become(_replaced(array.copy(), expanded(index, array.ndim), new))


def _replaced(array: TracedArray, items: list[Any], value: TracedArray) -> TracedArray:
    """An array with other numbers in one part: joined from what is before, the part and what follows."""
    if any(not isinstance(item, (int, slice)) for item in items):
        raise Untraceable("it assigns to elements at positions that are not slices or numbers")
    numbers = [axis for axis, item in enumerate(items) if not isinstance(item, slice)]
    part = broadcast_to(value, array[tuple(items)].shape)
    part = expand_dims(part, tuple(numbers)) if numbers else part
    slices = [item if isinstance(item, slice) else slice(item, item + 1 if int(item) != -1 else None) for item in items]
    return _joined(array, slices, part, 0)


def _joined(array: TracedArray, slices: list[Any], part: TracedArray, axis: int) -> TracedArray:
    while axis < array.ndim and _cut(slices[axis], array.shape[axis]) is None:
        axis += 1
    if axis == array.ndim:
        return part
    cut = slices[axis]
    if cut.step not in (None, 1):
        raise Untraceable("it assigns to every second element, or in reverse order")
    before = (slice(None),) * axis
    middle = array[(*before, cut)]
    pieces = [_joined(middle, [*slices[:axis], slice(None), *slices[axis + 1 :]], part, axis + 1)]
    low, high, _ = cut.indices(int(array.shape[axis]))
    if low:
        pieces.insert(0, array[(*before, slice(None, cut.start))])
    if high < int(array.shape[axis]):
        pieces.append(array[(*before, slice(cut.stop, None))])
    return concatenate(pieces, axis)


@implements("copyto")
def copyto(dst: Any, src: Any, **options: Any) -> None:
    """Hold the numbers of another array."""
    if options or not isinstance(dst, TracedArray):
        raise Untraceable("it uses np.copyto with an option, or with an array of numpy")
    setitem(dst, (slice(None),) * dst.ndim, src)


@implements("tril")
def lower_triangle(m: Any, k: int = 0) -> Any:
    """The elements below a diagonal, zeros elsewhere."""
    return _triangle(m, k, 0)


@implements("triu")
def upper_triangle(m: Any, k: int = 0) -> Any:
    """The elements above a diagonal, zeros elsewhere."""
    return _triangle(m, k, 1)


def _triangle(m: TracedArray, k: int, upper: int) -> TracedArray:
    result: TracedArray = m.op("Trilu", np.array(k, np.int64), shape=m.shape, upper=upper)
    return result


@implements("sliding_window_view")
def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    """The windows along axes; each adds an axis at the end."""
    sizes = sequence(window_shape)
    axes = range(x.ndim) if axis is None else [each % x.ndim for each in sequence(axis)]
    for place, width in zip(axes, sizes, strict=True):
        before, count = (slice(None),) * place, x.shape[place] - (width - 1)
        x = stack([x[(*before, slice(i, count + i))] for i in range(width)], -1)
    return x


@implements("diff")
def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    """Differences of neighbours."""
    before = (slice(None),) * (axis % a.ndim)
    for _ in range(n):
        a = a[(*before, slice(1, None))] - a[(*before, slice(None, -1))]
    return a
