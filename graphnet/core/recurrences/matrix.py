"""Recurrences of a matrix state that products of vectors change, read by products with vectors."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphnet.core.operations import Operations
from graphnet.core.recurrences.dense import Dense, enter, reads
from graphnet.core.recurrences.order import FORWARD, Order, Steps, summed

Array = Any


@dataclass(frozen=True, slots=True)
class Decay:
    """By what the state is multiplied before each step, in one of three forms.

    Attributes
    ----------
    values : array (batch or 1, steps or 1, *heads, key or 1, value or 1), optional
        ``a``: any numbers, 0 and negative ones included.
    logs : array of such a shape, optional
        ``log a``, at most 0 in most cases; -inf is 0.
    scale : array (*heads, key or 1, value or 1), optional
        With ``logs``, ``log a = logs ∘ scale``: the product need not be computed for all steps at once.
    """

    values: Array | None = None
    logs: Array | None = None
    scale: Array | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """A read-out of the state: ``o_t = S_tᵀ q_t``, or ``S_{t-1}ᵀ q_t``.

    Attributes
    ----------
    query : array (batch or 1, steps or 1, *heads, key)
    before : bool
        Of the state before the step.
    """

    query: Array
    before: bool = False


@dataclass(frozen=True, slots=True)
class MatrixErrors:
    """The errors of the arguments of :func:`outer` or :func:`delta`; None for those that are None, or not wanted."""

    keys: Array | None = None
    values: Array | None = None
    queries: list[Array | None] = field(default_factory=list)
    decay: Decay = Decay()
    initial: Array | None = None
    u: Array | None = None
    w: Array | None = None
    p: Array | None = None


class MatrixReads:
    """What :func:`outer` and :func:`delta` read.

    Attributes
    ----------
    outputs : list of arrays (batch, steps, *heads, value)
        One for each :class:`Read`.
    final : array (batch, *heads, key, value)
        The state after the last step of each row.
    """

    def __init__(
        self,
        steps: Steps,
        vectors: dict[str, Array | None],
        queries: Sequence[Read],
        decay: Decay,
        initial: Array | None,
        operations: Operations | None,
    ) -> None:
        self._steps, self._vectors, self._reads, self._decay, self._initial = steps, vectors, queries, decay, initial
        forms = decay.values, decay.logs, decay.scale
        self._dense: Dense = enter(steps, vectors, [(r.query, r.before) for r in queries], forms, initial)
        outputs, self.final, self._saved = reads(self._dense, operations)
        self.outputs: list[Array] = [steps.leave(output) for output in outputs]

    def pull(
        self, outputs: Sequence[Array | None], final: Array | None = None, without: Collection[str] = ()
    ) -> MatrixErrors:
        """The errors of the arguments.

        Parameters
        ----------
        outputs : sequence of arrays (batch, steps, *heads, value) or None
            Errors of the outputs.
        final : array (batch, *heads, key, value), optional
            The error of the final state.
        without : collection of {'decay', 'initial'}
            What is not wanted; others are computed in any case.

        Returns
        -------
        MatrixErrors
        """
        steps, given = self._steps, [self._steps.enter(output) for output in outputs]
        found = self._saved.pull(given, final, "decay" not in without)
        vectors = {
            name: steps.error(found.vectors[name], array) for name, array in self._vectors.items() if array is not None
        }
        queries: list[Array | None] = [
            steps.error(error, read.query) for error, read in zip(found.queries, self._reads, strict=True)
        ]
        initial = None
        if self._initial is not None and "initial" not in without:
            initial = summed(found.initial, self._initial.shape)
        return MatrixErrors(queries=queries, decay=self._decay_error(found.decay), initial=initial, **vectors)

    def _decay_error(self, found: tuple[Array | None, Array | None]) -> Decay:
        """The errors in the form in which the decay was given."""
        first, scale = found
        given = self._decay
        if first is None:
            return Decay()
        if given.values is not None:
            return Decay(values=self._steps.error(first, given.values))
        logs = self._steps.error(first, given.logs)
        if given.scale is None or scale is None:
            return Decay(logs=logs)
        return Decay(logs=logs, scale=summed(scale, given.scale.shape))


def outer(
    keys: Array,
    values: Array,
    queries: Sequence[Read],
    decay: Decay | None = None,
    initial: Array | None = None,
    order: Order = FORWARD,
    operations: Operations | None = None,
) -> MatrixReads:
    """``S_t = a_t ∘ S_{t-1} + k_t v_tᵀ`` for all steps, with read-outs.

    ``heads`` are any number of axes, the same for all arguments; sizes of 1 are repeated.

    Parameters
    ----------
    keys, values : array (batch or 1, steps or 1, *heads, key) and (…, value)
    queries : sequence of Read
    decay : Decay, optional
        1 if missing.
    initial : array (batch or 1, *heads, key, value), optional
        The state before the first step; zeros if missing.
    order : Order
    operations : Operations, optional

    Returns
    -------
    MatrixReads
    """
    vectors = {"keys": keys, "values": values}
    return _read(vectors, queries, decay, initial, order, operations)


def delta(
    u: Array,
    p: Array,
    w: Array | None,
    queries: Sequence[Read],
    decay: Decay | None = None,
    initial: Array | None = None,
    order: Order = FORWARD,
    operations: Operations | None = None,
    *,
    keys: Array | None = None,
    values: Array | None = None,
) -> MatrixReads:
    """``S_t = a_t ∘ S_{t-1} + k_t v_tᵀ + u_t (w_t - S_{t-1}ᵀ p_t)ᵀ`` for all steps, with read-outs.

    The delta rule with rate β is ``u = βk, p = k, w = v``; with a decay of the state that it corrects, ``p = αk``.

    Parameters
    ----------
    u, p : array (batch or 1, steps or 1, *heads, key)
    w : array (batch or 1, steps or 1, *heads, value), optional
        0 if missing.
    queries, decay, initial, order, operations
        As in :func:`outer`.
    keys, values : array (batch or 1, steps or 1, *heads, key) and (…, value), optional
        Both or neither.

    Returns
    -------
    MatrixReads
    """
    vectors = {"keys": keys, "values": values, "u": u, "w": w, "p": p}
    return _read(vectors, queries, decay, initial, order, operations)


def _read(
    vectors: dict[str, Array | None],
    queries: Sequence[Read],
    decay: Decay | None,
    initial: Array | None,
    order: Order,
    operations: Operations | None,
) -> MatrixReads:
    decay = decay or Decay()
    arrays = [*vectors.values(), *(r.query for r in queries), decay.values, decay.logs]
    return MatrixReads(Steps(order, arrays), vectors, queries, decay, initial, operations)
