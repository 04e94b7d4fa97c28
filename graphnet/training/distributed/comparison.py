"""The check that a batch divided over several ranks gives what one process computes for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ConfigError


@dataclass(frozen=True)
class Result:
    """The loss of a batch, the gradients of all weights, and the buffers after it."""

    loss: float
    gradients: Mapping[str, Array]
    buffers: Mapping[str, Array]


class Comparison:
    """Finds layers and losses that combine rows of a batch in a way that is not a sum over rows.

    Rounding differs: numbers may differ by a share of the largest one of their array, or of a hundredth of the largest
    of all arrays.

    Parameters
    ----------
    size : int
        The number of ranks, for the message.
    """

    #: The share, by the dtype of the array.
    TOLERANCES: ClassVar[Mapping[str, float]] = {"float64": 1e-7, "float32": 1e-2}

    def __init__(self, size: int) -> None:
        self.size = size

    def check(self, expected: Result, received: Result) -> None:
        """Compare what one process and what all ranks have computed for one batch.

        Raises
        ------
        ConfigError
            That names the first array that differs.
        """
        pairs = [
            *((f"the gradient of {path}", g, received.gradients.get(path)) for path, g in expected.gradients.items()),
            *((f"the buffer {path}", b, received.buffers.get(path)) for path, b in expected.buffers.items()),
        ]
        gradients = [np.abs(g).max(initial=0.0) for g in expected.gradients.values()]
        floor = float(max(gradients, default=0.0)) / 100
        dtype = next(iter(expected.gradients.values())).dtype if gradients else np.dtype("float64")
        loss = np.array([expected.loss], dtype), np.array([received.loss], dtype)
        if np.isfinite(loss[0]).all() and self._differs(*loss, 0.0):
            raise self._error("the loss", *loss)
        for name, one, several in pairs:
            if several is not None and np.isfinite(one).all() and self._differs(one, several, floor):
                raise self._error(name, one, several)

    def _differs(self, one: Array, several: Array, floor: float) -> bool:
        scale = max(float(np.abs(one).max(initial=0.0)), floor)
        allowed = self.TOLERANCES.get(one.dtype.name, 1e-2) * scale
        return bool(np.abs(one - several).max(initial=0.0) > allowed)

    def _error(self, name: str, one: Array, several: Array) -> ConfigError:
        place = np.unravel_index(int(np.argmax(np.abs(one - several))), one.shape)
        at = f" at {[int(i) for i in place]}" if one.ndim and one.size > 1 else ""
        return ConfigError(
            f"{name} is not a sum over the rows of a batch: {self.size} ranks do not compute what one process does",
            where="DataParallel, first batch",
            expected=f"{one[place]:.6g}{at}, as in one process",
            received=f"{several[place]:.6g}",
            remedy="A layer or a loss combines rows of a batch: train in one process; or accept another result by "
            "DataParallel(..., verify=False).",
        )
