"""What is traced: a plan, its shapes, and which of its inputs need an error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from graphnet.core.compile.plan import Plan, Shapes
from graphnet.core.describe.layer import Layer
from graphnet.core.phase import Phase


@dataclass(frozen=True)
class TraceSpec:
    """A plan of Calls to trace.

    Attributes
    ----------
    roles : tuple of (str, int)
        The leaf that each input of the plan becomes: sequence, state or context, and its number.
    wanted : tuple of bool
        Which inputs need an error.
    emitted : int
        The number of outputs of the plan that are emitted; the others are the next states.
    backward : bool
        Whether to trace the backward pass, too.
    copy_states : bool
        Whether to run :mod:`graphnet.core.compile.passes.copy_states`.
    row_axes : int or None
        The number of first axes that are rows; the others are inner axes. None: all but the last.
    """

    plan: Plan
    shapes: Shapes
    layers: Mapping[str, Layer]
    phase: Phase
    dtype: str
    roles: tuple[tuple[str, int], ...]
    wanted: tuple[bool, ...]
    emitted: int
    backward: bool
    copy_states: bool = False
    row_axes: int | None = None

    @property
    def rows(self) -> int:
        """Rows of a step."""
        shape = self.shapes.slots[0]
        if shape is None:
            return 1
        axes = shape.rank - 1 if self.row_axes is None else self.row_axes
        return math.prod(n or 0 for n in shape.sizes[:axes])
