"""The inner axes of a Scan's arrays: a program has one axis of units, and the caller's arrays may have several."""

from __future__ import annotations

import math
from typing import Any

from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Loop
from graphnet.core.describe.parameter import Array


class ScanAxes:
    """The sizes of the inner axes of a step of each array.

    Parameters
    ----------
    step : Loop
    cell : Shapes
        Of its cell.

    Attributes
    ----------
    sequences, states, contexts, outputs : list of tuple of int
    several : bool
        Whether any has several inner axes, or none.
    """

    def __init__(self, step: Loop, cell: Shapes) -> None:
        def sizes(slot: int) -> tuple[int, ...]:
            shape = cell.slots[slot]
            return () if shape is None else tuple(n or 0 for n in shape.sizes[1:])

        inputs = [sizes(slot) for slot in range(len(step.sequences) + len(step.initial) + len(step.contexts))]
        first, second = len(step.sequences), len(step.sequences) + len(step.initial)
        self.sequences, self.states, self.contexts = inputs[:first], inputs[first:second], inputs[second:]
        self.outputs = [sizes(slot) for _, slot in step.cell.outputs[: len(step.outputs)]]
        self.several = any(len(inner) != 1 for inner in (*inputs, *self.outputs))


def with_units(array: Array, leading: int) -> Array:
    """An array with its inner axes, those behind the leading ones, as one."""
    return (
        array if array.ndim == leading + 1 else array.reshape(*array.shape[:leading], math.prod(array.shape[leading:]))
    )


def with_inner(array: Any, inner: tuple[int, ...]) -> Any:
    """An array whose last axis has units, with inner axes instead; None stays None."""
    return array if array is None or len(inner) == 1 else array.reshape(*array.shape[:-1], *inner)
