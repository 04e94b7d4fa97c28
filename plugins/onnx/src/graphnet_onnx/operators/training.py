"""The optimizers of the domain ai.onnx.preview.training."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet import ConfigError
from graphnet_onnx.operators.context import Context
from graphnet_onnx.operators.table import operator

PREVIEW = "ai.onnx.preview.training"


def _groups(arrays: tuple[Any, ...], kinds: int) -> list[tuple[Any, ...]]:
    """The arrays of each weight, from all weights, all gradients, and all moments of each kind."""
    count = len(arrays) // kinds
    return [arrays[i::count] for i in range(count)]


def _flat(results: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """All weights, then all moments of each kind."""
    return tuple(array for kind in zip(*results, strict=True) for array in kind)


@operator("Momentum", domain=PREVIEW)
def momentum(context: Context, rate: Any, step: Any, *arrays: Any) -> tuple[Any, ...]:
    """``v = alpha · v + beta · g``, then ``x - rate · v``, or Nesterov's ``x - rate · (g + alpha · v)``."""
    alpha, mode = context["alpha"], context["mode"]
    beta = context["beta"] if step > 0 else 1.0
    if mode not in ("standard", "nesterov"):
        raise context.failure("unknown mode", ConfigError, expected="standard or nesterov", received=mode)

    def updated(x: Any, g: Any, v: Any) -> tuple[Any, ...]:
        g = context["norm_coefficient"] * x + g
        v = alpha * v + beta * g
        return x - rate * (v if mode == "standard" else g + alpha * v), v

    return _flat([updated(*group) for group in _groups(arrays, 3)])


@operator("Adagrad", domain=PREVIEW)
def adagrad(context: Context, rate: Any, step: Any, *arrays: Any) -> tuple[Any, ...]:
    """``h = h + g²``, then ``x - rate / (1 + step · decay) · g / (√h + epsilon)``."""
    rate = rate / (1 + step * context["decay_factor"])

    def updated(x: Any, g: Any, h: Any) -> tuple[Any, ...]:
        g = context["norm_coefficient"] * x + g
        h = h + g * g
        return (x - rate * g / (np.sqrt(h) + context["epsilon"])).astype(x.dtype), h.astype(x.dtype)

    return _flat([updated(*group) for group in _groups(arrays, 3)])


@operator("Adam", domain=PREVIEW)
def adam(context: Context, rate: Any, step: Any, *arrays: Any) -> tuple[Any, ...]:
    """Adam with the moments v and h, with correction of their bias from the second step on."""
    alpha, beta = context["alpha"], context["beta"]
    if step > 0:
        rate = rate * np.sqrt(1 - beta**step) / (1 - alpha**step)

    def updated(x: Any, g: Any, v: Any, h: Any) -> tuple[Any, ...]:
        g = context["norm_coefficient"] * x + g
        v = alpha * v + (1 - alpha) * g
        h = beta * h + (1 - beta) * g * g
        new = x - rate * v / (np.sqrt(h) + context["epsilon"])
        new = (1 - context["norm_coefficient_post"]) * new
        return new.astype(x.dtype), v.astype(x.dtype), h.astype(x.dtype)

    return _flat([updated(*group) for group in _groups(arrays, 4)])
