"""``s_t = a_t ∘ s_{t-1} + b_t``, elementwise."""

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
class DiagonalErrors:
    """The errors of the arguments of :func:`diagonal`; None for those not wanted."""

    a: Array | None
    b: Array | None
    initial: Array | None


class DiagonalStates(ElementwiseStates):
    """The states of :func:`diagonal`."""

    def __init__(self, steps: Steps, a: Array, b: Array, initial: Array | None, operations: Operations | None) -> None:
        self._steps, self._a, self._b, self._initial, self._operations = steps, a, b, initial, operations
        entered = steps.enter(a, 1.0)
        added = steps.enter(b)
        inner = np.broadcast_shapes(a.shape[2:], b.shape[2:], () if initial is None else initial.shape[1:])
        self._decay = entered
        #: The states before and after all steps in the order of processing, (batch, steps + 1, *inner).
        self._states = states = steps.allocate(b, steps.count + 1, *inner)
        states[:, 0] = 0 if initial is None else initial
        #: The state after the last step of each row.
        self.final: Array = states[:, 0].copy()
        arrays = {"a": entered, "b": added, "s": self.final, "after": states[:, 1:]}
        if not offered(operations, Operation.ELEMENTWISE_RECURRENCE, "diagonal", arrays):
            states[:, 1:] = added
            run(steps.whole(entered), states)
            self.final = states[:, -1].copy()

    def pull(
        self,
        after: Array | None = None,
        before: Array | None = None,
        final: Array | None = None,
        without: Collection[str] = (),
    ) -> DiagonalErrors:
        """The errors of the arguments.

        Parameters
        ----------
        after, before : array (batch, steps, *inner), optional
            Errors of the states after and before each step.
        final : array (batch, *inner), optional
            The error of the final state.
        without : collection of {'a', 'b', 'initial'}
            What is not wanted.

        Returns
        -------
        DiagonalErrors
        """
        steps, states = self._steps, self._states
        after, before = steps.enter(after), steps.enter(before)
        error = np.zeros_like(states[:, 0]) if final is None else np.array(final)
        own = None
        found = self._native(after, before, error, "a" not in without)
        if found is None:
            # errors[:, t] is that of the state before step t; the last is that of the final state.
            errors = np.zeros_like(states)
            if after is not None:
                errors[:, 1:] = after
            if before is not None:
                errors[:, :-1] += before
            errors[:, -1] += error
            run(steps.whole(self._decay)[:, ::-1], errors[:, ::-1])
            added, error = errors[:, 1:], errors[:, 0].copy()
            if "a" not in without:
                own = steps.error(added * states[:, :-1], self._a)
        else:
            added, own = found
        first = None
        if "initial" not in without and self._initial is not None:
            first = summed(error, self._initial.shape)
        return DiagonalErrors(own, None if "b" in without else steps.error(added, self._b), first)

    def _native(
        self, after: Array | None, before: Array | None, error: Array, decay: bool
    ) -> tuple[Array, Array | None] | None:
        """The errors of b and a by an operation of the backend, which also changes that of the state; None without."""
        if self._operations is None:
            return None
        steps, states = self._steps, self._states
        inner = states.shape[2:]
        added = steps.allocate(states, steps.count, *inner)
        timed: dict[str, Any] = {"a": self._decay, "after error": after, "before error": before, "b error": added}
        total = own = None
        if decay:
            timed["before"] = states[:, :-1]
            if steps.ended is None and timed["a"].shape[1] == 1:
                total = np.zeros_like(error)
            else:
                own = timed["a error"] = steps.allocate(states, steps.count, *inner)
        arrays = {name: array[:, ::-1] for name, array in timed.items() if array is not None} | {"e": error}
        if total is not None:
            arrays["a sum"] = total
        if not offered(self._operations, Operation.ELEMENTWISE_RECURRENCE, "diagonal error", arrays):
            return None
        if total is not None:
            return added, summed(total[:, None], self._a.shape)
        return added, None if own is None else steps.error(own, self._a)


def diagonal(
    a: Array, b: Array, initial: Array | None = None, order: Order = FORWARD, operations: Operations | None = None
) -> DiagonalStates:
    """``s_t = a_t ∘ s_{t-1} + b_t`` for all steps.

    Parameters
    ----------
    a, b : array (batch or 1, steps or 1, *inner)
        ``inner`` may have any rank, the same for both; sizes of 1 are repeated.
    initial : array (batch or 1, *inner), optional
        The state before the first step; zeros if missing.
    order : Order
    operations : Operations, optional

    Returns
    -------
    DiagonalStates
    """
    return DiagonalStates(Steps(order, (a, b)), a, b, initial, operations)


#: Numbers of a state up to which a loop over all steps takes longer than one over chunks of that many steps, and the
#: numbers of the chunks that are computed at once.
NARROW, CHUNK, BLOCK = 4096, 32, 1 << 17


def run(a: Array, states: Array) -> None:
    """``states[:, t + 1] += a[:, t] * states[:, t]`` for all t in turn."""
    product = np.empty((states.shape[0], *states.shape[2:]), states.dtype)
    for t in range(_run_chunks(a, states), a.shape[1]):
        np.multiply(a[:, t], states[:, t], product)
        states[:, t + 1] += product


def _run_chunks(a: Array, states: Array) -> int:
    """Run as many steps as possible in chunks; returns their number.

    All chunks of a block begin with a state of 0; then ``s_t = s_t + a_t … a_1 s_0`` with the state before each chunk.
    """
    steps, width = a.shape[1], states[:, 0].size
    count = min(steps // CHUNK, BLOCK // max(1, width * CHUNK))
    if not 0 < width <= NARROW or count < CHUNK:
        return 0
    start, length = 0, count * CHUNK
    with np.errstate(all="ignore"):
        while start + length <= steps:
            own = states[:, start + 1 : start + 1 + length]
            decay, own = (x.reshape(len(x), count, CHUNK, *x.shape[2:]) for x in (a[:, start : start + length], own))
            products = np.multiply.accumulate(decay, axis=2)
            if not np.isfinite(products).all():
                return start
            for t in range(1, CHUNK):
                own[:, :, t] += decay[:, :, t] * own[:, :, t - 1]
            before = np.empty_like(own[:, :, 0])
            before[:, 0] = states[:, start]
            for chunk in range(1, count):
                before[:, chunk] = own[:, chunk - 1, -1] + products[:, chunk - 1, -1] * before[:, chunk - 1]
            own += products * before[:, :, None]
            start += length
    return start
