"""Input errors and weight gradients equal finite-difference derivatives."""

from __future__ import annotations

import warnings

import numpy as np

from graphnet.core.phase import Phase
from graphnet.core.run.runner import Runner
from graphnet.testing.buffers import Arrays, BufferSnapshot
from graphnet.testing.check import check
from graphnet.testing.checks.basics import input_subsets, size_variants
from graphnet.testing.derivatives import MAX_ELEMENTS, Objective, check_derivatives, check_elements
from graphnet.testing.harness import Harness
from graphnet.testing.passes import forward

#: Rows of a large batch: more than one block of any backend.
MANY = 300


@check("derivative")
def input_errors(harness: Harness) -> None:
    """The error for every input, element by element, with and without the optional inputs."""
    harness.require(len(harness.integer) < len(harness.names), "every input holds integers")
    for provided in input_subsets(harness):
        values = harness.values(without=set(harness.names) - set(provided))
        where = "" if len(provided) == len(harness.names) else "without the optional inputs"
        check_derivatives(harness, values, where=where, only=lambda name: name.startswith("input"))


@check("derivative", "weights")
def weight_gradients(harness: Harness) -> None:
    """The gradient of every weight, element by element, summed over the batch."""
    check_derivatives(harness, harness.values(), only=lambda name: name.startswith("weight"))


@check("derivative")
def each_output(harness: Harness) -> None:
    """For a layer with several outputs, the derivatives of each output alone."""
    names = list(harness.graph().outputs)
    harness.require(len(names) > 1, "there is one output")
    for name in names:
        where = f"of output {name!r} alone"
        check_derivatives(harness, harness.values(), where=where, only_output=name, elementwise=False)


@check("derivative")
def batch_sizes(harness: Harness) -> None:
    """The derivatives for other numbers of rows and steps: one, two more, and three hundred rows."""
    harness.require(not harness.fixed and (harness.batch or harness.steps), "the sizes of the inputs are fixed")
    variants = size_variants(harness)[1:]
    if harness.batch is not None:
        variants.append((MANY, min(harness.steps, 2) if harness.steps else None))
    for rows, steps in variants:
        where = " and ".join(f"with {n} {what}" for n, what in ((rows, "rows"), (steps, "steps")) if n is not None)
        check_derivatives(harness, harness.values(rows=rows, steps=steps), where=where, elementwise=False)


@check("derivative")
def scales(harness: Harness) -> None:
    """The derivatives for small and for large inputs, with other weights and inputs each time."""
    harness.require(harness.domain is None and not harness.fixed, "the inputs are from a bounded domain")
    checked = 0
    for scale, seed in ((0.03, 1), (1.0, 2), (4.0, 3), (30.0, 4)):
        values = harness.values(seed, scale=scale)
        runner = harness.set_weights(harness.untruncated_runner(values), seed)
        if _is_moderate(values, runner):
            where = f"for inputs of size {scale:g}"
            check_derivatives(harness, values, runner=runner, where=where, elementwise=False)
            checked += 1
    harness.require(checked, "no scale gives finite results")


