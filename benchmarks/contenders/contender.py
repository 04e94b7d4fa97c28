"""The interface of a contender."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


class Unavailable(Exception):
    """The library is installed but does not support the layer, dtype or pass."""


@dataclass(frozen=True)
class Contender:
    """One library's implementation of one problem.

    Attributes
    ----------
    forward : callable
        Returns the outputs ``(time, batch, units)`` and saves nothing for a backward pass.
    step : callable or None
        Runs a forward pass and a backward pass to the error for ``x`` and all weight gradients; returns the input of
        ``read``.
    read : callable or None
        Returns those gradients by name, and the error as ``x``; not timed.
    """

    forward: Callable[[], Any]
    step: Callable[[], Any] | None = None
    read: Callable[[Any], dict[str, np.ndarray]] | None = None
