"""The layers of graphnet that compute an operator of ONNX on rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import graphnet
from graphnet import FullyConnected, Layer, using
from graphnet_activations import ELU, GELU, HardSigmoid, LeakyReLU, ReLU, SiLU, SoftMax, Softplus
from graphnet_onnx.operators.context import Context
from graphnet_recurrent import Sigmoid, TanH


def _is_sixth(context: Context) -> bool:
    """Whether the piecewise linear sigmoid has the slope of graphnet's."""
    return abs(context["alpha"] - 1 / 6) < 1e-7 and bool(context["beta"] == 0.5)


Maker = Callable[[Context], Layer | None]
#: Operators of one array: what makes the layer, or returns None where the layer does not have the attributes.
UNARY: dict[str, Maker] = {
    "Abs": lambda context: graphnet.Absolute(),
    "Cos": lambda context: graphnet.Cos(),
    "Exp": lambda context: graphnet.Exp(),
    "Log": lambda context: graphnet.Log(),
    "Sin": lambda context: graphnet.Sin(),
    "Sqrt": lambda context: graphnet.Sqrt(),
    "Relu": lambda context: ReLU(),
    "Sigmoid": lambda context: Sigmoid(),
    "Softplus": lambda context: Softplus(),
    "Tanh": lambda context: TanH(),
    "LeakyRelu": lambda context: LeakyReLU(float(context["alpha"])) if context["alpha"] >= 0 else None,
    "Elu": lambda context: ELU(float(context["alpha"])) if context["alpha"] >= 0 else None,
    "Gelu": lambda context: GELU(context["approximate"] == "tanh"),
    "Swish": lambda context: SiLU() if context["alpha"] == 1 else None,
    "HardSigmoid": lambda context: HardSigmoid() if _is_sixth(context) else None,
    "Softmax": lambda context: SoftMax(int(context["axis"])) if context["axis"] < 0 and context.opset >= 13 else None,
}
#: Operators of two arrays of the same rank.
BINARY: dict[str, Callable[[], Layer]] = {"Add": graphnet.Add, "Mul": graphnet.Multiply, "Sub": graphnet.Subtract}


def layer_for(
    context: Context, names: tuple[str, ...], varying: tuple[str, ...], known: Mapping[str, Any]
) -> Layer | None:
    """Return the layer of a node, whose inputs are those that vary; None if there is none for it.

    Parameters
    ----------
    context : Context
    names, varying : tuple of str
        All inputs of the node, and those that are values of the graph.
    known : mapping of str to array
        The arrays of all inputs in the first run.
    """
    op = context.operator
    if context.domain or context.opset < 7 or len(context.outputs) != 1:
        return None
    if op in UNARY and names == varying:
        return UNARY[op](context) if known[names[0]].ndim else None
    if op in BINARY and names == varying and len({known[name].ndim for name in names}) == 1:
        return BINARY[op]() if known[names[0]].ndim else None
    if op == "MatMul" and varying == names[:1]:
        return _dense(known[names[0]], known[names[1]], None)
    if op == "Gemm" and varying == names[:1] and context["alpha"] == context["beta"] == 1 and not context["transA"]:
        weights = known[names[1]].T if context["transB"] else known[names[1]]
        return _dense(known[names[0]], weights, known[names[2]] if len(names) > 2 else None)
    return None


def _dense(x: Any, weights: Any, bias: Any) -> Layer | None:
    """A dense layer with these weights, where the last axis of x is that of its features."""
    fits = x.ndim >= 2 and weights.ndim == 2 and x.shape[-1] == len(weights) and weights.size
    if not fits or (bias is not None and bias.shape != weights.shape[1:]):
        return None
    with using(np.random.default_rng(0)):  # the weights that are drawn are replaced
        layer = FullyConnected(*weights.shape, bias=bias is not None, dtype=weights.dtype.name)
    layer.set_weights(weights if bias is None else np.concatenate([weights, bias[None]]))
    return layer