def _is_moderate(values: Arrays, runner: Runner) -> bool:
    """Return whether all outputs are finite and below 1e6."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        outputs = forward(runner, values, Phase.train)
    return all(np.isfinite(y).all() and np.abs(y).max(initial=0) < 1e6 for y in outputs.values())


@check("derivative", "phases")
def in_test_phase(harness: Harness) -> None:
    """The derivatives in the test phase, after two batches in the train phase."""
    runner = harness.untruncated_runner(harness.values())
    for seed in range(2):  # so that running statistics differ from their initial values
        harness.run(harness.values(seed), runner)
    check_derivatives(harness, harness.values(7), runner=runner, phase=Phase.test, where="in the test phase")


@check("derivative")
def ties(harness: Harness) -> None:
    """At equal elements and at zeros, the error lies between the left and the right derivative, or between the errors
    at nearby inputs; and the errors add up.
    """
    free = harness.domain is None and not harness.fixed and not harness.integer
    harness.require(free, "the inputs cannot be chosen freely")
    values = _tied_values(harness)
    runner = harness.runner()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        first = harness.run(values, harness.runner())
    harness.require(all(np.isfinite(a).all() for _, a in first.results()), "it is not finite at such inputs")
    outputs = forward(runner, values, Phase.train)
    errors = {name: 0.5 + np.abs(error) for name, error in harness.errors(outputs).items()}
    input_errors = {n: a for n, a in harness.run(values, runner, errors=errors).input_errors.items() if a is not None}
    objective = Objective(harness, runner, values, Phase.train, errors)
    nearby = _nearby_errors(harness, values, errors)
    for name, array in input_errors.items():
        if array.size <= 4 * MAX_ELEMENTS:
            indices = range(array.size)
            check_elements(objective, f"input {name!r}", array, "at ties and zeros", indices, nearby[name])
            harness.comparisons += 1
    if "weights" not in harness.capabilities and not _kinks_are_independent(harness, values, errors):
        total = float(sum(array.sum() for array in input_errors.values()))
        size = max(1e-2, *(np.abs(array).sum() for array in input_errors.values()))
        ones = {f"input {name!r}": np.ones(array.shape) for name, array in input_errors.items()}
        correct, derivative = objective.check_slope(ones, total, size)
        harness.expect(
            correct,
            "at ties, the sum of the errors is wrong",
            expected=f"{derivative:.6g}",
            received=f"{total:.6g}",
        )


def _tied_values(harness: Harness) -> Arrays:
    """Return whole numbers, in which many elements are equal, also between inputs of one shape."""
    values = {name: np.round(array) for name, array in harness.values(9).items()}
    rng = np.random.default_rng(10)
    first = next(iter(values.values()))
    for name, array in values.items():
        if array is not first and array.shape == first.shape:
            values[name] = np.where(rng.random(array.shape) < 0.5, first, array)
    return values


def _kinks_are_independent(harness: Harness, values: Arrays, errors: Arrays) -> bool:
    """Return whether the side of a kink on which one input element lies changes the error of that element only.

    Then errors at several kinks need not add up to a derivative along a common direction: of HardTanh at -1 and at 1,
    any two numbers between 0 and 1 are correct. At a tie, such as of two maxima, they must.
    """
    if sum(array.size for array in values.values()) > MAX_ELEMENTS:
        return False
    rng = np.random.default_rng(15)
    signs = {
        name: rng.choice([-1.0, 1.0], array.shape) * rng.uniform(0.7, 1.3, array.shape)
        for name, array in values.items()
    }

    def input_errors() -> np.ndarray:
        moved = {name: array + 1e-3 * signs[name] for name, array in values.items()}
        found = harness.run(moved, harness.runner(), errors=errors).input_errors
        return np.concatenate(
            [
                (np.zeros(values[n].shape) if found[n] is None else np.broadcast_to(found[n], values[n].shape)).ravel()
                for n in values
            ]
        )

    base, at = input_errors(), 0
    slack = 0.02 * np.abs(base).max(initial=1e-2)
    for sign in signs.values():
        for i in range(sign.size):
            sign.flat[i] *= -1
            others = np.abs(input_errors() - base)
            sign.flat[i] *= -1
            others[at] = 0.0
            if others.max() > slack:
                return False
            at += 1
    return True


def _nearby_errors(harness: Harness, values: Arrays, errors: Arrays) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the smallest and the largest of each error at nearby inputs without ties."""
    rng, samples = np.random.default_rng(12), []
    for _ in range(24):
        moved = {name: array + 1e-3 * rng.standard_normal(array.shape) for name, array in values.items()}
        samples.append(harness.run(moved, harness.runner(), errors=errors).input_errors)
    bounds = {}
    for name in values:
        stack = np.stack([np.zeros(1) if sample[name] is None else sample[name] for sample in samples])
        slack = 0.02 * np.abs(stack).max(initial=0.0)
        bounds[name] = stack.min(axis=0) - slack, stack.max(axis=0) + slack
    return bounds


@check("linear")
def linear_errors(harness: Harness) -> None:
    """The backward pass is linear in the error, for large and for small errors."""
    values, runner = harness.values(), harness.runner()
    buffers = BufferSnapshot(runner.layers.values())

    def backward(errors: Arrays) -> Arrays:
        buffers.restore()
        return dict(harness.run(values, runner, errors=errors).results())

    outputs = harness.run(values, runner, errors=False).outputs
    first, second = harness.errors(outputs, 1), harness.errors(outputs, 2)
    from_first, from_second = backward(first), backward(second)
    for a, b in ((1e5, -3e4), (1e-6, 2e-6), (0.0, 0.0)):
        combined = backward({n: a * first[n] + b * second[n] for n in first})
        for name, array in combined.items():
            if not name.startswith("output"):
                x, y = from_first[name], from_second[name]
                scale = max(np.abs(x).max(initial=0), np.abs(y).max(initial=0), 1e-9) * max(abs(a), abs(b), 1e-9)
                harness.expect(
                    np.abs(array - (a * x + b * y)).max(initial=0.0) <= 1e-10 * scale,
                    f"{name} is not linear in the error",
                    expected=f"errors of size {a:g} to be propagated like those of size 1",
                )
