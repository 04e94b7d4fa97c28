"""Which leading axes of a value number its rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.shapes import BATCH, TIME, Shape


def kept(x: Shape) -> int:
    """How many leading axes stay where each row is rearranged: the batch, or time and batch."""
    return 2 if x.names[:2] == (TIME, BATCH) else 1


def valid(lengths: Any, steps: int, rank: int) -> Any:
    """True where a step of a row counts, ``(time, batch, 1, …)``, for a value of this rank."""
    return (np.arange(steps)[:, None] < lengths).reshape(steps, -1, *[1] * (rank - 2))
