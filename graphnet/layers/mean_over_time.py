"""The mean over the valid steps of each row."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.layers.rows import valid
from graphnet.layers.sequences import single, without_time


class MeanOverTime(Layer):
    """``y_b = Σ_t x[t, b] / length_b`` over the valid steps, ``(batch, …)``; zeros for an empty row.

    Without lengths all steps are valid. One sequence ``(time, feature)`` gives ``(1, feature)``.

    Raises
    ------
    ShapeError
        If time is the only axis of the input.
    """

    def infer(self, x: Shape) -> Shape:
        return without_time(x, self)

    def apply(self, x: Any, *, lengths: Any, shapes: Any) -> tuple[Any, Any]:
        rows = x[:, None] if single(shapes[0]) else x
        steps = rows.shape[0]
        if lengths is None:
            return rows.sum(0) / steps, (x.shape, steps, None)
        mask = valid(lengths, steps, rows.ndim)
        counts = np.maximum(lengths, 1).astype(x.dtype).reshape(-1, *[1] * (rows.ndim - 2))
        return np.where(mask, rows, x.dtype.type(0)).sum(0) / counts, (x.shape, counts, mask)

    def pull(self, saved: Any, error: Any) -> Any:
        shape, counts, mask = saved
        errors = np.broadcast_to(error / counts, (shape[0], *error.shape))
        return (errors if mask is None else np.where(mask, errors, error.dtype.type(0))).reshape(shape)
