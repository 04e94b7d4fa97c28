"""What a bound plan keeps from a pass, so that the next one need not begin from nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.parameter import Array, Parameter
from graphnet.core.run.context import RunContext
from graphnet.core.run.layer_arrays import LayerArrays, WatchedArrays
from graphnet.core.run.numpy_backend.direct import DirectPlan
from graphnet.core.run.reference.plan import BoundPlan


class Kept:
    """What a bound plan keeps from a pass for the next one.

    Attributes
    ----------
    run : RunContext
    arrays : WatchedArrays
        The arrays of ``run``.
    direct : DirectPlan or None
        What runs these passes, if they can be direct.
    """

    __slots__ = ("_other", "_reached", "arrays", "direct", "run")

    def __init__(self, run: RunContext, arrays: WatchedArrays, direct: DirectPlan | None) -> None:
        self.run, self.arrays, self.direct = run, arrays, direct
        #: The parameters to which a direct pass brings gradients, and all others.
        self._reached: list[Parameter] = []
        self._other: list[Parameter] = []
        if direct is not None:
            parameters = arrays.parameters()
            self._reached = [parameters.pop(key) for key in direct.keys]
            self._other = [*parameters.values()]

    def use_weights(self, bound: Any) -> bool:
        """Let the next pass use the present weights; False if it cannot go on from what was kept."""
        replaced, direct = self.arrays.update(), self.direct
        if replaced is None:
            return False
        if direct is not None:
            if replaced or direct.again or direct.run is not self.run:
                direct.load(self.run)
        elif replaced:
            bound.start(self.run)
            bound.kept = self
        return True

    def set_gradients(self, gradients: list[Array | None]) -> None:
        """Set the gradients of all parameters, from those of a direct pass; None stands for zeros."""
        for parameter, gradient in zip(self._reached, gradients, strict=True):
            value = parameter.value
            if gradient is None:
                gradient = np.zeros_like(value)
            parameter.gradient = gradient if gradient.dtype is value.dtype else gradient.astype(value.dtype, copy=False)
        for parameter in self._other:
            parameter.gradient = np.zeros_like(parameter.value)


def keep_for_repetition(bound: Any, run: RunContext, layer_arrays: LayerArrays) -> bool:
    """Keep what the next pass in a bound plan needs to repeat this one; whether that is possible."""
    if not isinstance(bound, BoundPlan) or not bound.repeatable(run.keep):
        return False
    arrays = layer_arrays.watched(run.arrays)
    if arrays is None:
        return False
    bound.kept = Kept(run, arrays, bound.direct(run.keep))
    return True
