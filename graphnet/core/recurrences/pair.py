"""``(x, y)_t = A_t (x, y)_{t-1} + (b, c)_t`` with a 2x2 matrix for each pair of numbers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet.core.operations import Operations
from graphnet.core.recurrences.order import FORWARD, Order, Steps, summed

Array = Any
Two = tuple[Array | None, Array | None]
#: The matrix ``((xx, xy), (yx, yy))`` in this order; None for a zero.
Four = tuple[Array | None, Array | None, Array | None, Array | None]
#: What leaves a state unchanged.
NEUTRAL = (1.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class PairErrors:
    """The errors of the arguments of :func:`pair`; None for those that are None, or not wanted.

    For :func:`rotation`, ``matrix`` has two entries: real and imaginary part.
    """

    matrix: tuple[Array | None, ...]
    added: Two
    initial: Two


class PairStates:
    """The states of :func:`pair` and :func:`rotation`, each a pair of arrays.

    Attributes
    ----------
    final : (array, array)
        The state after the last step of each row.
    """

    def __init__(
        self, steps: Steps, matrix: Four, added: Two, initial: Two | None, operations: Operations | None, complex_: bool
    ) -> None:
        self._steps, self._matrix, self._added, self._operations = steps, matrix, added, operations
        self._initial, self._complex = initial or (None, None), complex_
        given = [*matrix, *added]
        inner = np.broadcast_shapes(
            *(a.shape[2:] for a in given if a is not None), *(s.shape[1:] for s in self._initial if s is not None)
        )
        #: The matrices in the order of processing: those that are given, or 1 beyond the ends of rows.
        self._entered = [self._enter(a, n) for a, n in zip(matrix, NEUTRAL, strict=True)]
        like = next(a for a in (*added, *matrix) if a is not None)
        self._states = [steps.allocate(like, steps.count + 1, *inner) for _ in range(2)]
        for states, start, term in zip(self._states, self._initial, added, strict=True):
            states[:, 0] = 0 if start is None else start
            states[:, 1:] = 0 if term is None else steps.enter(term)
        self._run(self._entered, self._states)
        self.final: tuple[Array, Array] = (self._states[0][:, -1].copy(), self._states[1][:, -1].copy())

    def _enter(self, array: Array | None, neutral: float) -> Array | None:
        if array is None:
            if neutral and self._steps.ended is not None:
                like = next(a for a in (*self._added, *self._matrix) if a is not None)
                array = np.zeros((1,) * like.ndim, like.dtype)
            else:
                return None
        entered = self._steps.enter(array, neutral)
        return self._steps.whole(entered)

    @staticmethod
    def _run(matrix: Sequence[Array | None], states: Sequence[Array]) -> None:
        """``states[:, t + 1] += matrix[:, t] states[:, t]`` for all t in turn."""
        terms = [(j, i, a) for (i, j), a in zip(np.ndindex(2, 2), matrix, strict=True) if a is not None]
        for t in range(states[0].shape[1] - 1):
            for source, target, a in terms:
                states[target][:, t + 1] += a[:, t] * states[source][:, t]

    @property
    def after(self) -> tuple[Array, Array]:
        """The states after each step, (batch, steps, *inner); they may be views, and must not be changed."""
        x, y = self._states
        return self._shown(x[:, 1:]), self._shown(y[:, 1:])

    @property
    def before(self) -> tuple[Array, Array]:
        """The states before each step; views likewise."""
        x, y = self._states
        return self._shown(x[:, :-1]), self._shown(y[:, :-1])

    def _shown(self, states: Array) -> Array:
        return self._steps.leave(states if self._steps.ended is None else states.copy("K"))

    def pull(
        self,
        after: Two = (None, None),
        before: Two = (None, None),
        final: Two = (None, None),
        without: Collection[str] = (),
    ) -> PairErrors:
        """The errors of the arguments.

        Parameters
        ----------
        after, before : pair of arrays (batch, steps, *inner) or None
            Errors of the states after and before each step.
        final : pair of arrays (batch, *inner) or None
            The error of the final state.
        without : collection of {'matrix', 'added', 'initial'}
            What is not wanted.

        Returns
        -------
        PairErrors
        """
        steps, states = self._steps, self._states
        errors = [np.zeros_like(s) for s in states]
        for error, a, b, last in zip(errors, after, before, final, strict=True):
            if a is not None:
                error[:, 1:] = steps.enter(a)
            if b is not None:
                error[:, :-1] += steps.enter(b)
            if last is not None:
                error[:, -1] += last
        xx, xy, yx, yy = (None if a is None else a[:, ::-1] for a in self._entered)
        self._run((xx, yx, xy, yy), [error[:, ::-1] for error in errors])
        matrix = () if "matrix" in without else self._matrix_errors(errors)
        first: list[Array | None] = [None, None]
        if "initial" not in without:
            first = [
                None if s is None else summed(e[:, 0], s.shape) for e, s in zip(errors, self._initial, strict=True)
            ]
        added: list[Array | None] = [None, None]
        if "added" not in without:
            pairs = zip(errors, self._added, strict=True)
            added = [None if b is None else steps.error(e[:, 1:], b) for e, b in pairs]
        return PairErrors(matrix, (added[0], added[1]), (first[0], first[1]))

    def _matrix_errors(self, errors: list[Array]) -> tuple[Array | None, ...]:
        """The errors of the matrices, or of the two parts of the complex numbers."""
        before = [s[:, :-1] for s in self._states]
        after = [e[:, 1:] for e in errors]
        if self._complex:
            real = after[0] * before[0] + after[1] * before[1]
            imaginary = after[1] * before[0] - after[0] * before[1]
            return self._steps.error(real, self._matrix[0]), self._steps.error(imaginary, self._matrix[2])
        return tuple(
            None if a is None else self._steps.error(after[i] * before[j], a)
            for (i, j), a in zip(np.ndindex(2, 2), self._matrix, strict=True)
        )


def pair(
    matrix: Four, added: Two, initial: Two | None = None, order: Order = FORWARD, operations: Operations | None = None
) -> PairStates:
    """``x_t = xx_t x_{t-1} + xy_t y_{t-1} + b_t`` and ``y_t = yx_t x_{t-1} + yy_t y_{t-1} + c_t``, elementwise.

    Parameters
    ----------
    matrix : (xx, xy, yx, yy), arrays (batch or 1, steps or 1, *inner) or None
        None for a zero. ``inner`` may have any rank, the same for all; sizes of 1 are repeated.
    added : (b, c), arrays (batch or 1, steps or 1, *inner) or None
    initial : pair of arrays (batch or 1, *inner) or None, optional
        The state before the first step; zeros if missing.
    order : Order
    operations : Operations, optional

    Returns
    -------
    PairStates
    """
    return PairStates(Steps(order, (*matrix, *added)), matrix, added, initial, operations, complex_=False)


def rotation(
    real: Array,
    imaginary: Array,
    added: Two,
    initial: Two | None = None,
    order: Order = FORWARD,
    operations: Operations | None = None,
) -> PairStates:
    """``z_t = (real_t + i imaginary_t) z_{t-1} + b_t + i c_t`` for complex ``z = x + i y``, elementwise.

    The errors ``matrix`` of :meth:`PairStates.pull` are those of ``real`` and ``imaginary``. Parameters as in
    :func:`pair`.
    """
    steps = Steps(order, (real, imaginary, *added))
    return PairStates(steps, (real, -imaginary, imaginary, real), added, initial, operations, complex_=True)
