"""Operators that compute each number by itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx

from graphnet import (
    Absolute,
    Add,
    Affine,
    Cos,
    Divide,
    Dropout,
    Exp,
    Layer,
    Log,
    Maximum,
    Minimum,
    Multiply,
    Power,
    ScalarPower,
    Sin,
    Sqrt,
    Subtract,
)
from graphnet_activations import ELU, GELU, HardSigmoid, LeakyReLU, ReLU, SiLU, Softplus
from graphnet_onnx.layers import AxisSize, Erf
from graphnet_onnx.reading import broadcasting, layout
from graphnet_onnx.reading.dims import Dim
from graphnet_onnx.reading.handlers.registry import handles
from graphnet_onnx.reading.node import NodeView
from graphnet_onnx.reading.scope import Scope
from graphnet_onnx.reading.spreading import as_term, spread
from graphnet_onnx.reading.values import Dropped, Filled, Flipped, Known, Sizes, Term, new_atom
from graphnet_recurrent import Sigmoid, TanH

#: Operators that are one layer each, made from the attributes of the node.
UNARY: dict[str, Callable[[NodeView], Layer]] = {
    "Relu": lambda node: ReLU(),
    "Sigmoid": lambda node: Sigmoid(),
    "Tanh": lambda node: TanH(),
    "Elu": lambda node: ELU(float(node.get("alpha", 1.0))),
    "LeakyRelu": lambda node: LeakyReLU(float(node.get("alpha", 0.01))),
    "Gelu": lambda node: GELU(approximate=node.get("approximate") == "tanh"),
    "Softplus": lambda node: Softplus(),
    "Exp": lambda node: Exp(),
    "Log": lambda node: Log(),
    "Sqrt": lambda node: Sqrt(),
    "Abs": lambda node: Absolute(),
    "Sin": lambda node: Sin(),
    "Cos": lambda node: Cos(),
    "Erf": lambda node: Erf(),
    "Neg": lambda node: Affine(-1.0),
    "Reciprocal": lambda node: ScalarPower(-1),
}


@handles(*UNARY)
def unary(scope: Scope, node: NodeView) -> None:
    """One layer."""
    term = scope.term(node, 0)
    emit(scope, node, term, UNARY[node.op](node))


def emit(scope: Scope, node: NodeView, term: Term, *layers: Layer) -> Term:
    """Apply layers that keep the axes, one after the other, and set the output of the node."""
    value = term.value
    for number, layer in enumerate(layers):
        value = scope.apply(layer, value, name=node.name if number == len(layers) - 1 else "")
    result = term.at(value)
    scope.set(node.outputs[0], result)
    scope.note(node, ", ".join(map(repr, layers)))
    return result


@handles("HardSigmoid")
def hard_sigmoid(scope: Scope, node: NodeView) -> None:
    """``max(0, min(1, alpha · x + beta))``."""
    alpha, beta = float(node.get("alpha", 0.2)), float(node.get("beta", 0.5))
    emit(scope, node, scope.term(node, 0), *hard_sigmoid_layers(alpha, beta))


def hard_sigmoid_layers(alpha: float, beta: float) -> tuple[Layer, ...]:
    """The layers of a hard sigmoid: ours has the slope 1/6 around 0."""
    if abs(alpha - 1 / 6) < 1e-7 and beta == 0.5:
        return (HardSigmoid(),)
    return Affine(6.0 * alpha, 6.0 * beta - 3.0), HardSigmoid()


@handles("Selu")
def selu(scope: Scope, node: NodeView) -> None:
    """``gamma · ELU(alpha)``."""
    layers = ELU(float(node.get("alpha", 1.67326))), Affine(float(node.get("gamma", 1.0507)))
    emit(scope, node, scope.term(node, 0), *layers)


@handles("Celu")
def celu(scope: Scope, node: NodeView) -> None:
    """``alpha · ELU(x / alpha)``."""
    alpha = float(node.get("alpha", 1.0))
    emit(scope, node, scope.term(node, 0), Affine(1.0 / alpha), ELU(1.0), Affine(alpha))


@handles("HardSwish", "Swish", "Mish", "Softsign")
def products(scope: Scope, node: NodeView) -> None:
    """Products and quotients of x and a function of it."""
    term = scope.term(node, 0)
    x = term.value
    if node.op == "Swish" and node.get("alpha", 1.0) == 1.0:
        emit(scope, node, term, SiLU())
        return
    if node.op == "Softsign":
        value = scope.apply(Divide(), x, scope.apply(Affine(1.0, 1.0), scope.apply(Absolute(), x)), name=node.name)
    else:
        inner: dict[str, tuple[Layer, ...]] = {
            "HardSwish": (HardSigmoid(),),
            "Swish": (Affine(float(node.get("alpha", 1.0))), Sigmoid()),
            "Mish": (Softplus(), TanH()),
        }
        factor = x
        for layer in inner[node.op]:
            factor = scope.apply(layer, factor)
        value = scope.apply(Multiply(), x, factor, name=node.name)
    scope.set(node.outputs[0], term.at(value))
    scope.note(node, f"{node.op} of elementary layers")


# ---------------------------------------------------------------------- two values
PAIRS: dict[str, type[Layer]] = {
    "Add": Add, "Sub": Subtract, "Mul": Multiply, "Div": Divide, "Pow": Power, "Max": Maximum, "Min": Minimum,
    "Sum": Add,
}  # fmt: skip


@handles("Add", "Sub", "Mul", "Pow", "Div", "Max", "Min", "Sum", "Mean")
def several(scope: Scope, node: NodeView) -> None:
    """Elementwise operators of two or more values, of which some are constants."""
    if node.op == "Div" and any(_kind(value) in "iu" for value in node.inputs):
        from graphnet_onnx.reading.generic import generic

        generic(scope, node)
        return
    op = "Sum" if node.op == "Mean" else node.op
    total = node.inputs[0]
    for value in node.inputs[1:]:
        if value is not None:
            total = pair(scope, node, op, total, value)
    if not isinstance(total, Term):
        raise scope.refused(node, "no input is a value of the graph")
    if node.op == "Mean":
        total = total.at(scope.apply(Affine(1.0 / len(node.inputs)), total.value))
    scope.set(node.outputs[0], total)
    scope.note(node, type(scope.builder.nodes[total.value.ref.source].layer).__name__
               if total.value.ref.source in scope.builder.nodes else "nothing")  # fmt: skip


def _kind(value: Any) -> str:
    if isinstance(value, Term):
        return value.dtype.kind
    return value.array.dtype.kind if isinstance(value, (Known, Filled)) else "f"


def pair(scope: Scope, node: NodeView, op: str, a: Any, b: Any) -> Term:
    """An elementwise operation of two values, at least one of which is a Term."""
    a, b = (_simple(scope, node, value) for value in (a, b))
    if isinstance(a, Term) and isinstance(b, Term):
        return terms(scope, node, PAIRS[op](), a, b)
    term, known, first = (a, b, False) if isinstance(a, Term) else (b, a, True)
    if not isinstance(term, Term) or not isinstance(known, Known):
        raise scope.refused(node, "its inputs are not numbers")
    array = known.array
    if array.size == 1 and not (known.parameter and array.ndim) and np.isfinite(array).all():
        layers = with_number(op, float(array.reshape(-1)[0]), first)
        if layers is not None:
            term = _ranked(term, array.ndim)
            for layer in layers:
                term = term.at(scope.apply(layer, term.value, name=node.name if layer is layers[-1] else ""))
            return term
    return with_array(scope, node, op, term, known, first)


def _simple(scope: Scope, node: NodeView, value: Any) -> Any:
    """A filled array as numbers that broadcast, unless it is repeated along an axis that the other value lacks."""
    if isinstance(value, Filled) and value.array.dtype == object and value.array.size == 1:
        return as_number(scope, node, Sizes(value.array))
    if isinstance(value, Filled):
        others = [other for other in node.inputs if isinstance(other, Term)]
        for other in others:
            dims = (*[1] * (len(value.dims) - len(other.dims)), *other.dims)[-len(value.dims) :]
            if all(m in (1, n) for m, n in zip(value.dims, dims, strict=True)):
                return Known(value.array)
        return as_term(scope, value)
    return as_number(scope, node, value) if isinstance(value, Sizes) else value


def as_number(scope: Scope, node: NodeView, value: Sizes) -> Known | Term:
    """The size of an axis as a value of the graph.

    Raises
    ------
    UnsupportedError
        If it is not the size of an axis of an input.
    """
    size = value.array.reshape(-1)[0] if value.array.size == 1 else None
    known = scope.conversion.value(size) if size is not None else None
    if known is not None:
        return Known(np.full(value.array.shape, known, np.float32))
    found = scope.conversion.located.get(size.symbols[0]) if isinstance(size, Dim) and len(size.symbols) == 1 else None
    if found is None or scope.capture is not None:
        raise scope.refused(node, "a size of an axis is used as a number", "the size of an axis of an input")
    term, atom = found
    axis = next(i for i, atoms in enumerate(term.axes) if atom in atoms)
    count = scope.apply(AxisSize(axis), term.value)
    assert isinstance(size, Dim)
    if size.factor != 1:
        count = scope.apply(Affine(float(size.factor)), count)
    one = new_atom()
    groups = tuple(() for _ in value.array.shape)
    return Term(count, ((term.batch,), (one,)), groups, {term.batch: term.sizes[term.batch], one: 1})


def _ranked(term: Term, rank: int) -> Term:
    """With at least ``rank`` ONNX axes."""
    return layout.unsqueezed(term, range(rank - len(term.groups))) if rank > len(term.groups) else term


def with_number(op: str, number: float, first: bool) -> tuple[Layer, ...] | None:
    """The layers for an operation with one number, which is the first operand or the second."""
    if op in ("Add", "Sum"):
        return (Affine(1.0, number),)
    if op == "Mul":
        return (Affine(number),)
    if op == "Sub":
        return (Affine(-1.0, number),) if first else (Affine(1.0, -number),)
    if op == "Div":
        if first:
            return (ScalarPower(-1), Affine(number))
        return (Affine(1.0 / number),) if number != 0 and math.isfinite(1.0 / number) and _exact(number) else None
    if op == "Pow" and not first:
        return (ScalarPower(int(number) if number == int(number) else number),)
    return None


def _exact(number: float) -> bool:
    """Whether a product with the reciprocal is as exact as a division: the number is a power of two."""
    return abs(math.frexp(number)[0]) == 0.5


def with_array(scope: Scope, node: NodeView, op: str, term: Term, known: Known, first: bool) -> Term:
    """An operation with an array that is the same for each row."""
    array = known.array
    term = _ranked(term, array.ndim)
    inner = broadcasting.array_for(term, array)
    if inner is None and term.rows == 2:
        term = layout.demoted(term, scope.move)
        inner = broadcasting.array_for(term, array)
    if inner is None:
        term, _ = layout.canonical(term, scope.move)
        array = array.reshape((1,) * (len(term.groups) - array.ndim) + array.shape)
        rows = [i for i in range(len(term.groups)) if term.is_rows(i)]
        if any(array.shape[i] != 1 for i in rows):
            raise layout.mixed_rows("a constant differs from row to row")
        inner = array.reshape([n for i, n in enumerate(array.shape) if i not in rows])
        sizes = dict(term.sizes)
        groups = list(term.groups)
        axes = list(term.axes[: term.rows])
        for i, n in enumerate(array.shape):
            if i not in rows:
                if n != 1 and term.size(groups[i]) == 1:
                    groups[i] = (new_atom(),)
                    sizes[groups[i][0]] = int(n)
                axes.append(groups[i])
        result = replace(term, groups=tuple(groups), sizes=sizes, axes=tuple(axes))
    else:
        result = term
    other = spread(scope, inner, term.value, parameter=known.parameter, name=_array_name(known))
    values = (other, term.value) if first else (term.value, other)
    return result.at(scope.apply(PAIRS[op](), *values, name=node.name))


def _array_name(known: Known) -> str:
    return known.name if known.parameter else ""


def terms(scope: Scope, node: NodeView, layer: Layer, a: Term, b: Term) -> Term:
    """An operation of two values."""
    a, b, result = broadcasting.aligned(a, b, scope.move)
    dtype = np.result_type(a.dtype, b.dtype) if a.dtype.kind == b.dtype.kind else a.dtype
    return result.at(scope.apply(layer, a.value, b.value, name=node.name), dtype=dtype)


@handles("Clip")
def clip(scope: Scope, node: NodeView) -> None:
    """``min(max(x, low), high)``."""
    term = scope.term(node, 0)
    limits: list[Any] = [node.get("min"), node.get("max")]
    for index in (1, 2):
        if node.has(index):
            limits[index - 1] = float(scope.numbers(node, index, "a limit").reshape(-1)[0])
    value = term.value
    for limit, layer in zip(limits, (Maximum(), Minimum()), strict=True):
        if limit is not None and math.isfinite(limit) and abs(limit) < 3e38:
            value = scope.apply(layer, value, spread(scope, np.array([limit]), value, parameter=False))
    scope.set(node.outputs[0], term.at(value))
    scope.note(node, f"limits {limits[0]} and {limits[1]}")


@handles("PRelu")
def prelu(scope: Scope, node: NodeView) -> None:
    """``max(x, 0) + slope · min(x, 0)``, by ReLU of x and of -x."""
    term = scope.term(node, 0)
    positive = term.at(scope.apply(ReLU(), term.value))
    negative = term.at(scope.apply(ReLU(), scope.apply(Affine(-1.0), term.value)))
    scaled = pair(scope, replace(node, name=""), "Mul", negative, node.inputs[1])
    scope.set(node.outputs[0], terms(scope, node, Subtract(), positive, scaled))
    scope.note(node, "ReLU with a slope for each channel")


# ---------------------------------------------------------------------- nothing, in inference
@handles("Identity")
def identity(scope: Scope, node: NodeView) -> None:
    """The value itself."""
    scope.set(node.outputs[0], node.inputs[0])  # type: ignore[arg-type]


@handles("Dropout")
def dropout(scope: Scope, node: NodeView) -> None:
    """Dropout, which does nothing in inference."""
    ratio = node.get("ratio", 0.5)
    if node.has(1):
        ratio = float(scope.numbers(node, 1, "the ratio").reshape(-1)[0])
    term = scope.term(node, 0)
    if len(node.outputs) > 1 and node.outputs[1]:
        scope.set(node.outputs[1], Dropped("the mask of Dropout"))
    if not 0 <= ratio < 1 or ratio == 0:
        scope.set(node.outputs[0], term)
        return
    emit(scope, node, term, Dropout(drop=round(float(ratio), 7)))


@handles("Cast")
def cast(scope: Scope, node: NodeView) -> None:
    """Nothing where the numbers stay what they are."""
    if isinstance(node.inputs[0], Flipped):
        inner = replace(node.inputs[0].term, dtype=np.dtype(onnx.helper.tensor_dtype_to_np_dtype(node.get("to"))))
        scope.set(node.outputs[0], Flipped(inner, node.inputs[0].axis))
        return
    term = scope.term(node, 0)
    to = node.get("to")
    if to == onnx.TensorProto.STRING:
        scope.set(node.outputs[0], Dropped("texts"))
        return
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(to))
    if dtype.kind == "f" or dtype.kind == term.dtype.kind or (dtype.kind in "iu" and term.dtype.kind in "iub"):
        scope.set(node.outputs[0], replace(term, dtype=dtype))
        return
    from graphnet_onnx.reading.generic import generic

    generic(scope, node)


@handles("CastLike")
def cast_like(scope: Scope, node: NodeView) -> None:
    """Nothing where both are floats."""
    term = scope.term(node, 0)
    if _kind(node.inputs[1]) != "f":
        raise scope.refused(node, "it casts to integers")
    scope.set(node.outputs[0], term)
