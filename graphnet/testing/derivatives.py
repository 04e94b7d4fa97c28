"""Numeric derivatives of passes through a graph: the oracle of the gradient checks.

``L = Σ output · error`` is differentiated by central differences with one Richardson step (error of order h⁴). Where
the left and the right derivative differ (a kink, a tie), anything between the two is right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from graphnet.core.phase import Phase
from graphnet.core.run.runner import Runner
from graphnet.testing.check import Fault, fault
from graphnet.testing.subject import Arrays, Passed, Subject, forward
from graphnet.testing.words import difference

#: Numbers of one array up to which every single one is checked; of larger ones, random projections.
ALL = 120
#: Random directions for what is larger.
DIRECTIONS = 4
TOLERANCE = 2e-6
#: What is this close needs no second look; what lies between is looked at with other steps, to see how exact they are.
CLOSE = 1e-8
STEP = 1e-4


class Objective:
    """``L`` as a function of the inputs and weights, with the random draws, the buffers and the errors held fixed."""

    def __init__(
        self, subject: Subject, runner: Runner, values: Arrays, phase: Phase, errors: Arrays, lengths: Any = None
    ) -> None:
        self.runner, self.values, self.phase, self.errors, self.lengths = runner, dict(values), phase, errors, lengths
        self.variables = {f"input {n!r}": n for n in values if n not in subject.integer}
        self.parameters = {f"weight {name!r}": p for name, p in runner.parameters.items()}
        self.buffers = [(layer, layer.buffer_values) for layer in runner.layers.values()]

    def value(self, name: str) -> np.ndarray:
        """One variable as it is."""
        parameter = self.parameters.get(name)
        return self.values[self.variables[name]] if parameter is None else parameter.value

    def put(self, name: str, array: np.ndarray) -> None:
        """Another value for one variable."""
        if name in self.parameters:
            self.parameters[name].value = array
        else:
            self.values[self.variables[name]] = array

    def __call__(self) -> float:
        """``L`` at the variables as they are."""
        for layer, kept in self.buffers:
            layer.store.replace_buffers(kept)
        outputs = forward(self.runner, self.values, self.phase, self.lengths)
        return float(sum((outputs[name] * error).sum() for name, error in self.errors.items()))

    def along(self, directions: Arrays) -> Callable[[float], float]:
        """``L`` along a line through the present variables."""
        base = {name: self.value(name).copy() for name in directions}

        def at(step: float) -> float:
            for name, direction in directions.items():
                self.put(name, base[name] + step * direction)
            try:
                return self()
            finally:
                for name, array in base.items():
                    self.put(name, array)

        return at


def slope(f: Callable[[float], float], found: float, scale: float, step: float = STEP) -> tuple[bool, float]:
    """Whether ``found`` is the derivative of ``f`` at 0, and what that is, to a tolerance relative to ``scale``."""
    up, down, high, low = f(step), f(-step), f(step / 2), f(-step / 2)
    coarse, fine = (up - down) / (2 * step), (high - low) / step
    best = (4 * fine - coarse) / 3
    if abs(best - found) <= TOLERANCE * scale:
        return abs(best - found) <= CLOSE * scale or _within_noise(f, found, best, scale, step), best
    middle, small, slack = f(0.0), step / 64, 1e-4 * scale
    right, left = (f(small) - middle) / small, (middle - f(-small)) / small
    if abs(right - left) > 10 * slack or max(abs(right), abs(left)) > 1e3 * scale:
        jump = max(abs(f(small / 64) - middle), abs(f(-small / 64) - middle))
        if jump > 0.5 * small * max(abs(right), abs(left)):
            return bool(np.isfinite(found)), 0.0  # no derivative here at all
        # a kink just here
        return min(left, right) - slack <= found <= max(left, right) + slack, (left + right) / 2
    if abs(coarse - fine) <= 0.2 * TOLERANCE * scale:
        return False, best
    return abs(found - (left + right) / 2) <= slack, (left + right) / 2


def _within_noise(f: Callable[[float], float], found: float, best: float, scale: float, step: float) -> bool:
    """Whether ``found`` is as far from the numeric derivatives of several steps as those are from each other."""
    tried = [best]
    for factor in (0.37, 0.61, 1.7, 2.9):
        h = step * factor
        tried.append((8 * (f(h / 2) - f(-h / 2)) - (f(h) - f(-h))) / (6 * h))
    spread = max(tried) - min(tried)
    return bool(min(tried) - spread - CLOSE * scale <= found <= max(tried) + spread + CLOSE * scale)


def check(
    subject: Subject,
    values: Arrays,
    *,
    runner: Runner | None = None,
    phase: Phase = Phase.train,
    lengths: Any = None,
    where: str = "",
    only: Callable[[str], bool] = lambda name: True,
    only_output: str | None = None,
    full: bool = True,
) -> int:
    """Compare errors for the inputs and gradients of the weights with numeric derivatives.

    Raises
    ------
    Fault
        For the first variable whose derivative is another one.
    """
    runner = subject.exact_runner(values) if runner is None else runner
    buffers = [(layer, layer.buffer_values) for layer in runner.layers.values()]
    first = subject.run(values, runner, phase=phase, lengths=lengths)
    errors = {n: e for n, e in first.errors.items() if only_output in (None, n)}
    for layer, kept in buffers:
        layer.store.replace_buffers(kept)
    passed = subject.run(values, runner, phase=phase, lengths=lengths, errors=errors)
    for layer, kept in buffers:
        layer.store.replace_buffers(kept)
    objective = Objective(subject, runner, values, phase, errors, lengths)
    found = {name: array for name, array in _derivatives(subject, passed) if only(name)}
    for name, array in found.items():
        _one(objective, name, array, where, full)
    if found:
        _together(objective, found, where)
    return len(found)


def _derivatives(subject: Subject, passed: Passed) -> Iterator[tuple[str, np.ndarray]]:
    for name, array in passed.pulled.items():
        if name not in subject.integer:
            yield f"input {name!r}", np.zeros(1) if array is None else array
    yield from ((f"weight {name!r}", array) for name, array in passed.gradients.items())


def _one(objective: Objective, name: str, found: np.ndarray, where: str, full: bool) -> None:
    """One variable: every number of it, or projections."""
    base = objective.value(name)
    if found.shape != base.shape:
        raise _told(name, where, f"expected shape {base.shape}, received {found.shape}")
    if not np.isfinite(found).all():
        raise _told(name, where, difference(found, np.zeros_like(found)))
    if full and base.size <= ALL:
        entries(objective, name, found, where, range(base.size))
        return
    rng = np.random.default_rng(5)
    scale = max(np.abs(found).max(initial=0.0), 1e-2) * np.sqrt(base.size)
    for _ in range(DIRECTIONS):
        direction = rng.standard_normal(base.shape)
        right, expected = slope(objective.along({name: direction}), float((found * direction).sum()), scale, STEP / 4)
        if not right:
            entries(objective, name, found, where, rng.choice(base.size, min(base.size, 4 * ALL), replace=False))
            got = float((found * direction).sum())
            raise _told(name, where, f"along a random direction: expected {expected:.6g}, received {got:.6g}")


def entries(objective: Objective, name: str, found: np.ndarray, where: str, places: Any, also: Any = None) -> None:
    """Single numbers of one variable, each the derivative there; all that were looked at go into the message.

    ``also``, the smallest and the largest values of the error close by, makes what lies between them right as well.
    """
    expected, wrong = found.astype(float).copy(), False
    scale = max(np.abs(found).max(initial=0.0), 1e-2)
    for i in places:
        direction = np.zeros(found.shape)
        direction.flat[i] = 1.0
        right, true = slope(objective.along({name: direction}), float(found.flat[i]), scale)
        if not right and not (also is not None and also[0].flat[i] <= found.flat[i] <= also[1].flat[i]):
            expected.flat[i], wrong = true, True
    if wrong:
        raise _told(name, where, difference(found, expected))


def _together(objective: Objective, found: Arrays, where: str) -> None:
    """All variables at once: derivatives that are right one by one may not fit together where there are ties."""
    rng = np.random.default_rng(6)
    for kind in ("random", "ones"):
        directions = {
            n: rng.standard_normal(a.shape) if kind == "random" else np.ones(a.shape) for n, a in found.items()
        }
        got = float(sum((found[n] * d).sum() for n, d in directions.items()))
        scale = max(1e-2, *(np.abs(a).max(initial=0.0) * np.sqrt(a.size) for a in found.values()))
        right, expected = slope(objective.along(directions), got, scale, STEP / 4)
        if not right:
            raise _told(" and ".join(found), where, f"along a direction: expected {expected:.6g}, received {got:.6g}")


def _told(name: str, where: str, problem: str) -> Fault:
    what = f"the error for {name}" if name.startswith("input") else f"the gradient of {name}"
    rule = "pull" if name.startswith("input") else "grad"
    return fault(f"{what} ({rule}) is not the derivative{f', {where}' if where else ''}: {problem}")
