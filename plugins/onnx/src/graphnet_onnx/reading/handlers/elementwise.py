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
    ScalarPower,
    Sin,
    Sqrt,
    Subtract,
)
from graphnet_activations import ELU, GELU, HardSigmoid, LeakyReLU, ReLU, SiLU, Softplus
from graphnet_onnx.layers import Erf
from graphnet_onnx.reading.handlers.pairs import pair, terms
from graphnet_onnx.reading.handlers.registry import handles
from graphnet_onnx.reading.node import NodeView
from graphnet_onnx.reading.scope import Scope
from graphnet_onnx.reading.spreading import spread
from graphnet_onnx.reading.values import Dropped, Filled, Flipped, Known, Term
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


# ---------------------------------------------------------------------- several values
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
