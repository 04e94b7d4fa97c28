"""Nodes on arrays that are repeated along axes whose sizes are not known, such as zeros for each row."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx

from graphnet_onnx.reading.constants import MAX_ELEMENTS
from graphnet_onnx.reading.dims import Dim, Size, Span, compared, divided, product
from graphnet_onnx.reading.node import NodeView
from graphnet_onnx.reading.scope import Scope
from graphnet_onnx.reading.sizes import axes_given, sliced
from graphnet_onnx.reading.values import Abstract, Filled, Known, Sizes, settled, whole


def fold_filled(scope: Scope, node: NodeView) -> bool:
    """Operators on arrays that are repeated along axes whose sizes are not known; False for any other."""
    op, first = node.op, node.inputs[0] if node.inputs else None
    if node.domain or first is None:
        return False
    if op == "Range":
        return _range(scope, node)
    if op in COMPARISONS or op in ("Min", "Max", "Not", "And", "Or", *ARITHMETIC):
        return _compared(scope, node)
    if op == "Concat":
        return _joined(scope, node)
    if op == "ConstantOfShape" and isinstance(first, Sizes):
        value = node.get("value")
        number = np.zeros(1, np.float32) if value is None else value
        scope.set(node.outputs[0], _filled(number.reshape((1,) * len(first.array)), list(first.array)))
        return True
    if op == "Expand" and isinstance(first, (Known, Filled, Sizes)) and isinstance(node.inputs[1], (Sizes, Known)):
        array, dims = first.array, list(first.dims)
        wanted = list(node.inputs[1].array)
        rank = max(len(dims), len(wanted))
        array = array.reshape((1,) * (rank - array.ndim) + array.shape)
        dims, wanted = [*[1] * (rank - len(dims)), *dims], [*[1] * (rank - len(wanted)), *wanted]
        sizes = [b if a == 1 else a for a, b in zip(dims, wanted, strict=True)]
        scope.set(node.outputs[0], _filled(array, sizes, getattr(first, "parameter", False)))
        return True
    if op == "Tile" and isinstance(first, Known) and isinstance(node.inputs[1], Sizes):
        return _tiled(scope, node, Filled(first.array, first.dims, first.parameter))
    return isinstance(first, Filled) and _of_filled(scope, node, first)


def _of_filled(scope: Scope, node: NodeView, first: Filled) -> bool:
    """Operators on a filled array that change its axes, or its type."""
    op = node.op
    if op in ("Identity", "Cast"):
        kind = onnx.helper.tensor_dtype_to_np_dtype(node.get("to")) if op == "Cast" else first.array.dtype
        scope.set(
            node.outputs[0], first if first.array.dtype == object else replace(first, array=first.array.astype(kind))
        )
        return True
    if op == "Tile" and isinstance(node.inputs[1], (Sizes, Known)):
        return _tiled(scope, node, first)
    if op == "Reshape" and isinstance(node.inputs[1], Known):
        return _reshaped(scope, node, first)
    if op == "Transpose":
        order = node.get("perm") or list(range(len(first.dims)))[::-1]
        scope.set(node.outputs[0], Filled(first.array.transpose(order), tuple(first.dims[i] for i in order)))
        return True
    if op in ("Squeeze", "Unsqueeze", "Slice", "Gather") and all(isinstance(v, Known) for v in node.inputs[1:] if v):
        return _moved(scope, node, first)
    return False


def _moved(scope: Scope, node: NodeView, first: Filled) -> bool:
    """Slices and changes of the rank of a filled array, by the same on a pattern of positions."""
    arrays = [value.array for value in node.inputs[1:] if isinstance(value, Known)]
    if len(arrays) != len(node.inputs) - 1:
        return False
    sizes = [n if isinstance(n, int) else 1 for n in first.dims]
    array = np.broadcast_to(
        first.array, [a if isinstance(n, Dim) else n for a, n in zip(first.array.shape, first.dims, strict=True)]
    )
    marks = np.empty(len(sizes), object)
    marks[:] = list(first.dims)
    if node.op == "Unsqueeze":
        axes = [n % (len(sizes) + len(axes_given(node, arrays[0] if arrays else None) or ())) for n in
                axes_given(node, arrays[0] if arrays else None) or ()]  # fmt: skip
        dims: list[Size] = list(first.dims)
        for axis in sorted(axes):
            dims.insert(axis, 1)
    elif node.op == "Squeeze":
        given = axes_given(node, arrays[0] if arrays else None)
        axes = [n % len(sizes) for n in given] if given else [i for i, n in enumerate(first.dims) if n == 1]
        dims = [n for i, n in enumerate(first.dims) if i not in axes]
    elif node.op == "Gather":
        axis = node.get("axis", 0) % len(sizes)
        if isinstance(first.dims[axis], Dim):
            return False
        dims = [*first.dims[:axis], *arrays[0].shape, *first.dims[axis + 1 :]]
    else:
        if _whole_axes(first, arrays):
            scope.set(node.outputs[0], first)
            return True
        result = sliced(node, array, *arrays)
        dims = [n if isinstance(n, Dim) else m for n, m in zip(first.dims, result.shape, strict=True)]
        if any(isinstance(first.dims[a], Dim) for a in axes_given(node, arrays[2] if len(arrays) > 2 else None) or ()):
            return False
        scope.set(node.outputs[0], _filled(np.asarray(result.tolist(), first.array.dtype).reshape(result.shape), dims))
        return True
    if node.op == "Gather":
        moved = np.take(array, arrays[0], axis=node.get("axis", 0))
    else:
        moved = array.reshape([1 if isinstance(n, Dim) else n for n in dims])
    scope.set(node.outputs[0], _filled(moved, dims, first.parameter))
    return True


def _whole_axes(first: Filled, arrays: list[Any]) -> bool:
    """Whether a Slice selects whole axes along which nothing changes, perhaps in the other order."""
    if len(arrays) < 4:
        return False
    starts, ends, axes, steps = (np.asarray(a).reshape(-1).tolist() for a in arrays[:4])
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        whole = (start == 0 and end >= 2**31 and step == 1) or (start == -1 and end < -(2**31) and step == -1)
        if not whole or first.array.shape[axis] != 1 or first.array.dtype == object:
            return False
    return True


def _filled(array: np.ndarray, dims: list[Size], parameter: bool = False) -> Abstract:
    """A filled array, as small as it can be; numbers if all sizes are known."""
    known = whole(dims)
    if known is not None and array.dtype != object and math.prod(known) <= MAX_ELEMENTS:
        return Known(np.ascontiguousarray(np.broadcast_to(array, known)))
    return Filled(array, tuple(dims), parameter)


#: Comparisons, by what :func:`compared` may return for True.
COMPARISONS: dict[str, tuple[int, ...]] = {
    "Less": (-1,), "LessOrEqual": (-1, 0), "Greater": (1,), "GreaterOrEqual": (0, 1), "Equal": (0,),
}  # fmt: skip


def _range(scope: Scope, node: NodeView) -> bool:
    """``Range(0, size, 1)`` for a size that is not known."""
    start, limit, step = node.inputs
    if not isinstance(start, Known) or not isinstance(limit, Sizes) or not isinstance(step, Known):
        return False
    if (start.array.size, step.array.size) != (1, 1) or start.array.any() or step.array.item() != 1:
        return False
    size = limit.array.reshape(-1)[0]
    numbers = np.empty(1, object)
    numbers[0] = Span(size)
    scope.set(node.outputs[0], Filled(numbers, (size,)))
    return True


def _compared(scope: Scope, node: NodeView) -> bool:
    """Comparisons of sizes, and operators on their results, where these are known."""
    values = [value for value in node.inputs if value is not None]
    if not all(isinstance(value, (Known, Sizes, Filled)) for value in values) or all(
        isinstance(v, Known) for v in values
    ):
        return False
    rank = max(len(value.dims) for value in values)  # type: ignore[union-attr]
    arrays = [np.asarray(v.array, object).reshape((1,) * (rank - v.array.ndim) + v.array.shape) for v in values]  # type: ignore[union-attr]
    padded = [(*[1] * (rank - len(v.dims)), *v.dims) for v in values]  # type: ignore[union-attr]
    dims = [next((n for n in sizes if n != 1), 1) for sizes in zip(*padded, strict=True)]
    if node.op == "Not":
        result = [not each for each in arrays[0].reshape(-1)]
        scope.set(node.outputs[0], _filled(np.array(result, bool).reshape(arrays[0].shape), dims))
        return True
    total = arrays[0]
    for other in arrays[1:]:
        a, b = np.broadcast_arrays(total, other)
        parts = [_pair(node.op, x, y) for x, y in zip(a.reshape(-1), b.reshape(-1), strict=True)]
        if any(part is None for part in parts):
            return False
        total = np.empty(len(parts), object)
        total[:] = parts
        total = total.reshape(a.shape)
    logical = node.op not in ("Min", "Max", *ARITHMETIC)
    if logical:
        total = total.astype(bool)
    elif not any(isinstance(n, (Dim, Span)) for n in total.reshape(-1)):
        total = np.array(total.tolist(), np.result_type(*(v.array for v in values if v.array.dtype != object), np.int8))  # type: ignore[union-attr]
    if not logical and all(isinstance(v, (Known, Sizes)) for v in values):
        scope.set(node.outputs[0], settled(total))
    else:
        scope.set(node.outputs[0], _filled(total, dims))
    return True


#: Arithmetic on numbers and sizes.
ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.add, "Sub": operator.sub, "Mul": operator.mul,
}  # fmt: skip


def _joined(scope: Scope, node: NodeView) -> bool:
    """Filled arrays side by side."""
    values = node.inputs
    if not any(isinstance(v, Filled) for v in values) or not all(isinstance(v, (Known, Filled)) for v in values):
        return False
    rank = len(values[0].dims)  # type: ignore[union-attr]
    axis = node.get("axis", 0)
    if any(len(v.dims) != rank for v in values) or not -rank <= axis < rank:  # type: ignore[union-attr]
        return False
    axis %= rank
    sizes = [v.dims[axis] for v in values]  # type: ignore[union-attr]
    if any(isinstance(n, Dim) for n in sizes):
        return False
    shape = [max(v.array.shape[i] for v in values) for i in range(rank)]  # type: ignore[union-attr]
    parts = []
    for value, size in zip(values, sizes, strict=True):
        shape[axis] = size  # type: ignore[call-overload]
        parts.append(np.broadcast_to(value.array.astype(object), shape))  # type: ignore[union-attr]
    dims = [next((v.dims[i] for v in values if v.dims[i] != 1), 1) for i in range(rank)]  # type: ignore[union-attr]
    dims[axis] = sum(n for n in sizes if isinstance(n, int))
    scope.set(node.outputs[0], _filled(np.concatenate(parts, axis), dims))
    return True


def _pair(op: str, x: Any, y: Any) -> Any:
    if op in ARITHMETIC:
        try:
            return ARITHMETIC[op](x, y)
        except TypeError:
            return None
    if op in ("And", "Or"):
        return (x and y) if op == "And" else (x or y)
    order = compared(x, y)
    if order is None:
        return None
    if op in COMPARISONS:
        return order in COMPARISONS[op]
    return x if (order < 0) == (op == "Min") else y


def _tiled(scope: Scope, node: NodeView, first: Filled) -> bool:
    """Repetition of axes of size 1."""
    repeats = list(node.inputs[1].array.reshape(-1))  # type: ignore[union-attr]
    if len(repeats) != len(first.dims) or any(n != 1 and m != 1 for n, m in zip(first.dims, repeats, strict=True)):
        return False
    dims = [m if n == 1 else n for n, m in zip(first.dims, repeats, strict=True)]
    scope.set(
        node.outputs[0], _filled(first.array, [n if isinstance(n, Dim) else int(n) for n in dims], first.parameter)
    )
    return True


def _reshaped(scope: Scope, node: NodeView, first: Filled) -> bool:
    """Axes of size 1 that are added or left out."""
    wanted = [int(n) for n in node.inputs[1].array.reshape(-1)]  # type: ignore[union-attr]
    dims: list[Size] = [first.dims[i] if n == 0 and i < len(first.dims) else n for i, n in enumerate(wanted)]
    if -1 in dims:
        known = product([n for n in dims if n != -1])
        rest = divided(product(list(first.dims)), known)
        if rest is None:
            return False
        dims = [rest if n == -1 else n for n in dims]
    if [n for n in dims if n != 1] != [n for n in first.dims if n != 1]:
        return False
    sizes = iter([m for n, m in zip(first.dims, first.array.shape, strict=True) if n != 1])
    scope.set(
        node.outputs[0],
        _filled(first.array.reshape([1 if n == 1 else next(sizes) for n in dims]), dims, first.parameter),
    )
    return True
