"""Checks of the layers' configuration."""

from __future__ import annotations

import math

from graphnet import Layer
from graphnet.authoring import require


def finite(layer: Layer, field: str, low: float = -math.inf) -> None:
    """Require a finite number, at least ``low``.

    Raises
    ------
    ConfigError
        Naming the layer, the field and what it holds.
    """
    value = getattr(layer, field)
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    expected = "a finite number" if math.isinf(low) else f"a finite number of at least {low:g}"
    require(number and value >= low, layer, field, expected)
