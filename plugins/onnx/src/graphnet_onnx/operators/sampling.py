"""Operators that read images at real positions, and that select boxes."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

import numpy as np

from graphnet import ConfigError
from graphnet_onnx.operators.context import Context
from graphnet_onnx.operators.resizing import cubic, linear
from graphnet_onnx.operators.table import operator

_MODES = {"bilinear": "linear", "bicubic": "cubic"}


@operator("GridSample")
def grid_sample(context: Context, x: Any, grid: Any) -> Any:
    """The numbers at the positions of a grid, whose coordinates go from -1 to 1, the last axis first."""
    mode, padding = _MODES.get(context["mode"], context["mode"]), context["padding_mode"]
    context.require(mode in ("nearest", "linear", "cubic"), "unknown mode", received=mode)
    if padding not in ("zeros", "border", "reflection"):
        raise context.failure("unknown padding_mode", ConfigError, received=padding)
    sizes, corners = x.shape[2:], bool(context["align_corners"])
    context.require(grid.shape[-1] == len(sizes), "one coordinate for each axis", received=grid.shape)
    cells, weights = [], []
    for axis, size in enumerate(sizes):
        place = grid[..., len(sizes) - 1 - axis].astype(np.float64)
        place = (place + 1) / 2 * (size - 1) if corners else ((place + 1) * size - 1) / 2
        place = _inside(np.rint(place) if mode == "nearest" else place, size, padding, corners)
        reach = {"nearest": 0, "linear": 1, "cubic": 2}[mode]
        cell = np.floor(place)[..., None] + (np.arange(1 - reach, reach + 1) if reach else 0)
        distance = np.abs(cell - place[..., None])
        weight = cubic(distance, -0.75) if mode == "cubic" else linear(distance)
        cells.append(_inside(cell, size, padding, corners).astype(int))
        weights.append(np.ones_like(weight) if mode == "nearest" else weight)
    return _weighted(x, cells, weights).astype(x.dtype)


def _inside(place: Any, size: int, padding: str, corners: bool) -> Any:
    """Positions outside moved to the border, or reflected at it; as they are with zeros as padding."""
    if padding == "border":
        return np.clip(place, 0, size - 1)
    if padding == "zeros":
        return place
    low, high = (0.0, size - 1.0) if corners else (-0.5, size - 0.5)
    span = max(high - low, 1e-30)
    turns, rest = np.divmod(np.abs(place - low) + 0.0, span)
    below = place < low
    past = np.where(below, low + rest, low + rest)
    reflected = np.where(turns % 2 == 0, past, high - rest)
    return np.where((place < low) | (place > high), reflected, place)


def _weighted(x: Any, cells: list[Any], weights: list[Any]) -> Any:
    """The weighted sum over the cells around each position, with zeros for cells outside."""
    sizes, rows = x.shape[2:], np.arange(len(x)).reshape(-1, *([1] * (cells[0].ndim - 2)))
    result: Any = 0
    for choice in product(*(range(c.shape[-1]) for c in cells)):
        places = [c[..., k] for c, k in zip(cells, choice, strict=True)]
        factor: Any = 1
        for place, weight, size, k in zip(places, weights, sizes, choice, strict=True):
            factor = factor * weight[..., k] * ((place >= 0) & (place < size))
        index: Any = (rows, slice(None), *(np.clip(p, 0, n - 1) for p, n in zip(places, sizes, strict=True)))
        result = result + x[index] * factor[..., None]  # the channels come last
    return np.moveaxis(result, -1, 1)


@operator("RoiAlign")
def roi_align(context: Context, x: Any, rois: Any, rows: Any) -> Any:
    """For each box the means (or maxima) of bilinear samples in a grid of cells."""
    half = context.get("coordinate_transformation_mode", "output_half_pixel") == "half_pixel"
    boxes = rois * context["spatial_scale"] - (0.5 if half else 0.0)
    high, wide, ratio = int(context["output_height"]), int(context["output_width"]), int(context["sampling_ratio"])
    context.require(context["mode"] in ("avg", "max"), "unknown mode", expected="avg or max", received=context["mode"])
    result = np.zeros((len(rois), x.shape[1], high, wide), x.dtype)
    for number, (left, top, right, bottom) in enumerate(boxes.tolist()):
        spans = [bottom - top, right - left]
        if not half:
            spans = [max(span, 1.0) for span in spans]
        samples = [ratio if ratio > 0 else int(np.ceil(s / n)) for s, n in zip(spans, (high, wide), strict=True)]
        down, across = (
            start + (np.arange(n * k) + 0.5) * span / (n * k)
            for start, n, k, span in zip((top, left), (high, wide), samples, spans, strict=True)
        )
        corners = _corners(x[int(rows[number])], down, across)
        reduced = corners.max(0) if context["mode"] == "max" else corners.sum(0)
        grid = reduced.reshape(x.shape[1], high, samples[0], wide, samples[1])
        result[number] = grid.max((2, 4)) if context["mode"] == "max" else grid.mean((2, 4))
    return result


def _corners(image: Any, down: Any, across: Any) -> Any:
    """The four weighted neighbours of each sample; 0 more than one cell outside."""
    size = image.shape[1:]
    inside = ((down >= -1) & (down <= size[0]))[:, None] & ((across >= -1) & (across <= size[1]))[None]
    parts = []
    for place, n in zip((down, across), size, strict=True):
        place = np.clip(place, 0, n - 1)
        low = np.minimum(np.floor(place).astype(int), n - 1)
        parts.append(((low, 1 - (place - low)), (np.minimum(low + 1, n - 1), place - low)))
    return np.stack(
        [image[:, i][:, :, j] * (u[:, None] * v[None]) * inside for (i, u), (j, v) in product(parts[0], parts[1])]
    )


@operator("NonMaxSuppression")
def non_max_suppression(
    context: Context, boxes: Any, scores: Any, most: Any = None, overlap: Any = None, least: Any = None
) -> Any:
    """The boxes of the highest scores that do not overlap a better one too much, as ``(batch, class, box)``."""
    count = 0 if most is None else int(np.reshape(most, ()))
    limit = 0.0 if overlap is None else float(np.reshape(overlap, ()))
    corners = boxes.astype(np.float64)
    if context["center_point_box"]:
        centre, half = corners[..., :2], corners[..., 2:] / 2
        corners = np.concatenate([centre - half, centre + half], -1)
    low, high = np.minimum(corners[..., :2], corners[..., 2:]), np.maximum(corners[..., :2], corners[..., 2:])
    selected = []
    for row, group in np.ndindex(*scores.shape[:2]):
        chosen: list[int] = []
        for box in np.argsort(-scores[row, group], kind="stable"):
            if len(chosen) == count or (least is not None and scores[row, group, box] <= np.reshape(least, ())):
                break
            if all(_overlap(low[row], high[row], box, other) <= limit for other in chosen):
                chosen.append(int(box))
        selected += [(row, group, box) for box in chosen]
    return np.array(selected, np.int64).reshape(-1, 3)


def _overlap(low: Any, high: Any, a: int, b: int) -> float:
    """The intersection of two boxes over their union."""
    sides = np.minimum(high[a], high[b]) - np.maximum(low[a], low[b])
    if (sides <= 0).any():
        return 0.0
    shared = sides.prod()
    union = (high[a] - low[a]).prod() + (high[b] - low[b]).prod() - shared
    return float(shared / union) if union > 0 else 0.0


@operator("Col2Im")
def columns_to_image(context: Context, x: Any, image: Any, block: Any) -> Any:
    """The sum of blocks at their positions: the transpose of taking windows apart."""
    sizes, kernel = [int(n) for n in image], [int(n) for n in block]
    rank = len(sizes)
    strides, dilations = (list(context.get(k) or [1] * rank) for k in ("strides", "dilations"))
    pads = list(context.get("pads") or [0] * (2 * rank))
    full = [n + pads[i] + pads[rank + i] for i, n in enumerate(sizes)]
    counts = [(f - d * (k - 1) - 1) // s + 1 for f, d, k, s in zip(full, dilations, kernel, strides, strict=True)]
    columns = x.reshape(len(x), -1, *kernel, *counts)
    context.require(columns.shape[1] * prod(kernel) == x.shape[1], "the blocks do not fit", received=x.shape)
    result = np.zeros((*columns.shape[:2], *full), x.dtype)
    for cell in np.ndindex(*kernel):
        places: Any = tuple(
            slice(c * d, c * d + (n - 1) * s + 1, s)
            for c, d, n, s in zip(cell, dilations, counts, strides, strict=True)
        )
        result[(..., *places)] += columns[(slice(None), slice(None), *cell)]
    kept: Any = (..., *(slice(pads[i], pads[i] + n) for i, n in enumerate(sizes)))
    return result[kept]
