"""Nodes whose inputs are known: computed when the file is read. Sizes that are not known are computed as symbols."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from graphnet import ConstantArray, FileError, LearnedArray, Value
from graphnet.io.foreign import reading
from graphnet.layers.array_field import LARGEST
from graphnet_onnx.reading import layout
from graphnet_onnx.reading.dims import Dim, Size, product
from graphnet_onnx.reading.node import NodeView
from graphnet_onnx.reading.scope import Scope
from graphnet_onnx.reading.values import Abstract, Filled, Known, Sizes, Term, new_atom, settled, whole

#: Elements of the largest array that may be computed from smaller ones, and of all such arrays of a file.
MAX_ELEMENTS, MAX_TOTAL = 2**24, 2**26
#: Operators whose result has at most as many elements as their inputs together, or as these broadcast.
BROADCASTING = frozenset(
    [
        "Abs",
        "Acos",
        "Acosh",
        "Add",
        "And",
        "ArgMax",
        "ArgMin",
        "Asin",
        "Asinh",
        "Atan",
        "Atanh",
        "BitShift",
        "BitwiseAnd",
        "BitwiseNot",
        "BitwiseOr",
        "BitwiseXor",
        "Cast",
        "CastLike",
        "Ceil",
        "Celu",
        "Clip",
        "Compress",
        "Concat",
        "Cos",
        "Cosh",
        "CumSum",
        "Div",
        "Elu",
        "Equal",
        "Erf",
        "Exp",
        "Flatten",
        "Floor",
        "Gelu",
        "Greater",
        "GreaterOrEqual",
        "HardSigmoid",
        "HardSwish",
        "Hardmax",
        "Identity",
        "IsInf",
        "IsNaN",
        "LayerNormalization",
        "LeakyRelu",
        "Less",
        "LessOrEqual",
        "Log",
        "LogSoftmax",
        "Max",
        "Mean",
        "Min",
        "Mish",
        "Mod",
        "Mul",
        "Neg",
        "Not",
        "Or",
        "PRelu",
        "Pow",
        "Reciprocal",
        "ReduceL1",
        "ReduceL2",
        "ReduceLogSum",
        "ReduceLogSumExp",
        "ReduceMax",
        "ReduceMean",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "ReduceSumSquare",
        "Relu",
        "Reshape",
        "Round",
        "Selu",
        "Shape",
        "Sigmoid",
        "Sign",
        "Sin",
        "Sinh",
        "Size",
        "Slice",
        "Softmax",
        "Softplus",
        "Softsign",
        "Split",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Sum",
        "Tan",
        "Tanh",
        "ThresholdedRelu",
        "Transpose",
        "Trilu",
        "Unsqueeze",
        "Where",
        "Xor",
        "ScatterElements",
        "ScatterND",
    ]
)


def growth(node: NodeView, arrays: list[np.ndarray | None]) -> int | None:
    """The number of elements of the result of a node, at most; None if it is not computed when a file is read."""
    given = [array for array in arrays if array is not None]
    op = node.op
    if node.domain:
        return None
    if op in BROADCASTING:
        shape: tuple[int, ...] = ()
        if op not in ("Reshape", "Slice", "Concat", "Unsqueeze", "Squeeze", "Transpose", "Split", "Compress", "CumSum"):
            shape = _broadcast([array.shape for array in given])
        return max(math.prod(shape), sum(array.size for array in given), 64)
    if op in ("ConstantOfShape",):
        return _count(given[0])
    if op in ("Expand",):
        return max(_count(given[1]) * max(given[0].size, 1), 1)
    if op == "Tile":
        return _count(given[1]) * max(given[0].size, 1)
    if op == "Range" and len(given) == 3 and given[2].size == 1 and float(given[2].reshape(-1)[0]) != 0:
        start, limit, delta = (float(array.reshape(-1)[0]) for array in given)
        steps = (limit - start) / delta
        return int(min(max(steps, 0), 2.0**62)) + 1 if math.isfinite(steps) else None
    if op in ("Gather", "GatherElements", "GatherND"):
        return (
            given[1].size * max(given[0].size // max(given[0].shape[:1] or (1,)), 1) * max(given[0].shape[:1] or (1,))
        )
    if op == "MatMul" and all(array.ndim for array in given):
        return given[0].size * (given[1].shape[-1] if given[1].ndim > 1 else 1) * max(
            math.prod(given[1].shape[:-2]), 1)  # fmt: skip
    if op == "Gemm":
        return max(given[0].size, 1) * max(given[1].size, 1)
    return None


def _broadcast(shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    rank = max((len(shape) for shape in shapes), default=0)
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(max(sizes) for sizes in zip(*padded, strict=True))


def _count(sizes: np.ndarray) -> int:
    return math.prod(max(int(n), 0) for n in sizes.reshape(-1)[:64])


def fold(scope: Scope, node: NodeView) -> bool:
    """Compute a node whose inputs are all known, with ONNX's reference evaluator; False if that is not possible.

    Raises
    ------
    FileError
        If the result would be larger than ``MAX_ELEMENTS``, or the evaluator fails.
    """
    if node.op == "Constant":
        scope.set(node.outputs[0], Known(_constant(node)))
        return True
    if not all(value is None or isinstance(value, Known) for value in node.inputs) or not any(node.inputs):
        return False
    arrays = [value.array if isinstance(value, Known) else None for value in node.inputs]
    if any(array is not None and array.dtype == object for array in arrays):
        return _fold_texts(scope, node)
    expected = growth(node, arrays)
    if expected is None:
        return False
    conversion = scope.conversion
    conversion.computed += expected
    total = sum(array.size for array in arrays if array is not None)
    if expected > max(MAX_ELEMENTS, 4 * total) or conversion.computed > MAX_TOTAL + 64 * total:
        raise FileError("a constant would become too large", where=node.place,
                        expected=f"at most {MAX_ELEMENTS:,} numbers", received=f"{expected:,}")  # fmt: skip
    clean = onnx.NodeProto()
    clean.CopyFrom(node.proto)
    clean.domain = node.domain
    del clean.attribute[:]
    for name, value in node.attributes.items():
        clean.attribute.append(_attribute(name, value))
    del clean.input[:], clean.output[:]
    clean.input.extend(["" if array is None else f"i{k}" for k, array in enumerate(arrays)])
    clean.output.extend([f"o{k}" if name else "" for k, name in enumerate(node.outputs)])
    with reading(node.place, "an operator that ONNX's reference evaluator can compute"), np.errstate(all="ignore"):
        results = ReferenceEvaluator(clean, opsets={node.domain: node.opset, **scope.opsets}).run(
            None, {f"i{k}": array for k, array in enumerate(arrays) if array is not None}
        )
    names = [name for name in node.outputs if name]
    for name, result in zip(names, results, strict=False):
        scope.set(name, Known(np.asarray(result)))
    return True


def _attribute(name: str, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value = onnx.numpy_helper.from_array(value)
    return onnx.helper.make_attribute(name, value)


def _fold_texts(scope: Scope, node: NodeView) -> bool:
    """Texts are only passed on."""
    if node.op in ("Identity", "Reshape", "Squeeze", "Unsqueeze", "Cast"):
        scope.set(node.outputs[0], replace(node.inputs[0]))  # type: ignore[type-var, arg-type]
        return True
    return False


def _constant(node: NodeView) -> np.ndarray:
    """The array of a Constant node.

    Raises
    ------
    FileError
        If it has none, several, or a sparse one.
    """
    names = ("value", "value_float", "value_floats", "value_int", "value_ints", "value_string", "value_strings")
    given = [name for name in names if name in node.attributes]
    if len(given) != 1:
        raise FileError("not a constant", where=node.place, expected="one value", received=", ".join(given) or "none")
    value = node.attributes[given[0]]
    if given[0] == "value":
        return value  # type: ignore[no-any-return]
    kinds = {"float": np.float32, "int": np.int64, "string": object}
    kind = kinds[given[0].removeprefix("value_").rstrip("s")]
    return np.array(value, kind)


# ---------------------------------------------------------------------- sizes
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


def _axes(node: NodeView, given: Any) -> tuple[int, ...] | None:
    values = node.get("axes") if given is None else given
    return None if values is None else tuple(int(n) for n in np.asarray(values).reshape(-1))


def _objects(array: Any) -> Any:
    return np.asarray(array, object)


def _reshape(node: NodeView, array: Any, shape: Any) -> Any:
    sizes = [int(n) for n in np.asarray(shape).reshape(-1)]
    sizes = [array.shape[i] if n == 0 and not node.get("allowzero") else n for i, n in enumerate(sizes)]
    return _objects(array).reshape(sizes)


def _slice(
    node: NodeView, array: Any, starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None
) -> Any:
    begin = [int(n) for n in np.asarray(node.get("starts") if starts is None else starts).reshape(-1)]
    end = [int(n) for n in np.asarray(node.get("ends") if ends is None else ends).reshape(-1)]
    along = _axes(node, axes) or tuple(range(len(begin)))
    by = [1] * len(begin) if steps is None else [int(n) for n in np.asarray(steps).reshape(-1)]
    index: list[Any] = [slice(None)] * array.ndim
    for axis, a, b, c in zip(along, begin, end, by, strict=True):
        index[axis] = slice(a, None if c < 0 and b < -(2**31) else b, c)
    return _objects(array)[tuple(index)]


def _squeeze(node: NodeView, array: Any, axes: Any = None) -> Any:
    return np.squeeze(_objects(array), _axes(node, axes))


def _unsqueeze(node: NodeView, array: Any, axes: Any = None) -> Any:
    return np.expand_dims(_objects(array), _axes(node, axes) or (0,))


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
    return np.prod(_objects(array), axis=_axes(node, axes), keepdims=bool(node.get("keepdims", 1)))


def _split(node: NodeView, array: Any, sizes: Any = None) -> Any:
    given = node.get("split") if sizes is None else sizes
    parts = len(node.outputs) if given is None else np.cumsum([int(n) for n in given])[:-1]
    return np.split(_objects(array), parts)


SIZE_OPERATORS: dict[str, Callable[..., Any]] = {
    "Gather": _gather, "Slice": _slice, "Concat": _concat, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze,
    "Reshape": _reshape, "Cast": lambda node, a: a, "Identity": lambda node, a: a,
    "Mul": lambda node, a, b: _objects(a) * _objects(b), "Add": lambda node, a, b: _objects(a) + _objects(b),
    "Sub": lambda node, a, b: _objects(a) - _objects(b), "Div": _divide, "Neg": lambda node, a: -_objects(a),
    "Equal": _equal, "Where": _where, "ReduceProd": _product, "Split": _split,
}  # fmt: skip


# ---------------------------------------------------------------------- filled arrays
def fold_filled(scope: Scope, node: NodeView) -> bool:
    """Operators on arrays that are repeated along axes whose sizes are not known; False for any other."""
    op, first = node.op, node.inputs[0] if node.inputs else None
    if op == "ConstantOfShape" and isinstance(first, Sizes):
        value = node.get("value")
        number = np.zeros(1, np.float32) if value is None else value
        scope.set(node.outputs[0], _filled(number.reshape((1,) * len(first.array)), list(first.array)))
        return True
    if op == "Expand" and isinstance(first, (Known, Filled)) and isinstance(node.inputs[1], (Sizes, Known)):
        array, dims = first.array, list(first.dims)
        wanted = list(node.inputs[1].array)
        rank = max(len(dims), len(wanted))
        array = array.reshape((1,) * (rank - array.ndim) + array.shape)
        dims, wanted = [*[1] * (rank - len(dims)), *dims], [*[1] * (rank - len(wanted)), *wanted]
        scope.set(node.outputs[0], _filled(array, [b if a == 1 else a for a, b in zip(dims, wanted, strict=True)]))
        return True
    if not isinstance(first, Filled):
        return False
    if op in ("Identity", "Cast"):
        kind = onnx.helper.tensor_dtype_to_np_dtype(node.get("to")) if op == "Cast" else first.array.dtype
        scope.set(node.outputs[0], replace(first, array=first.array.astype(kind)))
        return True
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
        axes = [n % (len(sizes) + len(_axes(node, arrays[0] if arrays else None) or ())) for n in
                _axes(node, arrays[0] if arrays else None) or ()]  # fmt: skip
        dims: list[Size] = list(first.dims)
        for axis in sorted(axes):
            dims.insert(axis, 1)
    elif node.op == "Squeeze":
        given = _axes(node, arrays[0] if arrays else None)
        axes = [n % len(sizes) for n in given] if given else [i for i, n in enumerate(first.dims) if n == 1]
        dims = [n for i, n in enumerate(first.dims) if i not in axes]
    elif node.op == "Gather":
        axis = node.get("axis", 0) % len(sizes)
        if isinstance(first.dims[axis], Dim):
            return False
        dims = [*first.dims[:axis], *arrays[0].shape, *first.dims[axis + 1 :]]
    else:
        result = _slice(node, array, *arrays)
        dims = [n if isinstance(n, Dim) else m for n, m in zip(first.dims, result.shape, strict=True)]
        if any(isinstance(first.dims[a], Dim) for a in _axes(node, arrays[2] if len(arrays) > 2 else None) or ()):
            return False
        scope.set(node.outputs[0], _filled(np.asarray(result.tolist(), first.array.dtype).reshape(result.shape), dims))
        return True
    if node.op == "Gather":
        moved = np.take(array, arrays[0], axis=node.get("axis", 0))
    else:
        moved = array.reshape([1 if isinstance(n, Dim) else n for n in dims])
    scope.set(node.outputs[0], _filled(moved, dims))
    return True


def _filled(array: np.ndarray, dims: list[Size]) -> Abstract:
    """A filled array, as small as it can be; numbers if all sizes are known."""
    known = whole(dims)
    if known is not None and math.prod(known) <= MAX_ELEMENTS:
        return Known(np.ascontiguousarray(np.broadcast_to(array, known)))
    return Filled(array, tuple(dims))


# ---------------------------------------------------------------------- arrays as values
def spread(scope: Scope, array: np.ndarray, like: Value, *, parameter: bool, name: str = "") -> Value:
    """An array, in the axes after the rows, as a value with the rows of ``like``."""
    numbers = np.asarray(array)
    if numbers.dtype not in (np.float32, np.float64):
        numbers = numbers.astype(np.float32)
    if numbers.ndim == 0:
        numbers = numbers.reshape(1)
    if not np.isfinite(numbers).all():
        raise FileError("a constant is not finite", expected="finite numbers", received="NaN or infinity")
    if not parameter and numbers.size <= LARGEST:
        return scope.apply(ConstantArray(numbers), like, name=name)  # type: ignore[arg-type]
    layer = LearnedArray(numbers.shape, initial=0.0, dtype=numbers.dtype.name, trainable=parameter)  # type: ignore[call-arg]
    layer.set_weights(numbers)
    return scope.apply(layer, like, name=name or "array")


def as_term(scope: Scope, value: Known | Filled, place: str) -> Term:
    """A constant as a value: the same for each row of the reference of a graph.

    Raises
    ------
    MixedRowsError
        If it differs from row to row.
    """
    reference = scope.reference
    assert reference is not None
    array = value.array
    dims = value.dims
    batch = reference.sizes[reference.batch]
    rows = [i for i, n in enumerate(dims) if n == batch and array.shape[i] == 1 and isinstance(n, Dim)]
    inner = [i for i in range(len(dims)) if i not in rows[:1]]
    if any(isinstance(dims[i], Dim) for i in inner):
        raise layout.mixed_rows("a constant is repeated along an axis whose size is not known")
    sizes = [n for i in inner for n in (dims[i],) if isinstance(n, int)]
    numbers = np.broadcast_to(array, [n if i in inner else 1 for i, n in enumerate(dims)])  # type: ignore[misc]
    whole_array = numbers.reshape(sizes or [1])
    base = layout.demoted(reference, scope.move)
    first = scope.builder  # the builder of the reference
    assert first is not None
    like = base.value
    rank = len(base.axes) - 1
    if len(sizes) > max(rank, 1):  # ConstantArray needs a row with as many axes
        flat = layout.arranged(base, (base.axes[0], tuple(a for axis in base.axes[1:] for a in axis)), scope.move)
        like = spread(
            scope, whole_array.reshape(-1), flat.value, parameter=isinstance(value, Known) and value.parameter
        )
        atoms = tuple(new_atom() for _ in sizes)
        axes: tuple[tuple[int, ...], ...] = (base.axes[0], atoms)
    else:
        like = spread(scope, whole_array, like, parameter=isinstance(value, Known) and value.parameter)
        padding = tuple((new_atom(),) for _ in range(max(rank, 1) - max(len(sizes), 1)))
        atoms = tuple(new_atom() for _ in sizes or [1])
        axes = (base.axes[0], *padding, *[(atom,) for atom in atoms])
    groups: list[tuple[int, ...]] = []
    left = list(atoms if sizes else ())
    for i in range(len(dims)):
        groups.append((base.batch,) if i in rows[:1] else (left.pop(0),))
    known = {atom: 1 for axis in axes[1:] for atom in axis} | dict(zip(atoms, sizes or [1], strict=True))
    return Term(like, axes, tuple(groups), known | {base.batch: batch}, 1, np.dtype(array.dtype))
