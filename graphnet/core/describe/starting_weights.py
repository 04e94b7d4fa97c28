"""The values that weights start at: drawn, or computed by initializers."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core import array_types, random
from graphnet.core.describe.parameter import Array, Weight
from graphnet.core.errors import RuleError


def fresh(spec: Weight, dtype: str) -> Array:
    """Return weights as they are before any initializer: uniform in [0, 1), or at the value that ``spec`` gives."""
    if spec.kind == "constant" or (spec.kind == "bias" and spec.value is not None):
        return np.full(spec.shape, 0.0 if spec.value is None else spec.value, dtype)
    array = random.generator().random(spec.shape).astype(dtype)
    if spec.bias_rows and spec.value is not None:
        array[-spec.bias_rows :] = spec.value
    return array


def initial(spec: Weight, weights_initializer: Any, bias_initializer: Any, where: str) -> Array:
    """Return the values of one weight array as two initializers give them.

    Raises
    ------
    RuleError
        If an initializer returns another shape, or anything but finite numbers.
    """
    if spec.kind == "constant":
        return np.full(spec.shape, 0.0 if spec.value is None else spec.value)
    if spec.kind == "bias":
        return _bias(spec, spec.shape, bias_initializer, where)
    rows = spec.bias_rows
    kernel = _from_initializer(weights_initializer, (spec.shape[0] - rows, *spec.shape[1:]), spec, where)
    if not rows:
        return kernel
    return np.concatenate([kernel, _bias(spec, (rows, *spec.shape[1:]), bias_initializer, where)])


def _bias(spec: Weight, shape: tuple[int, ...], initializer: Any, where: str) -> Array:
    if spec.value is not None:
        return np.full(shape, spec.value)
    return _from_initializer(initializer, shape, spec, where)


def _from_initializer(initializer: Any, shape: tuple[int, ...], spec: Weight, where: str) -> Array:
    """Return what an initializer gives for a shape; axes of size 1 may be missing, or be too many."""
    array = array_types.plain(initializer.initialize(shape, spec.fan_in, spec.fan_out), where)
    if tuple(n for n in array.shape if n != 1) != tuple(n for n in shape if n != 1) or array.dtype.kind not in "biuf":
        raise RuleError(
            f"initializer {type(initializer).__name__} returned an invalid value",
            where=where,
            expected=f"numbers of shape {shape}",
            received=f"{array.dtype} of shape {array.shape}",
        )
    if not np.isfinite(array).all():
        raise RuleError(
            f"initializer {type(initializer).__name__} returned NaN or infinity", where=where, expected="finite numbers"
        )
    return array.reshape(shape)
