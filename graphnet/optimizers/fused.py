"""Elementwise optimizers whose rule writes into existing arrays, block by block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from graphnet.core.checks import read_only
from graphnet.core.errors import RuleError
from graphnet.optimizers.base import Optimizer, RegularizerLike
from graphnet.optimizers.checks import penalty
from graphnet.optimizers.state import check_fit

Array = npt.NDArray[Any]

#: Bytes of one block of one array: all arrays of a block together fit the second-level cache of a core.
BLOCK = 2**18


class Block(NamedTuple):
    """The arrays that a rule reads and writes for one block of the weights, of one shape and one float dtype.

    Attributes
    ----------
    rate : float or array
        Learning rate times delta.
    weights, gradient : array, read-only
    old : tuple of array
        The moments before the step, in the order of ``FusedOptimizer.moments``; must not be written.
    new : tuple of array
        Receives the moments after the step; its previous contents are arbitrary.
    out : array
        Receives the new weights; its previous contents are arbitrary.
    scratch : array
        Space for intermediate results.
    number : int
        The number of the step, from 1, if the optimizer keeps ``step_count``; else 1.
    """

    rate: Any
    weights: Array
    gradient: Array
    old: tuple[Array, ...]
    new: tuple[Array, ...]
    out: Array
    scratch: Array
    number: int


class StepKernels(Protocol):
    """Computes the rule of an optimizer as one kernel."""

    def run(
        self,
        optimizer: Any,
        rate: float,
        weights: Array,
        gradient: Array,
        old: Sequence[Array],
        new: Sequence[Array],
        out: Array,
        factor: float,
    ) -> bool | None:
        """Whether all results are finite; None if nothing was computed."""


@dataclass(eq=False)
class FusedOptimizer(Optimizer):
    """Base of optimizers that compute without temporary arrays: a subclass implements :meth:`rule` instead of ``step``.

    The rule must be elementwise: it is applied to any part of the weights of one or several layers. A step of a million
    weights is computed in blocks that fit the cache of the processor.

    A rule that takes all its numbers from ``self.factors(block.rate, block.number)`` and reads nothing else of ``self``
    is compiled once for all steps by a backend that compiles rules; any other is recorded at each step, because its
    numbers may differ from step to step.

    Examples
    --------
    >>> @dataclass(eq=False)
    ... class SignDescent(FusedOptimizer):
    ...     elementwise = True
    ...     def rule(self, block):
    ...         np.sign(block.gradient, out=block.out)
    ...         np.multiply(block.out, block.rate, out=block.out)
    ...         np.subtract(block.weights, block.out, out=block.out)
    >>> SignDescent(0.5).calculate_update(1.0, [1.0, 2.0], [-3.0, 7.0])
    array([1.5, 1.5])
    """

    elementwise: ClassVar[bool] = True
    #: The ``state_names`` of arrays with the shape of the weights.
    moments: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.moments = tuple(name for name in cls.state_names if name != "step_count")

    def factors(self, rate: Any, number: int) -> tuple[Any, ...]:
        """The numbers with which the rule computes, for the ``rate`` and the ``number`` of a block; none unless a
        subclass overrides it.
        """
        return ()

    def rule(self, block: Block) -> None:
        """Write all new moments to ``block.new`` and all new weights to ``block.out``."""
        raise RuleError(
            f"{type(self).__name__} has no rule",
            expected="a method rule(block)",
            remedy="Implement it; it fills block.new and block.out.",
        )

    def step(self, rate: Any, weights: Array, gradient: Array) -> Array:
        """Apply the rule to weights of any shape; the results are new arrays."""
        out = np.empty(weights.shape, weights.dtype)
        new = {name: np.empty(weights.shape, weights.dtype) for name in self.moments}
        old = [self.recall(name, weights) for name in new]
        self._apply_rule(rate, weights, gradient, old, list(new.values()), out, None)
        self._store(new)
        return out

    def update_into(
        self,
        individual_delta: float,
        weights: Array,
        gradient: Array,
        out: Array,
        spare: dict[str, Array],
        kernels: StepKernels | None = None,
        factor: float = 1.0,
    ) -> bool:
        """:meth:`calculate_update` for flat arrays, with the results in existing memory.

        Parameters
        ----------
        individual_delta : float, at least 0
        weights, gradient : array
            One-dimensional, of equal length and dtype: float32 or float64. Neither is written.
        out : array
            Of the same length and dtype, sharing no memory with the others; receives the new weights.
        spare : dict of str to array
            Memory for moments, initially empty; this step stores the moments that it replaces there, and the next step
            overwrites them.
        kernels : StepKernels, optional
            Computes the rule in one pass over memory, where it can: see :mod:`graphnet.optimizers.fused_step`.
        factor : float
            Scales the gradient first.

        Returns
        -------
        bool
            Whether the new weights and moments are known to be finite.

        Raises
        ------
        ConfigError, ShapeError, RuleError
            As :meth:`calculate_update`; the state of the optimizer is then unchanged.
        """
        rate = self._rate(individual_delta)
        check_fit(type(self).__name__, self._state, weights)
        old = {name: self.recall(name, weights) for name in self.moments}
        new = {name: spare[name] if name in spare else np.empty_like(weights) for name in old}
        before, after = list(old.values()), list(new.values())
        finite = None if kernels is None else kernels.run(self, rate, weights, gradient, before, after, out, factor)
        if finite is None:
            scaled = gradient if factor == 1.0 else gradient * factor
            self._apply_rule(rate, weights, scaled, before, after, out, self.regularizer)
        self._store(new)
        spare.update(old)
        return bool(finite)

    def moment_arrays(self) -> dict[str, Array]:
        """The moments after the last step by name, not copied; must not be written."""
        return {name: self._state[name] for name in self.moments}

    def _store(self, moments: dict[str, Array]) -> None:
        count = {"step_count": np.asarray(self.step_count + 1, np.int64)} if "step_count" in self.state_names else {}
        self._state = {**moments, **count}

    def _apply_rule(
        self,
        rate: Any,
        weights: Array,
        gradient: Array,
        old: Sequence[Array],
        new: Sequence[Array],
        out: Array,
        regularizer: RegularizerLike | None,
    ) -> None:
        """Apply the rule block by block to arrays of one shape; ``new`` and ``out`` are in C order."""
        size, number = BLOCK // weights.dtype.itemsize, self.step_count + 1
        weights, gradient = (a if not a.flags.writeable else read_only(a) for a in (weights, gradient))
        if weights.size <= size:
            scratch = np.empty(weights.shape, weights.dtype)
            self._apply_to_block(Block(rate, weights, gradient, (*old,), (*new,), out, scratch, number), regularizer)
            return
        w, g, to, *rest = (array.reshape(-1) for array in (weights, gradient, out, *old, *new))
        rates = np.reshape(rate, -1) if np.ndim(rate) else None
        scratch = np.empty(size, w.dtype)
        for start in range(0, w.size, size):
            at = slice(start, min(start + size, w.size))
            parts = [array[at] for array in rest]
            before, after = tuple(parts[: len(old)]), tuple(parts[len(old) :])
            block_rate = rate if rates is None else rates[at]
            block_scratch = scratch[: at.stop - start]
            self._apply_to_block(
                Block(block_rate, w[at], g[at], before, after, to[at], block_scratch, number), regularizer
            )

    def _apply_to_block(self, block: Block, regularizer: RegularizerLike | None) -> None:
        self.rule(block)
        if regularizer is None:
            return
        # The regularizer reads the weights before the step.
        np.multiply(penalty(regularizer, block.weights), block.rate, out=block.scratch)
        np.subtract(block.out, block.scratch, out=block.out)


def running_mean(
    old: Array, value: Array, decay: float, *, out: Array, scratch: Array, rest: float | None = None
) -> None:
    """``out = decay * old + rest * value``; ``scratch`` is written, and may be ``value``; ``rest`` is 1 - ``decay``."""
    np.multiply(old, decay, out=out)
    np.multiply(value, 1.0 - decay if rest is None else rest, out=scratch)
    np.add(out, scratch, out=out)
