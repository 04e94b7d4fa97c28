"""Nodes whose inputs are known: computed when the file is read. Sizes that are not known are computed as symbols."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from graphnet import FileError
from graphnet.io.foreign import reading
from graphnet_onnx.reading.node import NodeView
from graphnet_onnx.reading.scope import Scope
from graphnet_onnx.reading.values import Known

#: Elements of the largest array that may be computed from constants, and of all such arrays of a file, if the file
#: itself does not hold more.
MAX_ELEMENTS, MAX_TOTAL = 2**23, 2**25
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


#: Operators that only move numbers: what they give of a parameter is one.
MOVING = frozenset(["Cast", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze", "Flatten"])


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
        array = _constant(node)
        scope.conversion.held += array.size
        scope.set(node.outputs[0], Known(array))
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
    single, total = max(MAX_ELEMENTS, conversion.held), MAX_TOTAL + 8 * conversion.held
    if expected > single or conversion.computed > total:
        raise FileError("constants would become too large", where=node.place,
                        expected=f"at most {single:,} numbers, and {total:,} in all constants that are computed",
                        received=f"{expected:,} and {conversion.computed:,}")  # fmt: skip
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
    first = node.inputs[0]
    kept = node.op in MOVING and isinstance(first, Known) and first.parameter
    for name, result in zip(names, results, strict=False):
        array = np.asarray(result)
        scope.set(name, Known(array, first.name, array.ndim > 0) if kept else Known(array))  # type: ignore[union-attr]
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
