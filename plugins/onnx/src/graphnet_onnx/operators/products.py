"""Products of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet import FullyConnected
from graphnet_onnx.operators.context import Context
from graphnet_onnx.operators.layers import layer_of, runs
from graphnet_onnx.operators.table import operator


@operator("MatMul", layer="FullyConnected")
def matmul(context: Context, a: Any, b: Any) -> Any:
    """The product of matrices, as numpy's matmul; of rows with a matrix, by a dense layer without a bias."""
    if a.ndim >= 2 and b.ndim == 2 and runs(a, b) and a.shape[-1] == b.shape[0]:
        return dense(context, a, b)
    return np.matmul(a, b)


def dense(context: Context, x: Any, weights: Any, bias: Any = None) -> Any:
    """``x @ weights + bias`` by FullyConnected, whose last row of weights is the bias if it has one."""
    units, features, dtype, biased = weights.shape[1], weights.shape[0], weights.dtype.name, bias is not None
    layer = layer_of(
        context,
        (units, features, dtype, biased),
        lambda: FullyConnected(features, units, bias=biased, dtype=dtype),
    )
    layer.set_weights(weights if bias is None else np.concatenate([weights, bias[None]]))
    return layer.forward(x)


@operator("Gemm", layer="FullyConnected")
def gemm(context: Context, a: Any, b: Any, c: Any = None) -> Any:
    """``alpha · A B + beta · C`` with A and B transposed as the attributes say."""
    a, b = (a.T if context["transA"] else a), (b.T if context["transB"] else b)
    alpha, beta = context["alpha"], context["beta"]
    context.require(a.ndim == b.ndim == 2, "A and B must be matrices", received=f"{a.shape}, {b.shape}")
    fits = runs(a, b) and alpha == beta == 1 and a.shape[1] == b.shape[0]
    if fits and (c is None or (c.size in (1, b.shape[1]) and c.shape[-1:] == (c.size,) * bool(c.ndim))):
        return dense(context, a, b, None if c is None else np.broadcast_to(c.reshape(-1), b.shape[1]))
    product = _scaled(alpha, a @ b)
    return product if c is None else product + _scaled(beta, c)


def _scaled(factor: float, x: Any) -> Any:
    """The product with a number, in the type of the array."""
    return x if factor == 1 else (x * factor).astype(x.dtype)


@operator("Einsum")
def einsum(context: Context, *arrays: Any) -> Any:
    """The sum of products that the equation describes, as numpy's einsum."""
    equation, kind = context["equation"].replace(" ", ""), arrays[0].dtype.kind
    return np.einsum(equation, *(a.astype(np.float32) if kind == "V" else a for a in arrays))


@operator("Det")
def determinant(context: Context, x: Any) -> Any:
    """The determinant of the last two axes."""
    return np.linalg.det(x)


@operator("MatMulInteger")
def matmul_integer(context: Context, a: Any, b: Any, a_zero: Any = None, b_zero: Any = None) -> Any:
    """The product of integers less their zero points, in int32."""
    left, right = a.astype(np.int32), b.astype(np.int32)
    if a_zero is not None:
        left = left - (a_zero.astype(np.int32)[..., None] if a_zero.ndim == 1 else a_zero.astype(np.int32))
    return np.matmul(left, right if b_zero is None else right - b_zero.astype(np.int32))
