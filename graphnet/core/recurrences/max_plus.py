"""``m_t = max(f_t + m_{t-1}, i_t)``, elementwise: the stabiliser of exponential gates."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet.core.operations import Operation, Operations, offered
from graphnet.core.recurrences.elementwise import ElementwiseStates
from graphnet.core.recurrences.order import FORWARD, Order, Steps, summed

Array = Any


@dataclass(frozen=True, slots=True)
class MaxPlusErrors:
    """The errors of the arguments of :func:`max_plus`; None for those not wanted."""

    f: Array | None
    i: Array | None
    initial: Array | None


class MaxPlusStates(ElementwiseStates):
    """The states of :func:`max_plus`."""

    def __init__(self, steps: Steps, f: Array, i: Array, initial: Array | None, operations: Operations | None) -> None:
        self._steps, self._f, self._i, self._initial, self._operations = steps, f, i, initial, operations
        self._added, self._least = steps.enter(f), steps.enter(i, -np.inf)
        inner = np.broadcast_shapes(f.shape[2:], i.shape[2:], () if initial is None else initial.shape[1:])
        self._states = states = steps.allocate(i, steps.count + 1, *inner)
        states[:, 0] = 0 if initial is None else initial
        #: The state after the last step of each row.
        self.final: Array = states[:, 0].copy()
        arrays = {"f": self._added, "i": self._least, "m": self.final, "after": states[:, 1:]}
        if not offered(operations, Operation.ELEMENTWISE_RECURRENCE, "max plus", arrays):
            added, least = steps.whole(self._added), steps.whole(self._least)
            for t in range(steps.count):
                np.maximum(added[:, t] + states[:, t], least[:, t], out=states[:, t + 1])
            self.final = states[:, -1].copy()

    def pull(
        self,
        after: Array | None = None,
        before: Array | None = None,
        final: Array | None = None,
        without: Collection[str] = (),
    ) -> MaxPlusErrors:
        """The errors of the arguments.

        Parameters
        ----------
        after, before : array (batch, steps, *inner), optional
            Errors of the states after and before each step.
        final : array (batch, *inner), optional
            The error of the final state.
        without : collection of {'f', 'i', 'initial'}
            What is not wanted.

        Returns
        -------
        MaxPlusErrors
        """
        steps, states = self._steps, self._states
        after, before = steps.enter(after), steps.enter(before)
        error = np.zeros_like(states[:, 0]) if final is None else np.array(final)
        carried, other = (steps.allocate(states, steps.count, *states.shape[2:]) for _ in range(2))
        arrays = {"f": self._added, "i": self._least, "before": states[:, :-1], "after error": after}
        arrays |= {"before error": before, "f error": carried, "i error": other}
        timed = {name: array[:, ::-1] for name, array in arrays.items() if array is not None}
        if not offered(self._operations, Operation.ELEMENTWISE_RECURRENCE, "max plus error", timed | {"e": error}):
            error = self._run_back(after, before, error, carried, other)
        first = None
        if "initial" not in without and self._initial is not None:
            first = summed(error, self._initial.shape)
        own = None if "f" in without else steps.error(carried, self._f)
        return MaxPlusErrors(own, None if "i" in without else steps.error(other, self._i), first)

    def _run_back(self, after: Array | None, before: Array | None, error: Array, carried: Array, other: Array) -> Array:
        """Fill the errors of f and i; returns that of the initial state."""
        steps = self._steps
        held = steps.whole(self._added) + self._states[:, :-1] >= steps.whole(self._least)
        for t in reversed(range(steps.count)):
            if after is not None:
                error = error + after[:, t]
            carried[:, t] = np.where(held[:, t], error, 0)
            other[:, t] = np.where(held[:, t], 0, error)
            error = carried[:, t] if before is None else carried[:, t] + before[:, t]
        return np.array(error)


def max_plus(
    f: Array, i: Array, initial: Array | None = None, order: Order = FORWARD, operations: Operations | None = None
) -> MaxPlusStates:
    """``m_t = max(f_t + m_{t-1}, i_t)`` for all steps; where the two are equal, the carried state gets the error.

    Parameters
    ----------
    f, i : array (batch or 1, steps or 1, *inner)
        ``inner`` may have any rank, the same for both; sizes of 1 are repeated.
    initial : array (batch or 1, *inner), optional
        The state before the first step; zeros if missing. It may be -inf.
    order : Order
    operations : Operations, optional

    Returns
    -------
    MaxPlusStates
    """
    return MaxPlusStates(Steps(order, (f, i)), f, i, initial, operations)
