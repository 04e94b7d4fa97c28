"""The last valid step of each row."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.layers.sequences import single, without_time


class Last(Layer):
    """``y_b = x[length_b - 1, b]``: ``(time, batch, …) -> (batch, …)``; zeros for a row of length 0.

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
        if lengths is None:
            return rows[-1], (x.shape, None)
        columns = np.arange(rows.shape[1])
        last = rows[lengths - 1, columns]
        return np.where((lengths > 0).reshape(-1, *[1] * (last.ndim - 1)), last, x.dtype.type(0)), (x.shape, lengths)

    def pull(self, saved: Any, error: Any) -> Any:
        shape, lengths = saved
        errors = np.zeros((shape[0], *error.shape), error.dtype)
        if lengths is None:
            errors[-1] = error
        else:
            present = np.flatnonzero(lengths > 0)
            errors[lengths[present] - 1, present] = error[present]
        return errors.reshape(shape)
