"""Cases of the conformance kit: configurations of the layers, and inputs with axes of different sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
from graphnet.testing import Case

from graphnet_minimal_gated.scale import Scale
from graphnet_minimal_gated.swish import Swish
from graphnet_minimal_gated.unit import MinimalGated


def swish(x: Any) -> Any:
    """Return Swish, computed with the exponential function."""
    return x / (1 + np.exp(-x))


def swish_of_beta(x: Any) -> Any:
    """Return Swish with beta = 1.7."""
    return swish(1.7 * x) / 1.7


def scale(x: Any, *, weights: Any) -> Any:
    """Return the scaled input, as a product with a diagonal matrix."""
    return x @ np.diag(weights)


ROWS, STEPS = "batch=3, feature=4", "time=5, batch=3, feature=4"
INVALID: list[dict[str, Any]] = [{"beta": 0}, {"beta": -1.0}, {"beta": float("nan")}, {"beta": True}]

CASES = [
    Case(Swish, {}, ROWS, reference=swish, refused=INVALID),
    Case(Swish, {"beta": 1.7}, STEPS, reference=swish_of_beta),
    Case(Scale, {"size": 4}, ROWS, reference=scale, refused=[{"size": 0}, {"size": 2.5}]),
    Case(Scale, {"size": 4}, STEPS, reference=scale, name="Scale, sequence"),
    Case(MinimalGated, {"units": 2}, STEPS, refused=[{"units": 0}]),
    Case(MinimalGated, {"units": 2}, [STEPS, (3, 2)], name="MinimalGated, first state"),
]
