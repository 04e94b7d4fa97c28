"""What holds for a bound plan, and for one pass through it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from graphnet.core.layer import Layer
from graphnet.core.parameter import Array
from graphnet.core.phase import Phase


@dataclass(slots=True)
class Setting:
    """What holds for a whole bound plan: the layers, the phase and the dtype."""

    layers: Mapping[str, Layer]
    phase: Phase
    dtype: str


@dataclass(slots=True)
class Run:
    """One pass: the arrays of each layer, the row lengths of each input, and the gradients as they add up."""

    arrays: Mapping[str, dict[str, Array]]
    lengths: list[Array | None]
    keep: bool = True
    gradients: dict[str, dict[str, Array]] = field(default_factory=dict)
