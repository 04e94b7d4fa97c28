"""Nodes that compute with sizes of axes that are not known: as symbols."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphnet.io.foreign import reading
from graphnet_onnx.reading.dims import product
from graphnet_onnx.reading.node import NodeView
from graphnet_onnx.reading.scope import Scope
from graphnet_onnx.reading.values import Known, Sizes, settled


def fold_sizes(scope: Scope, node: NodeView) -> bool:
    """Compute a node with sizes that are not known; False if it is none."""
    if node.op in ("Shape", "Size") and not isinstance(node.inputs[0], Known):
        dims = getattr(node.inputs[0], "dims", None)
        if dims is None:
            return False
        if node.op == "Size":
            scope.set(node.outputs[0], settled(np.array(product(list(dims)), object)))
            return True
        start, end = node.get("start", 0) or 0, node.get("end")
        selected = list(dims)[slice(start, end)]
        array = np.empty(len(selected), object)
        array[:] = selected
        scope.set(node.outputs[0], settled(array))
        return True
    if not any(isinstance(value, Sizes) for value in node.inputs):
        return False
    if any(not isinstance(value, (Sizes, Known)) for value in node.inputs if value is not None):
        return False
    function = SIZE_OPERATORS.get(node.op)
    if function is None or node.domain:
        return False
    with reading(node.place, "an operator on sizes of axes"):
        arrays: list[Any] = [
            value.array if isinstance(value, Sizes) else value.array if isinstance(value, Known) else None
            for value in node.inputs
        ]
        result = function(node, *arrays)
    if isinstance(result, list):
        for name, part in zip(node.outputs, result, strict=True):
            scope.set(name, settled(part))
    else:
        scope.set(node.outputs[0], settled(result))
    return True


def axes_given(node: NodeView, given: Any) -> tuple[int, ...] | None:
    """The axes of an operator, of an input or an attribute."""
    values = node.get("axes") if given is None else given
    return None if values is None else tuple(int(n) for n in np.asarray(values).reshape(-1))


def _objects(array: Any) -> Any:
    return np.asarray(array, object)


def _reshape(node: NodeView, array: Any, shape: Any) -> Any:
    sizes = [int(n) for n in np.asarray(shape).reshape(-1)]
    sizes = [array.shape[i] if n == 0 and not node.get("allowzero") else n for i, n in enumerate(sizes)]
    return _objects(array).reshape(sizes)


def sliced(
    node: NodeView, array: Any, starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None
) -> Any:
    """The parts of an array that Slice selects."""
    begin = [int(n) for n in np.asarray(node.get("starts") if starts is None else starts).reshape(-1)]
    end = [int(n) for n in np.asarray(node.get("ends") if ends is None else ends).reshape(-1)]
    along = axes_given(node, axes) or tuple(range(len(begin)))
    by = [1] * len(begin) if steps is None else [int(n) for n in np.asarray(steps).reshape(-1)]
    index: list[Any] = [slice(None)] * array.ndim
    for axis, a, b, c in zip(along, begin, end, by, strict=True):
        index[axis] = slice(a, None if c < 0 and b < -(2**31) else b, c)
    return _objects(array)[tuple(index)]


def _squeeze(node: NodeView, array: Any, axes: Any = None) -> Any:
    return np.squeeze(_objects(array), axes_given(node, axes))


def _unsqueeze(node: NodeView, array: Any, axes: Any = None) -> Any:
    return np.expand_dims(_objects(array), axes_given(node, axes) or (0,))


def _gather(node: NodeView, array: Any, indices: Any) -> Any:
    return np.take(_objects(array), np.asarray(indices, np.int64), axis=node.get("axis", 0))


def _concat(node: NodeView, *arrays: Any) -> Any:
    return np.concatenate([_objects(array) for array in arrays], axis=node.get("axis", 0))


def _divide(node: NodeView, a: Any, b: Any) -> Any:
    return _objects(a) // _objects(b)


def _equal(node: NodeView, a: Any, b: Any) -> Any:
    return (_objects(a) == _objects(b)).astype(np.int64)


def _where(node: NodeView, condition: Any, a: Any, b: Any) -> Any:
    return np.where(np.asarray(condition, bool), _objects(a), _objects(b))


def _product(node: NodeView, array: Any, axes: Any = None) -> Any:
    return np.prod(_objects(array), axis=axes_given(node, axes), keepdims=bool(node.get("keepdims", 1)))


def _split(node: NodeView, array: Any, sizes: Any = None) -> Any:
    given = node.get("split") if sizes is None else sizes
    parts = len(node.outputs) if given is None else np.cumsum([int(n) for n in given])[:-1]
    return np.split(_objects(array), parts)


SIZE_OPERATORS: dict[str, Callable[..., Any]] = {
    "Gather": _gather, "Slice": sliced, "Concat": _concat, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze,
    "Reshape": _reshape, "Cast": lambda node, a: a, "Identity": lambda node, a: a,
    "Mul": lambda node, a, b: _objects(a) * _objects(b), "Add": lambda node, a, b: _objects(a) + _objects(b),
    "Sub": lambda node, a, b: _objects(a) - _objects(b), "Div": _divide, "Neg": lambda node, a: -_objects(a),
    "Equal": _equal, "Where": _where, "ReduceProd": _product, "Split": _split,
}  # fmt: skip
