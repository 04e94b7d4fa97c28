"""What a contender is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


class Unavailable(Exception):
    """The library is there and has no such layer, dtype or pass."""


@dataclass(frozen=True)
class Contender:
    """One library's version of one problem.

    Attributes
    ----------
    forward : callable
        The outputs ``(time, batch, units)``, nothing kept for a backward pass.
    step : callable or None
        Forward, then backward to the error for ``x`` and the gradients of all weights; returns what ``read`` wants.
    read : callable or None
        Those gradients by name, with the error under ``x``: outside the time that is measured.
    """

    forward: Callable[[], Any]
    step: Callable[[], Any] | None = None
    read: Callable[[Any], dict[str, np.ndarray]] | None = None
