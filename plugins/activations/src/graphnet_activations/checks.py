"""Checks of the configuration of layers."""

from __future__ import annotations

import math

from graphnet import Layer
from graphnet.authoring import require


def require_finite(layer: Layer, field: str, low: float = -math.inf) -> None:
    """Require that a field is a finite number of at least ``low``.

    Raises
    ------
    ConfigError
        With the layer, the field and its value.
    """
    value = getattr(layer, field)
    is_finite = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    expected = "a finite number" if math.isinf(low) else f"a finite number of at least {low:g}"
    require(is_finite and value >= low, layer, field, expected)
