"""Run a trial on two backends and compare outputs, errors and gradients."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

import graphnet
from fuzz.build import graph_of
from fuzz.recipe import Trial
from graphnet import Phase, Runner

#: Maximum difference in float64 and float32, relative to the largest number of an array or 1.
TOLERANCE, SINGLE_TOLERANCE = 1e-9, 1e-5
#: A trial with larger numbers is not compared: rounding alone would make them differ.
LARGEST = 1e6


@dataclass(frozen=True)
class Failure:
    """A difference between the backends, or an exception of one."""

    problem: str


class NotCompared(Exception):
    """Rounding alone would make the results of a trial differ."""


class Overflows(NotCompared):
    """The numbers of a trial grow too large to be compared."""


class IllConditioned(NotCompared):
    """The reference backend has results as different as those found where its inputs differ by a rounding of the dtype."""


def difference(trial: Trial, backend: str = "numpy") -> Failure | None:
    """Return how a backend differs from the reference backend; None if it does not.

    Raises
    ------
    Overflows
        If the reference backend overflows.
    IllConditioned
        If a result is off, and rounding of its inputs and weights moves that of the reference in float64 as much: by
        half a unit of float32 where the trial is in float32, else by a unit of float64.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = reference(trial)
        try:
            with np.errstate(all="ignore"):
                actual = results(trial, backend, trial.passes)
        except Exception as error:
            return Failure(f"{type(error).__name__}: {error}")
    for name, array in expected.items():
        problem = _mismatch(actual.get(name), array, SINGLE_TOLERANCE if trial.single else TOLERANCE)
        if problem:
            if problem.startswith("off") and _moves(trial, name, np.abs(actual[name] - array).max()):
                raise IllConditioned(f"{name}: {problem}")
            return Failure(f"{name}: {problem}")
    return None


def _moves(trial: Trial, name: str, off: float) -> bool:
    """Whether float64 results move by a tenth of ``off`` where rounding moves inputs and weights.

    A backend rounds at every operation and not only at the inputs, hence the tenth.
    """
    size = 2.0**-24 if trial.single else 2.0**-52
    double = replace(trial, single=False)
    exact = results(double, "reference", None)[name]
    moved = [
        results(double, "reference", None, partial(_moved, np.random.default_rng(k), size))[name] for k in range(6)
    ]
    return max(float(np.abs(m - exact).max(initial=0.0)) for m in moved) >= 0.1 * float(off)


def reference(trial: Trial) -> dict[str, Any]:
    """The results of the reference backend."""
    try:
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            expected = results(trial, "reference", None)
    except FloatingPointError as error:
        raise Overflows(str(error)) from None
    if any(a is not None and a.size and np.abs(a).max() > LARGEST for a in expected.values()):
        raise Overflows(f"numbers over {LARGEST:g}")
    return expected


def _mismatch(actual: Any, expected: Any, tolerance: float) -> str:
    if (actual is None) != (expected is None):
        return "missing" if actual is None else "not expected"
    if expected is None:
        return ""
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return f"{actual.dtype} {actual.shape} instead of {expected.dtype} {expected.shape}"
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    off = float(np.abs(actual - expected).max(initial=0.0))
    return "" if off <= tolerance * scale else f"off by {off:.3g}, values up to {scale:.3g}"


def _moved(rng: np.random.Generator, size: float, array: Any) -> Any:
    """The numbers of an array, each moved by at most ``size`` of itself."""
    return array * (1.0 + size * rng.uniform(-1.0, 1.0, array.shape))


def results(trial: Trial, backend: str, passes: Any, nudge: Callable[[Any], Any] | None = None) -> dict[str, Any]:
    """Outputs, input errors and gradients by name; ``nudge`` moves inputs and weights."""

    def rounded(array: Any) -> Any:
        return array if nudge is None else nudge(array)

    graphnet.seed(trial.seed)
    runner = Runner(graph_of(trial), backend=backend, passes=passes)
    runner.materialize()
    rng = np.random.default_rng(trial.seed)
    for parameter in runner.parameters.values():
        scale = 0.7 * min(1.0, (12.0 / max((1, *parameter.value.shape))) ** 0.5)  # wide sums must not saturate
        parameter.value = rounded(rng.normal(size=parameter.value.shape) * scale)
    sizes = {"sequence": (trial.steps, trial.batch), "rows": (trial.batch,)}
    inputs = {
        name: rounded(rng.normal(size=(*sizes[kind], width))).astype("float32" if trial.single else "float64")
        for (name, width), kind in zip(trial.graph.inputs, trial.axes, strict=True)
    }
    if backend != "reference" and not runner.buffers:  # the state of an earlier pass must not matter
        _once(runner, trial, {name: np.cos(x) for name, x in inputs.items()}, rng.spawn(1)[0], whole=True)
    graphnet.seed(trial.seed)
    return _once(runner, trial, inputs, rng, whole=False)


def _once(
    runner: Runner, trial: Trial, inputs: dict[str, Any], rng: np.random.Generator, whole: bool
) -> dict[str, Any]:
    """One pass forward and backward; ``whole`` leaves the lengths out."""
    lengths = None if whole else trial.lengths
    outputs = runner.forward(
        inputs,
        phase=Phase.train if trial.train else Phase.test,
        lengths=lengths,
        input_errors=trial.input_errors,
    )
    errors = {name: rng.normal(size=outputs[name].shape) for name, _ in trial.graph.outputs}
    pulled = runner.backward({name: errors[name] for name in trial.errors})
    # Programs without a backward pass differ. (Running statistics exist only after the training pass.)
    forward_only = runner.forward(inputs, phase=Phase.test, lengths=lengths, keep=False)
    result: dict[str, Any] = {f"output {name}": array for name, array in outputs.items()}
    result |= {f"forward only, output {name}": array for name, array in forward_only.items()}
    result |= {f"error of {name}": array for name, array in pulled.items()}
    return result | {f"gradient of {name}": p.gradient for name, p in runner.parameters.items()}
