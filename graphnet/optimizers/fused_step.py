"""Steps of fused optimizers as kernels that a backend compiles: one pass over the arrays of a step."""

from __future__ import annotations

from collections.abc import Sequence
from types import FunctionType, MethodType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graphnet.core.elementwise_kernels import Compiled, Compiler, Factor, Kernel, Recorder, Unrecordable
from graphnet.optimizers.checks import penalty_rule
from graphnet.optimizers.fused import Block, FusedOptimizer

Array = npt.NDArray[Any]


class Known(NamedTuple):
    """A rule that has been recorded for all steps.

    Attributes
    ----------
    compiled : Compiled or None
        None if the backend does not compile it.
    order : list of int
        For each constant of the kernel the number of the factor that it is.
    """

    compiled: Compiled | None
    order: list[int]


class FusedStep:
    """A rule as a kernel that a backend compiles: one pass over the arrays of a step.

    The rule, with the regularizer, is recorded. If all its numbers are factors (``FusedOptimizer.factors``), once for
    all steps; else at each step, because its numbers may depend on the number of the step. What cannot be recorded or
    compiled is computed by numpy.

    Parameters
    ----------
    compiler : Compiler
    """

    def __init__(self, compiler: Compiler) -> None:
        self._compiler = compiler
        self._compiled: dict[tuple[Kernel, str], Compiled | None] = {}
        #: What has been recorded for all steps; None where a rule must be recorded at each step.
        self._known: dict[Any, Known | None] = {}
        #: The rules that cannot be recorded.
        self._refused: set[Any] = set()

    #: Numbers from which on recording a rule at each step is faster than numpy's calls.
    least = 1 << 15

    def run(
        self,
        optimizer: FusedOptimizer,
        rate: float,
        weights: Array,
        gradient: Array,
        old: Sequence[Array],
        new: Sequence[Array],
        out: Array,
        factor: float,
    ) -> bool | None:
        """Whether all results are finite; None if nothing was computed."""
        known = self._for_all_steps(optimizer, weights.dtype, len(old), factor != 1.0)
        if known is not None:
            if known.compiled is None:
                return None
            numbers = (*optimizer.factors(rate, optimizer.step_count + 1), factor)
            constants = [numbers[number] for number in known.order]
            return known.compiled((weights, gradient, *old), constants, (out, *new))
        rules = type(optimizer), type(optimizer.regularizer)
        if weights.size < self.least or rules in self._refused:
            return None
        try:
            recorder = Recorder(2 + len(old), weights.dtype)
            number = optimizer.step_count + 1
            kernel = record(optimizer, recorder, float(rate), number, float(factor) if factor != 1.0 else None)
        except Exception:  # whatever a rule does that is not elementwise; numpy runs it, with its errors
            self._refused.add(rules)
            return None
        compiled = self._kernel(kernel, weights.dtype)
        return None if compiled is None else compiled((weights, gradient, *old), recorder.constants, (out, *new))

    def _kernel(self, kernel: Kernel, dtype: np.dtype[Any]) -> Compiled | None:
        key = kernel, dtype.name
        if key not in self._compiled:
            self._compiled[key] = self._compiler(*key)
        return self._compiled[key]

    # ------------------------------------------------------------------ once for all steps
    def _for_all_steps(
        self, optimizer: FusedOptimizer, dtype: np.dtype[Any], moments: int, scaled: bool
    ) -> Known | None:
        """What has been recorded of a rule; None if it must be recorded at each step."""
        if optimizer.regularizer is not None:  # its numbers are not factors
            return None
        key = type(optimizer), dtype, scaled
        if key not in self._known:
            self._known[key] = self._recorded(optimizer, dtype, moments, scaled)
        return self._known[key]

    def _recorded(self, optimizer: FusedOptimizer, dtype: np.dtype[Any], moments: int, scaled: bool) -> Known | None:
        """Record a rule with marked factors in place of its numbers; None if it computes with anything else."""
        recorder = Recorder(2 + moments, dtype)
        count = len(optimizer.factors(1.0, 1))
        marked = [Factor(number) for number in range(count + 1)]
        rate, number = recorder.room(), recorder.room()  # which cannot be read
        shadow = _shadow(type(optimizer), rate, number, tuple(marked[:count]))
        try:
            kernel = record(shadow, recorder, rate, number, marked[-1] if scaled else None)
        except Exception:  # whatever else the rule does
            return None
        numbers = recorder.constants
        if not all(type(number) is Factor for number in numbers):
            return None
        return Known(self._kernel(kernel, dtype), [int(number) for number in numbers])


def record(optimizer: FusedOptimizer, recorder: Recorder, rate: Any, number: Any, factor: float | None) -> Kernel:
    """Record the rule of an optimizer, with its regularizer; gradients are scaled first if ``factor`` is given.

    Raises
    ------
    Exception
        Whatever the rule raises; Unrecordable if it is not elementwise.
    """
    weights, gradient, *old = recorder.inputs
    if factor is not None:
        gradient = np.multiply(gradient, factor)
    out, scratch, new = recorder.room(), recorder.room(), [recorder.room() for _ in old]
    block: Any = Block(rate, weights, gradient, (*old,), (*new,), out, scratch, number)
    optimizer.rule(block)
    if optimizer.regularizer is not None:
        term = penalty_rule(optimizer.regularizer)(block.weights)
        np.subtract(out, np.multiply(term, block.rate), out=out)
    return recorder.kernel([out, *new])


def _shadow(kind: type[FusedOptimizer], rate: Any, number: Any, marked: tuple[Factor, ...]) -> Any:
    """An optimizer that has methods and these factors; reading anything else raises an Unrecordable.

    What a rule reads besides the factors may change from step to step.
    """

    def factors(self: Any, given_rate: Any, given_number: Any) -> tuple[Factor, ...]:
        if given_rate is not rate or given_number is not number:
            raise Unrecordable("it asks for the factors of another rate or step")
        return marked

    class Shadow(kind):  # type: ignore[misc, valid-type]
        """The optimizer's methods, without its attributes."""

        def __getattribute__(self, name: str) -> Any:
            if name == "regularizer":
                return None
            found = factors if name == "factors" else getattr(kind, name, None)
            if isinstance(found, FunctionType):
                return MethodType(found, self)
            raise Unrecordable(f"it reads {name} of the optimizer")

    return object.__new__(Shadow)
