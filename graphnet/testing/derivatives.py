"""Finite-difference derivatives of passes through a graph, against which the gradient checks compare.

``L = Σ output · error`` is differentiated by central differences with one Richardson step (error of order h⁴). Where
the left and right derivatives differ (a kink, a tie), every value between the two is accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from graphnet.core.phase import Phase
from graphnet.core.run.runner import Runner
from graphnet.testing.array_diff import describe_difference
from graphnet.testing.buffers import Arrays, BufferSnapshot
from graphnet.testing.failures import Fault, fault
from graphnet.testing.harness import Harness
from graphnet.testing.passes import PassResult, forward
from graphnet.testing.wrong_regions import wrong_region

#: Arrays of up to this size are checked element by element, larger ones along random directions.
MAX_ELEMENTS = 120
#: The number of random directions.
DIRECTIONS = 4
TOLERANCE = 2e-6
#: Differences below this are accepted; those between this and TOLERANCE are compared with the spread of other steps.
CLOSE = 1e-8
STEP = 1e-4
#: The rounding error of ``L`` relative to its largest term; it matters for outputs that are much larger than their
#: changes, such as x + 10⁶.
ROUNDING = 4 * float(np.finfo(np.float64).eps)


class Objective:
    """``L`` as a function of the inputs and weights; random draws, buffers and errors are fixed."""

    def __init__(
        self, harness: Harness, runner: Runner, values: Arrays, phase: Phase, errors: Arrays, lengths: Any = None
    ) -> None:
        self.runner, self.values, self.phase, self.errors, self.lengths = runner, dict(values), phase, errors, lengths
        self.variables = {f"input {n!r}": n for n in values if n not in harness.integer}
        self.parameters = {f"weight {name!r}": p for name, p in runner.parameters.items()}
        self.buffers = BufferSnapshot(runner.layers.values())
        self.rounding = 0.0

    def value(self, name: str) -> np.ndarray:
        """Return the current value of a variable."""
        parameter = self.parameters.get(name)
        return self.values[self.variables[name]] if parameter is None else parameter.value

    def set(self, name: str, array: np.ndarray) -> None:
        """Set a variable."""
        if name in self.parameters:
            self.parameters[name].value = array
        else:
            self.values[self.variables[name]] = array

    def __call__(self) -> float:
        """Return ``L`` for the current variables; ``rounding`` becomes the rounding error to expect in it."""
        self.buffers.restore()
        outputs = forward(self.runner, self.values, self.phase, self.lengths)
        terms = [outputs[name] * error for name, error in self.errors.items()]
        self.rounding = ROUNDING * max((float(np.abs(term).max(initial=0.0)) for term in terms), default=0.0)
        return float(sum(term.sum() for term in terms))

    def along(self, directions: Arrays) -> Callable[[float], float]:
        """Return ``L`` as a function of the step along a line through the current variables."""
        base = {name: self.value(name).copy() for name in directions}

        def at(step: float) -> float:
            for name, direction in directions.items():
                self.set(name, base[name] + step * direction)
            try:
                return self()
            finally:
                for name, array in base.items():
                    self.set(name, array)

        return at

    def check_slope(self, directions: Arrays, claimed: float, scale: float, step: float = STEP) -> tuple[bool, float]:
        """Return whether ``claimed`` is the derivative along some directions, and the derivative."""
        return check_slope(self.along(directions), claimed, scale, step, lambda: self.rounding)


def check_slope(
    f: Callable[[float], float],
    claimed: float,
    scale: float,
    step: float = STEP,
    rounding: Callable[[], float] = lambda: 0.0,
) -> tuple[bool, float]:
    """Return whether ``claimed`` is the derivative of ``f`` at 0, within a tolerance relative to ``scale``, and the
    derivative. ``rounding`` returns the rounding error of the last value of ``f``.
    """
    up, down, high, low = f(step), f(-step), f(step / 2), f(-step / 2)
    coarse, fine = (up - down) / (2 * step), (high - low) / step
    best = (4 * fine - coarse) / 3
    noise = 4 * rounding() / step
    if abs(best - claimed) <= noise:
        return True, best
    if abs(best - claimed) <= TOLERANCE * scale:
        return abs(best - claimed) <= CLOSE * scale or _within_noise(f, claimed, best, scale, step), best
    middle, small, slack = f(0.0), step / 64, 1e-4 * scale + 64 * noise
    right, left = (f(small) - middle) / small, (middle - f(-small)) / small
    if abs(right - left) > 10 * slack or max(abs(right), abs(left)) > 1e3 * scale:
        jump = max(abs(f(small / 64) - middle), abs(f(-small / 64) - middle))
        if jump > 0.5 * small * max(abs(right), abs(left)):
            return bool(np.isfinite(claimed)), 0.0  # a discontinuity: no derivative
        # a kink at this point
        return min(left, right) - slack <= claimed <= max(left, right) + slack, (left + right) / 2
    if abs(coarse - fine) <= 0.2 * TOLERANCE * scale:
        return False, best
    return abs(claimed - (left + right) / 2) <= slack, (left + right) / 2


def _within_noise(f: Callable[[float], float], claimed: float, best: float, scale: float, step: float) -> bool:
    """Return whether ``claimed`` differs from the finite differences of several steps no more than those differ."""
    estimates = [best]
    for factor in (0.37, 0.61, 1.7, 2.9):
        h = step * factor
        estimates.append((8 * (f(h / 2) - f(-h / 2)) - (f(h) - f(-h))) / (6 * h))
    spread = max(estimates) - min(estimates)
    return bool(min(estimates) - spread - CLOSE * scale <= claimed <= max(estimates) + spread + CLOSE * scale)


def check_derivatives(
    harness: Harness,
    values: Arrays,
    *,
    runner: Runner | None = None,
    phase: Phase = Phase.train,
    lengths: Any = None,
    where: str = "",
    only: Callable[[str], bool] = lambda name: True,
    only_output: str | None = None,
    elementwise: bool = True,
) -> None:
    """Compare input errors and weight gradients with finite differences, element by element or along directions.

    Raises
    ------
    Fault
        For the first variable whose derivative is wrong.
    """
    runner = harness.untruncated_runner(values) if runner is None else runner
    buffers = BufferSnapshot(runner.layers.values())
    first = harness.run(values, runner, phase=phase, lengths=lengths)
    errors = {n: e for n, e in first.errors.items() if only_output in (None, n)}
    buffers.restore()
    result = harness.run(values, runner, phase=phase, lengths=lengths, errors=errors)
    buffers.restore()
    objective = Objective(harness, runner, values, phase, errors, lengths)
    claimed = {name: array for name, array in _claimed_derivatives(harness, result) if only(name)}
    for name, array in claimed.items():
        _check_variable(objective, name, array, where, elementwise)
    if claimed:
        _check_jointly(objective, claimed, where)
    harness.comparisons += len(claimed)


def _claimed_derivatives(harness: Harness, result: PassResult) -> Iterator[tuple[str, np.ndarray]]:
    for name, array in result.input_errors.items():
        if name not in harness.integer:
            yield f"input {name!r}", np.zeros(1) if array is None else array
    yield from ((f"weight {name!r}", array) for name, array in result.gradients.items())


def _check_variable(objective: Objective, name: str, claimed: np.ndarray, where: str, elementwise: bool) -> None:
    """Check the derivative with respect to one variable: every element, or random directions."""
    base = objective.value(name)
    if claimed.shape != base.shape:
        raise _wrong(name, where, f"expected shape {base.shape}, received {claimed.shape}")
    if not np.isfinite(claimed).all():
        raise _wrong(name, where, describe_difference(claimed, np.zeros_like(claimed)))
    if elementwise and base.size <= MAX_ELEMENTS:
        check_elements(objective, name, claimed, where, range(base.size))
        return
    rng = np.random.default_rng(5)
    scale = max(np.abs(claimed).max(initial=0.0), 1e-2) * np.sqrt(base.size)
    for _ in range(DIRECTIONS):
        direction = rng.standard_normal(base.shape)
        received = float((claimed * direction).sum())
        correct, expected = objective.check_slope({name: direction}, received, scale, STEP / 4)
        if not correct:
            sample = rng.choice(base.size, min(base.size, 4 * MAX_ELEMENTS), replace=False)
            check_elements(objective, name, claimed, where, sample)
            raise _wrong(name, where, f"along a random direction: expected {expected:.6g}, received {received:.6g}")


def check_elements(
    objective: Objective,
    name: str,
    claimed: np.ndarray,
    where: str,
    indices: Iterable[int],
    bounds: tuple[np.ndarray, np.ndarray] | None = None,
) -> None:
    """Check single elements of one derivative; the Fault describes all of them.

    ``bounds``, the smallest and largest values that the derivative takes nearby, makes every value between them
    correct.
    """
    expected = claimed.astype(float).copy()
    wrong, checked = np.zeros(claimed.shape, bool), np.zeros(claimed.shape, bool)
    scale = max(np.abs(claimed).max(initial=0.0), 1e-2)
    for i in indices:
        direction = np.zeros(claimed.shape)
        direction.flat[i], checked.flat[i] = 1.0, True
        correct, derivative = objective.check_slope({name: direction}, float(claimed.flat[i]), scale)
        if not correct and not (bounds and bounds[0].flat[i] <= claimed.flat[i] <= bounds[1].flat[i]):
            expected.flat[i], wrong.flat[i] = derivative, True
    if wrong.any():
        region = wrong_region(objective.value(name), wrong, checked)
        problem = describe_difference(claimed, expected)
        if not checked.all():
            problem = problem.replace(f" of {wrong.size} elements", f" of {checked.sum()} checked elements")
        raise _wrong(name, where, f"{problem}; {region}" if region and "elements differ" in problem else problem)


def _check_jointly(objective: Objective, claimed: Arrays, where: str) -> None:
    """Check along directions in all variables: derivatives that are correct one by one may disagree at ties."""
    rng = np.random.default_rng(6)
    for kind in ("random", "ones"):
        directions = {
            n: rng.standard_normal(a.shape) if kind == "random" else np.ones(a.shape) for n, a in claimed.items()
        }
        received = float(sum((claimed[n] * d).sum() for n, d in directions.items()))
        scale = max(1e-2, *(np.abs(a).max(initial=0.0) * np.sqrt(a.size) for a in claimed.values()))
        correct, expected = objective.check_slope(directions, received, scale, STEP / 4)
        if not correct:
            problem = f"along a direction in all of them: expected {expected:.6g}, received {received:.6g}"
            raise _wrong(" and ".join(claimed), where, problem)


def _wrong(name: str, where: str, problem: str) -> Fault:
    what = f"the error for {name}" if name.startswith("input") else f"the gradient of {name}"
    rule = "pull" if name.startswith("input") else "grad"
    return fault(f"{what} ({rule}) is not the derivative{f', {where}' if where else ''}: {problem}")
