"""Comparisons and logic."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet_onnx.operators.context import Context
from graphnet_onnx.operators.elementwise import aligned
from graphnet_onnx.operators.table import operator

FUNCTIONS: dict[str, Any] = {
    "And": np.logical_and,
    "Equal": np.equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Or": np.logical_or,
    "Xor": np.logical_xor,
}


@operator(*FUNCTIONS)
def compare(context: Context, a: Any, b: Any) -> Any:
    """A comparison or a logical function of two arrays."""
    return FUNCTIONS[context.operator](a, aligned(context, a, b))


@operator("Where")
def where(context: Context, condition: Any, a: Any, b: Any) -> Any:
    """``a`` where the condition holds, else ``b``."""
    return np.where(condition, a, b)
