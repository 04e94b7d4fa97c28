"""Checks of the numbers in the configuration of a layer."""

from __future__ import annotations

import math
from typing import Any


def finite(value: Any) -> bool:
    """Whether this is a finite number; a boolean is not a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
