"""Elementwise optimizers whose rule writes into arrays that are there, one block after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from graphnet.core.checks import read_only
from graphnet.core.errors import RuleError
from graphnet.optimizers.base import Optimizer, RegularizerLike
from graphnet.optimizers.checks import rule_result
from graphnet.optimizers.state import check_fit

Array = npt.NDArray[Any]

#: Bytes of one block of one array: all arrays of a block together stay in a core's second-level cache.
BLOCK = 2**18


class Block(NamedTuple):
    """What a rule reads and writes for one stretch of the weights: arrays of one shape and one float dtype.

    Attributes
    ----------
    rate : float or array
        Learning rate times delta.
    weights, gradient : array, read-only
    old : tuple of array
        The moments before the step, in the order of ``FusedOptimizer.moments``; must not be written.
    new : tuple of array
        Where the moments after the step go; holds anything before.
    out : array
        Where the new weights go; holds anything before.
    scratch : array
        Room for what lies between.
    number : int
        The step's, from 1, where the optimizer keeps ``step_count``; else 1.
    """

    rate: Any
    weights: Array
    gradient: Array
    old: tuple[Array, ...]
    new: tuple[Array, ...]
    out: Array
    scratch: Array
    number: int


@dataclass(eq=False)
class FusedOptimizer(Optimizer):
    """Base of optimizers that compute without temporary arrays: a subclass writes :meth:`rule` instead of ``step``.

    The rule must be elementwise: it sees any stretch of the weights of one or of many layers. A step of a million
    weights walks through them in blocks that fit the processor's cache.

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
    #: The names of ``state_names`` that are arrays of the weights' shape.
    moments: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.moments = tuple(name for name in cls.state_names if name != "step_count")

    def rule(self, block: Block) -> None:
        """Write the new moments to ``block.new`` and the new weights to ``block.out``, all of both."""
        raise RuleError(
            f"{type(self).__name__} has no rule",
            expected="a method rule(block)",
            remedy="Write it: it fills block.new and block.out.",
        )

    def step(self, rate: Any, weights: Array, gradient: Array) -> Array:
        """The rule for weights of any shape, into new arrays."""
        out = np.empty(weights.shape, weights.dtype)
        new = {name: np.empty(weights.shape, weights.dtype) for name in self.moments}
        old = [self.recall(name, weights) for name in new]
        self._walk(rate, weights, gradient, old, list(new.values()), out, None)
        self._remember(new)
        return out

    def update_into(
        self, individual_delta: float, weights: Array, gradient: Array, out: Array, spare: dict[str, Array]
    ) -> None:
        """:meth:`calculate_update` for flat arrays, into memory that is there.

        Parameters
        ----------
        individual_delta : float, at least 0
        weights, gradient : array
            One axis, one length, one dtype: float32 or float64. Neither is written.
        out : array
            Of the same length and dtype, sharing no memory with the others: filled with the new weights.
        spare : dict of str to array
            Memory for moments, empty at first; the moments that this step replaces are put there, not written, and the
            next step writes over them.

        Raises
        ------
        ConfigError, ShapeError, RuleError
            As :meth:`calculate_update`. What the optimizer remembers is then as it was.
        """
        rate = self._rate(individual_delta)
        check_fit(type(self).__name__, self._state, weights)
        old = {name: self.recall(name, weights) for name in self.moments}
        new = {name: spare[name] if name in spare else np.empty_like(weights) for name in old}
        self._walk(rate, weights, gradient, list(old.values()), list(new.values()), out, self.regularizer)
        self._remember(new)
        spare.update(old)

    def moment_arrays(self) -> dict[str, Array]:
        """The moments after the last step by name, not copied; must not be written."""
        return {name: self._state[name] for name in self.moments}

    def _remember(self, moments: dict[str, Array]) -> None:
        count = {"step_count": np.asarray(self.step_count + 1, np.int64)} if "step_count" in self.state_names else {}
        self._state = {**moments, **count}

    def _walk(
        self,
        rate: Any,
        weights: Array,
        gradient: Array,
        old: Sequence[Array],
        new: Sequence[Array],
        out: Array,
        regularizer: RegularizerLike | None,
    ) -> None:
        """The rule for each block of arrays of any one shape; ``new`` and ``out`` are in C order."""
        size, number = BLOCK // weights.dtype.itemsize, self.step_count + 1
        weights, gradient = (a if not a.flags.writeable else read_only(a) for a in (weights, gradient))
        if weights.size <= size:
            scratch = np.empty(weights.shape, weights.dtype)
            self._each(Block(rate, weights, gradient, (*old,), (*new,), out, scratch, number), regularizer)
            return
        w, g, to, *rest = (array.reshape(-1) for array in (weights, gradient, out, *old, *new))
        rates = np.reshape(rate, -1) if np.ndim(rate) else None
        scratch = np.empty(size, w.dtype)
        for start in range(0, w.size, size):
            at = slice(start, min(start + size, w.size))
            parts = [array[at] for array in rest]
            before, after = tuple(parts[: len(old)]), tuple(parts[len(old) :])
            here = rate if rates is None else rates[at]
            room = scratch[: at.stop - start]
            self._each(Block(here, w[at], g[at], before, after, to[at], room, number), regularizer)

    def _each(self, block: Block, regularizer: RegularizerLike | None) -> None:
        self.rule(block)
        if regularizer is None:
            return
        # It sees the weights before the step.
        found = rule_result(regularizer, "calculate", regularizer.calculate(block.weights), block.weights, ())
        np.multiply(found, block.rate, out=block.scratch)
        np.subtract(block.out, block.scratch, out=block.out)


def running_mean(old: Array, value: Array, decay: float, *, out: Array, scratch: Array) -> None:
    """``out = decay * old + (1 - decay) * value``; ``scratch`` is written, and may be ``value``."""
    np.multiply(old, decay, out=out)
    np.multiply(value, 1.0 - decay, out=scratch)
    np.add(out, scratch, out=out)
