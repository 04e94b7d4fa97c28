"""``m_t = max(f_t + m_{t-1}, i_t)``, elementwise: the stabiliser of exponential gates."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet.core.operations import Operations
from graphnet.core.recurrences.order import FORWARD, Order, Steps, summed

Array = Any


@dataclass(frozen=True, slots=True)
class MaxPlusErrors:
    """The errors of the arguments of :func:`max_plus`; None for those not wanted."""

    f: Array | None
    i: Array | None
    initial: Array | None


class MaxPlusStates:
    """The states of :func:`max_plus`, as :class:`~graphnet.core.recurrences.DiagonalStates` has them."""

    def __init__(self, steps: Steps, f: Array, i: Array, initial: Array | None, operations: Operations | None) -> None:
        self._steps, self._f, self._i, self._initial, self._operations = steps, f, i, initial, operations
        added, least = steps.enter(f), steps.enter(i, -np.inf)
        inner = np.broadcast_shapes(f.shape[2:], i.shape[2:], () if initial is None else initial.shape[1:])
        self._states = states = steps.allocate(i, steps.count + 1, *inner)
        states[:, 0] = 0 if initial is None else initial
        #: Where the state before was the larger one, in the order of processing.
        self._held = held = np.empty((steps.batch, steps.count, *inner), bool)
        added, least = steps.whole(added), steps.whole(least)
        for t in range(steps.count):
            carried = added[:, t] + states[:, t]
            np.greater_equal(carried, least[:, t], held[:, t])
            np.maximum(carried, least[:, t], out=states[:, t + 1])
        self.final: Array = states[:, -1].copy()

    @property
    def after(self) -> Array:
        """The state after each step, (batch, steps, *inner); it may be a view, and must not be changed."""
        return self._shown(self._states[:, 1:])

    @property
    def before(self) -> Array:
        """The state before each step; a view likewise."""
        return self._shown(self._states[:, :-1])

    def _shown(self, states: Array) -> Array:
        return self._steps.leave(states if self._steps.ended is None else states.copy("K"))

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
        steps, states, held = self._steps, self._states, self._held
        after, before = steps.enter(after), steps.enter(before)
        carried, other = np.empty_like(states[:, 1:]), np.empty_like(states[:, 1:])
        error = np.zeros_like(states[:, 0])
        if final is not None:
            error += final
        for t in reversed(range(steps.count)):
            if after is not None:
                error = error + after[:, t]
            carried[:, t] = np.where(held[:, t], error, 0)
            other[:, t] = np.where(held[:, t], 0, error)
            error = carried[:, t] if before is None else carried[:, t] + before[:, t]
        first = None
        if "initial" not in without and self._initial is not None:
            first = summed(error, self._initial.shape)
            first = first.copy() if first is error else first
        own = None if "f" in without else steps.error(carried, self._f)
        return MaxPlusErrors(own, None if "i" in without else steps.error(other, self._i), first)


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
