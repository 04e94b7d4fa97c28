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

    @property
    def rows(self) -> int:
        """Rows of a step."""
        shape = self.shapes.slots[0]
        return 1 if shape is None else math.prod(n or 0 for n in shape.sizes[:-1])
