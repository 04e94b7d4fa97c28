"""What the layers ask of the numbers in their configuration."""

from __future__ import annotations

import math
from typing import Any


def whole(value: Any, least: int | None = None) -> bool:
    """Whether this is a whole number (True and False are none), and at least ``least``."""
    return isinstance(value, int) and not isinstance(value, bool) and (least is None or value >= least)


def finite(value: Any) -> bool:
    """Whether this is a number (True and False are none) that is neither NaN nor infinite."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
