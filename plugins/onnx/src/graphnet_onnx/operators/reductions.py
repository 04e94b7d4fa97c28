"""Sums, means, extremes and norms along axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet_onnx.operators.context import Context
from graphnet_onnx.operators.table import operator


def _log_sum_exp(x: Any, **along: Any) -> Any:
    """``log Σ exp(x)`` with the maximum subtracted first."""
    if not x.size:
        return np.log(np.sum(np.exp(x), **along))
    top = np.max(x, axis=along["axis"], keepdims=True)
    top = np.where(np.isfinite(top), top, 0).astype(x.dtype)
    shifted = np.log(np.sum(np.exp(x - top), axis=along["axis"], keepdims=True)) + top
    return shifted if along["keepdims"] else shifted.reshape(np.sum(x, **along).shape)


def _extreme(name: str) -> Any:
    """``max`` or ``min``, whose result for no numbers is the other end of the type's range."""

    def reduced(x: Any, **along: Any) -> Any:
        if x.dtype.kind == "b":
            return (np.any if name == "max" else np.all)(x, **along)
        if x.dtype.kind == "f" or x.dtype.kind not in "iu":
            initial: Any = -np.inf if name == "max" else np.inf
        else:
            initial = np.iinfo(x.dtype).min if name == "max" else np.iinfo(x.dtype).max
        return getattr(np, name)(x, **along, **({} if x.size else {"initial": initial}))

    return reduced


FUNCTIONS: dict[str, Any] = {
    "ReduceL1": lambda x, **along: np.sum(np.abs(x), **along),
    "ReduceL2": lambda x, **along: np.sqrt(np.sum(np.square(x), **along)),
    "ReduceLogSum": lambda x, **along: np.log(np.sum(x, **along)),
    "ReduceLogSumExp": _log_sum_exp,
    "ReduceMax": _extreme("max"),
    "ReduceMean": lambda x, **along: np.mean(x, **along),
    "ReduceMin": _extreme("min"),
    "ReduceProd": lambda x, **along: np.prod(x, dtype=x.dtype, **along),
    "ReduceSum": lambda x, **along: np.sum(x, dtype=x.dtype, **along),
    "ReduceSumSquare": lambda x, **along: np.sum(np.square(x), dtype=x.dtype, **along),
}


@operator(*FUNCTIONS)
def reduction(context: Context, x: Any, axes: Any = None) -> Any:
    """A reduction along axes, which are an attribute before opset 18 (of ReduceSum: 13), and an input since."""
    given = axes_of(context, axes)
    if not given and context.get("noop_with_empty_axes", 0) and axes is None:
        given = None
    if not given:
        if context.get("noop_with_empty_axes", 0):
            return FUNCTIONS[context.operator](x[None], axis=0, keepdims=False)
        given = tuple(range(x.ndim))
    return FUNCTIONS[context.operator](x, axis=given, keepdims=bool(context["keepdims"]))


def axes_of(context: Context, axes: Any = None) -> tuple[int, ...] | None:
    """The axes of a node, from the input or the attribute of that name; None if there are none."""
    value = context.get("axes") if axes is None else np.atleast_1d(axes).tolist()
    return None if value is None else tuple(int(axis) for axis in value)


@operator("ArgMax", "ArgMin")
def extreme_position(context: Context, x: Any) -> Any:
    """The position of the greatest or least number along an axis: the first, or with ``select_last_index`` the last."""
    axis, find = int(context["axis"]), np.argmax if context.operator == "ArgMax" else np.argmin
    if context.get("select_last_index", 0):
        position = x.shape[axis] - 1 - find(np.flip(x, axis), axis)
    else:
        position = find(x, axis)
    return np.expand_dims(position, axis) if context["keepdims"] else position


@operator("CumSum", "CumProd")
def cumulative(context: Context, x: Any, axis: Any) -> Any:
    """The sums or products of the numbers up to each one, with it or (``exclusive``) without it."""
    along, first = int(np.reshape(axis, ())), 0 if context.operator == "CumSum" else 1
    context.require(-x.ndim <= along < x.ndim, "no such axis", expected=f"an axis of {x.shape}", received=along)
    values = np.flip(x, along) if context["reverse"] else x
    function = np.cumsum if context.operator == "CumSum" else np.cumprod
    result = function(values, along, dtype=x.dtype)
    if context["exclusive"] and x.shape[along]:
        shifted = np.full_like(result, first)
        cut: list[Any] = [slice(None)] * x.ndim
        cut[along] = slice(1, None)
        source = list(cut)
        source[along] = slice(None, -1)
        shifted[tuple(cut)] = result[tuple(source)]
        result = shifted
    return np.flip(result, along) if context["reverse"] else result
