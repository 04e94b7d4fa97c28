"""Resize and Upsample: interpolation along one axis after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphnet import ConfigError
from graphnet_onnx.operators.context import Context
from graphnet_onnx.operators.creation import limited
from graphnet_onnx.operators.shapes import axis_of
from graphnet_onnx.operators.table import operator


@operator("Upsample")
def upsample(context: Context, x: Any, scales: Any = None) -> Any:
    """The nearest number to the left, or linear interpolation; the scales are an attribute before opset 9."""
    given = context["scales"] if scales is None else scales
    return _resized(context, x, [float(s) for s in given], None, list(range(x.ndim)), None)


@operator("Resize")
def resize(context: Context, x: Any, *inputs: Any) -> Any:
    """Other sizes, given as scales or as sizes, by the nearest number, linear or cubic interpolation."""
    given = [None, *inputs, None] if context.opset < 11 else [*inputs, None, None, None][:3]
    roi, scales, sizes = given
    axes = [axis_of(context, x.ndim, a) for a in context.get("axes") or range(x.ndim)]
    scales = None if scales is None or not scales.size else [float(s) for s in scales]
    sizes = None if sizes is None or not sizes.size else [int(n) for n in sizes]
    context.require((scales is None) != (sizes is None), "either scales or sizes must be given")
    count = len(scales if sizes is None else sizes)  # type: ignore[arg-type]
    context.require(count == len(axes), "one scale or size for each axis", expected=len(axes), received=count)
    if sizes is not None:
        scales, sizes = _scales(context, x, sizes, axes)
    return _resized(context, x, scales or [], sizes, axes, roi)


def _scales(context: Context, x: Any, sizes: list[int], axes: list[int]) -> tuple[list[float], list[int]]:
    """The scales of given sizes, and the sizes that keep the proportions."""
    scales = [n / x.shape[axis] for n, axis in zip(sizes, axes, strict=True)]
    policy = context.get("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return scales, sizes
    context.require(policy in ("not_larger", "not_smaller"), "unknown keep_aspect_ratio_policy", received=policy)
    scale = (min if policy == "not_larger" else max)(scales)
    return [scale] * len(axes), [int(scale * x.shape[axis] + 0.5) for axis in axes]


def _resized(
    context: Context, x: Any, scales: Sequence[float], sizes: list[int] | None, axes: list[int], roi: Any
) -> Any:
    limited(context, [int(n * s) for n, s in zip((x.shape[a] for a in axes), scales, strict=True)])
    result = x.astype(np.float64)
    outside: Any = False
    for position, (axis, scale) in enumerate(zip(axes, scales, strict=True)):
        context.require(scale > 0, "scales must be positive", received=scale)
        size = int(x.shape[axis] * scale) if sizes is None else sizes[position]
        part = (0.0, 1.0) if roi is None or not roi.size else (float(roi[position]), float(roi[position + len(axes)]))
        if scale == 1 and size == x.shape[axis] and part == (0.0, 1.0):
            continue
        places = _places(context, x.shape[axis], size, scale, part)
        result = _interpolated(context, result, axis, places, scale)
        if context.get("coordinate_transformation_mode") == "tf_crop_and_resize":
            beyond = (places < 0) | (places > x.shape[axis] - 1)
            outside = outside | beyond.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    if np.any(outside):
        result = np.where(outside, context["extrapolation_value"], result)
    return np.rint(result).astype(x.dtype) if x.dtype.kind in "iu" else result.astype(x.dtype)


def _places(context: Context, size: int, wanted: int, scale: float, part: tuple[float, float]) -> Any:
    """The real position in the input of each number of the output."""
    mode = context.get("coordinate_transformation_mode", "asymmetric")
    steps, exact = np.arange(wanted, dtype=np.float64), scale * size
    start, end = part
    if mode == "asymmetric":
        return steps / scale
    if mode == "align_corners":
        return steps * 0 if exact == 1 else steps * (size - 1) / (exact - 1)
    if mode == "tf_crop_and_resize":
        if exact == 1:
            return np.full(wanted, (start + end) * (size - 1) / 2)
        return start * (size - 1) + steps * (end - start) * (size - 1) / (exact - 1)
    if mode == "tf_half_pixel_for_nn":
        return (steps + 0.5) / scale
    if mode == "pytorch_half_pixel" and exact == 1:
        return steps * 0 - 0.5
    if mode == "half_pixel_symmetric":
        return size / 2 * (1 - wanted / exact) + (steps + 0.5) / scale - 0.5
    if mode not in ("half_pixel", "pytorch_half_pixel"):
        raise context.failure("unknown coordinate_transformation_mode", ConfigError, received=mode)
    return (steps + 0.5) / scale - 0.5


#: What rounds a real position to that of the nearest number.
ROUND: dict[str, Any] = {
    "ceil": np.ceil,
    "floor": np.floor,
    "round_prefer_ceil": lambda p: np.floor(p + 0.5),
    "round_prefer_floor": lambda p: np.ceil(p - 0.5),
}


def _interpolated(context: Context, x: Any, axis: int, places: Any, scale: float) -> Any:
    size, mode = x.shape[axis], context["mode"]
    if mode == "nearest":
        rounding = context.get("nearest_mode", "floor")
        if rounding not in ROUND:
            raise context.failure("unknown nearest_mode", ConfigError, expected=", ".join(ROUND), received=rounding)
        return np.take(x, np.clip(ROUND[rounding](places), 0, size - 1).astype(int), axis)
    if mode not in ("linear", "cubic", "bilinear"):
        raise context.failure("unknown mode", ConfigError, expected="nearest, linear or cubic", received=mode)
    stretch = min(scale, 1.0) if context.get("antialias", 0) else 1.0
    reach = int(np.ceil((2 if mode == "cubic" else 1) / stretch))
    cells = np.floor(places).astype(int)[:, None] + np.arange(1 - reach, reach + 1)
    distances = np.abs(cells - places[:, None]) * stretch
    weights = cubic(distances, context.get("cubic_coeff_a", -0.75)) if mode == "cubic" else linear(distances)
    if context.get("exclude_outside", 0):
        weights = weights * ((cells >= 0) & (cells < size))
    total = weights.sum(1, keepdims=True)
    weights = weights / np.where(total == 0, 1, total)
    matrix = np.zeros((len(places), size))
    np.add.at(matrix, (np.arange(len(places))[:, None], np.clip(cells, 0, size - 1)), weights)
    return np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)


def linear(distance: Any) -> Any:
    """The weight of a number at a distance, for linear interpolation."""
    return np.maximum(1 - distance, 0)


def cubic(distance: Any, a: float) -> Any:
    """The weight of a number at a distance, for cubic convolution (Keys 1981)."""
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((distance - 5) * distance + 8) * distance * a - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0))
