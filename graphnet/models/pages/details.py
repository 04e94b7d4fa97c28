"""What a page shows of each node: its class, where that comes from, settings, and pictures of its weights."""

from __future__ import annotations

import base64
import inspect
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer
from graphnet.core.distribution import NAME, VERSION
from graphnet.core.errors import GraphnetError
from graphnet.inspect.drawing import Drawing
from graphnet.plugins import manager

#: Bytes of all heat maps of a page together; the side of one; the bars of a histogram.
HEAT_BYTES, LARGEST_SIDE, BARS = 600_000, 40, 24
#: Characters of a docstring, and of a setting.
LONGEST_TEXT, LONGEST_SETTING = 4000, 200


def class_data(drawing: Drawing) -> dict[str, dict[str, str]]:
    """The classes of layers by name: docstring, distribution and version."""
    found: dict[str, dict[str, str]] = {}
    for box in drawing.walk():
        if box.layer is not None and box.kind not in found:
            found[box.kind] = {"doc": _doc(type(box.layer)), **_origin(type(box.layer))}
    return found


def _doc(kind: type[Layer]) -> str:
    return inspect.cleandoc(kind.__doc__ or "")[:LONGEST_TEXT]


def _origin(kind: type[Layer]) -> dict[str, str]:
    """The distribution that registered a class, and its version; of other classes, the module."""
    try:
        entry = manager().registry.entry_of(kind)
    except GraphnetError:
        if kind.__module__.startswith("graphnet."):
            return {"plugin": NAME, "version": VERSION}
        return {"module": kind.__module__}
    versions = {plugin.distribution: plugin.version for plugin in manager().plugins}
    return {"plugin": entry.distribution, "version": versions.get(entry.distribution, "")}


def node_data(drawing: Drawing) -> dict[str, dict[str, Any]]:
    """Settings and weights of the nodes by path; the weights of a shared layer are at its first use."""
    boxes = [box for box in drawing.walk() if box.layer is not None]
    own = [box for box in boxes if not box.shared and box.inner is None]
    count = sum(len(box.layer.params) for box in own if box.layer is not None)
    side = max(2, min(LARGEST_SIDE, math.isqrt(HEAT_BYTES // max(count, 1))))
    found: dict[str, dict[str, Any]] = {}
    for box in boxes:
        assert box.layer is not None
        data: dict[str, Any] = {"settings": dict(settings(box.layer))}
        if not box.shared and box.inner is None:
            data["bytes"] = sum(p.value.nbytes for p in box.layer.params.values())
            data["weights"] = [_weight(name, p.value, side) for name, p in box.layer.params.items()]
        found[box.path] = {key: value for key, value in data.items() if value}
    return found


def settings(layer: Layer) -> Iterator[tuple[str, str]]:
    """The settings of a layer that are short values, as text."""
    for name, value in layer.config().items():
        if isinstance(value, (bool, int, float, str, tuple, list, type(None))):
            yield name, repr(value)[:LONGEST_SETTING]


def _weight(name: str, value: Any, side: int) -> dict[str, Any]:
    """Shape, figures, histogram and heat map of an array; of arrays with several axes all but the last are rows."""
    array = np.asarray(value)
    data: dict[str, Any] = {"name": name, "shape": list(array.shape)}
    if not array.size or array.dtype.kind not in "fiu":
        return data
    numbers = array.astype(np.float64).reshape(-1, array.shape[-1] if array.ndim else 1)
    finite = numbers[np.isfinite(numbers)]
    if not finite.size:
        return data | {"finite": 0}
    low, high = float(finite.min()), float(finite.max())
    data |= {"low": _short(low), "high": _short(high), "mean": _short(finite.mean()), "std": _short(finite.std())}
    if finite.size < numbers.size:
        data["finite"] = int(finite.size)
    counts, _ = np.histogram(finite, BARS, (low, high if high > low else low + 1.0))
    reach = max(abs(low), abs(high)) or 1.0
    small = downsampled(numbers, side)
    return data | {"bars": counts.tolist(), "reach": _short(reach), "heat": heat(small, reach)}


def downsampled(numbers: Any, side: int) -> Any:
    """A matrix of at most ``side`` rows and columns: means of neighbouring entries, of the finite ones."""
    for axis in (0, 1):
        if numbers.shape[axis] > side:
            pieces = np.array_split(np.arange(numbers.shape[axis]), side)
            taken = [np.take(numbers, piece, axis=axis) for piece in pieces]
            masked = [np.ma.masked_invalid(piece).mean(axis=axis) for piece in taken]
            numbers = np.stack([np.ma.filled(piece, np.nan) for piece in masked], axis=axis)
    return numbers


def heat(numbers: Any, reach: float) -> dict[str, Any]:
    """A matrix as bytes in base64: 1 is -reach, 128 is 0, 255 is reach; 0 is a number that is not finite."""
    scaled = np.clip(np.nan_to_num(numbers / reach, nan=0.0), -1, 1) * 127 + 128
    levels = np.where(np.isfinite(numbers), np.rint(scaled), 0).astype(np.uint8)
    rows, columns = levels.shape
    return {"rows": rows, "columns": columns, "data": base64.b64encode(levels.tobytes()).decode()}


def _short(value: Any) -> float:
    return float(f"{float(value):.6g}")
