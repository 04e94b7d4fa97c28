"""Run a trial by two backends and compare everything that comes out."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphnet
from fuzz.build import graph_of
from fuzz.recipe import Trial
from graphnet import Phase, Runner

#: Greatest difference, relative to the largest number of an array, at least 1, in float64 and in float32.
TOLERANCE, SINGLE_TOLERANCE = 1e-9, 2e-3
#: A trial with larger numbers is not compared: a difference of two of them says nothing.
LARGEST = 1e6


@dataclass(frozen=True)
class Failure:
    """What went wrong: a difference, or an exception of one backend."""

    what: str


class Overflows(Exception):
    """The numbers of a trial grow too large to be compared."""


def difference(trial: Trial, backend: str = "numpy") -> Failure | None:
    """None where the backend gives what the reference backend gives.

    Raises
    ------
    Overflows
        If the reference backend overflows.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = reference(trial)
        try:
            with np.errstate(all="ignore"):
                found = results(trial, backend, trial.passes)
        except Exception as error:
            return Failure(f"{type(error).__name__}: {error}")
    for name, array in expected.items():
        problem = _unlike(found.get(name), array, SINGLE_TOLERANCE if trial.single else TOLERANCE)
        if problem:
            return Failure(f"{name}: {problem}")
    return None


def reference(trial: Trial) -> dict[str, Any]:
    """What the reference backend gives."""
    try:
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            expected = results(trial, "reference", None)
    except FloatingPointError as error:
        raise Overflows(str(error)) from None
    if any(a is not None and a.size and np.abs(a).max() > LARGEST for a in expected.values()):
        raise Overflows(f"numbers over {LARGEST:g}")
    return expected


def _unlike(found: Any, expected: Any, tolerance: float) -> str:
    if (found is None) != (expected is None):
        return "missing" if found is None else "not expected"
    if expected is None:
        return ""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return f"{found.dtype} {found.shape} instead of {expected.dtype} {expected.shape}"
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    off = float(np.abs(found - expected).max(initial=0.0))
    return "" if off <= tolerance * scale else f"off by {off:.3g}, values up to {scale:.3g}"


def results(trial: Trial, backend: str, passes: Any) -> dict[str, Any]:
    """Outputs, input errors and gradients by name."""
    graphnet.seed(trial.seed)
    runner = Runner(graph_of(trial), backend=backend, passes=passes)
    runner.materialize()
    rng = np.random.default_rng(trial.seed)
    for parameter in runner.parameters.values():
        parameter.value = rng.normal(size=parameter.value.shape) * 0.7
    sizes = {"sequence": (trial.steps, trial.batch), "rows": (trial.batch,)}
    inputs = {
        name: rng.normal(size=(*sizes[kind], width)).astype("float32" if trial.single else "float64")
        for (name, width), kind in zip(trial.graph.inputs, trial.axes, strict=True)
    }
    if backend != "reference" and not runner.buffers:  # what an earlier pass has left behind must not matter
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
    # Without a backward pass, programs are others. (Running statistics are there after the training pass only.)
    alone = runner.forward(inputs, phase=Phase.test, lengths=lengths, keep=False)
    found: dict[str, Any] = {f"output {name}": array for name, array in outputs.items()}
    found |= {f"kept nothing, output {name}": array for name, array in alone.items()}
    found |= {f"error of {name}": array for name, array in pulled.items()}
    return found | {f"gradient of {name}": p.gradient for name, p in runner.parameters.items()}
