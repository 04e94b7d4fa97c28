"""``(x, y)_t = A_t (x, y)_{t-1} + (b, c)_t`` with a 2x2 matrix for each pair of numbers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet.core.operations import Operation, Operations, offered
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
        self,
        steps: Steps,
        matrix: Four | tuple[Array, Array],
        added: Two,
        initial: Two | None,
        operations: Operations | None,
        complex_: bool,
    ) -> None:
        self._steps, self._matrix, self._added, self._operations = steps, matrix, added, operations
        self._initial, self._complex = initial or (None, None), complex_
        given = [*matrix, *added]
        inner = np.broadcast_shapes(
            *(a.shape[2:] for a in given if a is not None), *(s.shape[1:] for s in self._initial if s is not None)
        )
        #: The matrices, or real and imaginary part, in the order of processing; 1 beyond the ends of rows.
        self._entered = [self._enter(a, n) for a, n in zip(matrix, (1, 0) if complex_ else NEUTRAL, strict=True)]
        like = next(a for a in (*added, *matrix) if a is not None)
        self._states = [steps.allocate(like, steps.count + 1, *inner) for _ in range(2)]
        for states, start in zip(self._states, self._initial, strict=True):
            states[:, 0] = 0 if start is None else start
        terms = [steps.enter(term) for term in added]
        #: The states after the last step of each row.
        self.final: tuple[Array, Array] = (self._states[0][:, 0].copy(), self._states[1][:, 0].copy())
        if not self._native(terms):
            for states, term in zip(self._states, terms, strict=True):
                states[:, 1:] = 0 if term is None else term
            self._run(self._whole(), self._states)
            self.final = (self._states[0][:, -1].copy(), self._states[1][:, -1].copy())

    def _native(self, terms: Sequence[Array | None]) -> bool:
        """Run an operation of the backend if it has one for this."""
        if not self._complex:
            return False
        (re, im), (x, y) = self._entered, self._states
        given = {"re": re, "im": im, "b": terms[0], "c": terms[1], "x": self.final[0], "y": self.final[1]}
        arrays = {name: array for name, array in given.items() if array is not None}
        arrays |= {"x after": x[:, 1:], "y after": y[:, 1:]}
        return bool(offered(self._operations, Operation.ELEMENTWISE_RECURRENCE, "rotation", arrays))

    def _whole(self) -> list[Array | None]:
        """The matrices with the whole batch and all steps."""
        entered = self._entered
        if self._complex:
            re, im = entered
            entered = [re, -im, im, re]  # type: ignore[operator]
        return [None if a is None else self._steps.whole(a) for a in entered]

    def _enter(self, array: Array | None, neutral: float) -> Array | None:
        if array is None:
            if neutral and self._steps.ended is not None:
                like = next(a for a in (*self._added, *self._matrix) if a is not None)
                array = np.zeros((1,) * like.ndim, like.dtype)
            else:
                return None
        return self._steps.enter(array, neutral)

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
        return self._steps.shown(x[:, 1:]), self._steps.shown(y[:, 1:])

    @property
    def before(self) -> tuple[Array, Array]:
        """The states before each step; views likewise."""
        x, y = self._states
        return self._steps.shown(x[:, :-1]), self._steps.shown(y[:, :-1])

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
        steps = self._steps
        late, early = [steps.enter(a) for a in after], [steps.enter(b) for b in before]
        last = [np.zeros_like(s[:, 0]) if e is None else np.array(e) for s, e in zip(self._states, final, strict=True)]
        found = self._native_errors(late, early, last, "matrix" not in without)
        if found is None:
            errors = [np.zeros_like(s) for s in self._states]
            for error, a, b, e in zip(errors, late, early, last, strict=True):
                if a is not None:
                    error[:, 1:] = a
                if b is not None:
                    error[:, :-1] += b
                error[:, -1] += e
            xx, xy, yx, yy = (None if a is None else a[:, ::-1] for a in self._whole())
            self._run((xx, yx, xy, yy), [error[:, ::-1] for error in errors])
            last, terms = [error[:, 0] for error in errors], [error[:, 1:] for error in errors]
            matrix = () if "matrix" in without else self._matrix_errors(terms)
        else:
            terms, matrix = found
        first: list[Array | None] = [None, None]
        if "initial" not in without:
            first = [None if s is None else summed(e, s.shape) for e, s in zip(last, self._initial, strict=True)]
        added: list[Array | None] = [None, None]
        if "added" not in without:
            added = [None if b is None else steps.error(e, b) for e, b in zip(terms, self._added, strict=True)]
        return PairErrors(matrix, (added[0], added[1]), (first[0], first[1]))

    def _native_errors(
        self, late: Sequence[Array | None], early: Sequence[Array | None], last: Sequence[Array], matrix: bool
    ) -> tuple[list[Array], tuple[Array | None, ...]] | None:
        """The errors of what is added and of the matrix by an operation of the backend; None without one."""
        if self._operations is None or not self._complex:
            return None
        steps, (x, y) = self._steps, self._states
        parts = self._entered
        new = [steps.allocate(x, steps.count, *x.shape[2:]) for _ in range(2)]
        timed = {"re": parts[0], "im": parts[1], "x error": late[0], "y error": late[1], "x early": early[0]}
        timed |= {"y early": early[1], "b error": new[0], "c error": new[1]}
        sums, own = {}, []
        constant = steps.ended is None and all(a is not None and a.shape[1] == 1 for a in parts)
        if matrix:
            timed |= {"x before": x[:, :-1], "y before": y[:, :-1]}
            if constant:
                own = [np.zeros_like(last[0]) for _ in range(2)]
                sums = {"re sum": own[0], "im sum": own[1]}
            else:
                own = [steps.allocate(x, steps.count, *x.shape[2:]) for _ in range(2)]
                timed |= {"re error": own[0], "im error": own[1]}
        arrays = {name: array[:, ::-1] for name, array in timed.items() if array is not None} | sums
        arrays |= {"d": last[0], "e": last[1]}
        if not offered(self._operations, Operation.ELEMENTWISE_RECURRENCE, "rotation error", arrays):
            return None
        if constant:
            errors = [summed(e[:, None], a.shape) for e, a in zip(own, self._matrix, strict=False)]
        else:
            errors = [steps.error(e, a) for e, a in zip(own, self._matrix, strict=False)]
        return new, tuple(errors)

    def _matrix_errors(self, after: Sequence[Array]) -> tuple[Array | None, ...]:
        """The errors of the matrices, or of the two parts of the complex numbers, from those of the states."""
        before = [s[:, :-1] for s in self._states]
        if self._complex:
            real = after[0] * before[0] + after[1] * before[1]
            imaginary = after[1] * before[0] - after[0] * before[1]
            return self._steps.error(real, self._matrix[0]), self._steps.error(imaginary, self._matrix[1])
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
    return PairStates(steps, (real, imaginary), added, initial, operations, complex_=True)
