"""Errors and gradients are the derivatives, by numbers."""

from __future__ import annotations

import warnings

import numpy as np

from graphnet.core.phase import Phase
from graphnet.core.run.runner import Runner
from graphnet.testing import derivatives
from graphnet.testing.check import check
from graphnet.testing.checks.passes import provisions, sizes
from graphnet.testing.subject import Arrays, Subject, forward

#: Rows of a large batch: more than any block that a backend works in.
MANY = 300


@check("derivative")
def input_errors(s: Subject) -> None:
    """The error for every input, each number of it, with and without the optional inputs."""
    s.require(len(s.integer) < len(s.names), "every input is whole numbers")
    for provided in provisions(s):
        values = s.values(without=set(s.names) - set(provided))
        where = "" if len(provided) == len(s.names) else "without the optional inputs"
        s.looked += derivatives.check(s, values, where=where, only=_inputs)


def _inputs(name: str) -> bool:
    return name.startswith("input")


@check("derivative", "weights")
def weight_gradients(s: Subject) -> None:
    """The gradient of every weight, each number of it, summed over the batch."""
    s.looked += derivatives.check(s, s.values(), only=lambda name: name.startswith("weight"))


@check("derivative")
def outputs_apart(s: Subject) -> None:
    """With several outputs, the derivatives of each alone."""
    names = list(s.graph().outputs)
    s.require(len(names) > 1, "there is one output")
    for name in names:
        s.looked += derivatives.check(s, s.values(), where=f"of output {name!r} alone", only_output=name, full=False)


@check("derivative")
def batch_sizes(s: Subject) -> None:
    """The derivatives for other numbers of rows and steps: one, a few more, and three hundred rows."""
    s.require(not s.fixed and (s.batch or s.steps), "the sizes of the inputs are fixed")
    wanted = sizes(s)[1:]
    if s.batch is not None:
        wanted.append((MANY, min(s.steps, 2) if s.steps else None))
    for rows, steps in wanted:
        where = " and ".join(f"with {n} {what}" for n, what in ((rows, "rows"), (steps, "steps")) if n is not None)
        s.looked += derivatives.check(s, s.values(rows=rows, steps=steps), where=where, full=False)


@check("derivative")
def scales(s: Subject) -> None:
    """The derivatives for small and for large inputs, and at other weights and inputs than the first."""
    s.require(s.domain is None and not s.fixed, "the inputs are from a bounded domain")
    done = 0
    for scale, seed in ((0.03, 1), (1.0, 2), (4.0, 3), (30.0, 4)):
        values = s.values(seed, scale=scale)
        runner = s.with_weights(s.exact_runner(values), seed)
        if not _finite(s, values, runner):
            continue
        s.looked += derivatives.check(s, values, runner=runner, where=f"for inputs of size {scale:g}", full=False)
        done += 1
    s.require(done, "no scale gives finite results")


def _finite(s: Subject, values: Arrays, runner: Runner) -> bool:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        outputs = forward(runner, values, Phase.train)
    return all(np.isfinite(y).all() and np.abs(y).max(initial=0) < 1e6 for y in outputs.values())


@check("derivative", "phases")
def in_test_phase(s: Subject) -> None:
    """The derivatives in the test phase."""
    runner = s.exact_runner(s.values())
    for seed in range(2):  # so that running statistics are something else than what they start as
        s.run(s.values(seed), runner)
    s.looked += derivatives.check(s, s.values(7), runner=runner, phase=Phase.test, where="in the test phase")


@check("derivative")
def ties(s: Subject) -> None:
    """At equal numbers and at zeros, what comes back is between the left and the right derivative, or between what
    comes back close by; and it adds up.
    """
    s.require(s.domain is None and not s.fixed and not s.integer, "the inputs are not free")
    values = {name: np.round(array) for name, array in s.values(9).items()}
    runner = s.runner()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        passed = s.run(values, s.runner())
    s.require(all(np.isfinite(a).all() for _, a in passed.results()), "it is not finite at such inputs")
    first = forward(runner, values, Phase.train)
    errors = {name: 0.5 + np.abs(error) for name, error in s.errors(first).items()}
    passed = s.run(values, runner, errors=errors)
    objective = derivatives.Objective(s, runner, values, Phase.train, errors)
    near = _close_by(s, values, errors)
    for name, array in passed.pulled.items():
        if array is not None and array.size <= 4 * derivatives.ALL:
            derivatives.entries(objective, f"input {name!r}", array, "at ties and zeros", range(array.size), near[name])
            s.looked += 1
    if "weights" not in s.capabilities and len(s.names) == 1:
        found = {f"input {n!r}": a for n, a in passed.pulled.items() if a is not None}
        ones = {name: np.ones(array.shape) for name, array in found.items()}
        got = float(sum(array.sum() for array in found.values()))
        size = max(1e-2, *(np.abs(array).sum() for array in found.values()))
        right, true = derivatives.slope(objective.along(ones), got, size)
        s.expect(right, "at ties, errors do not add up", expected=f"{true:.6g} in all", received=f"{got:.6g}")


def _close_by(s: Subject, values: Arrays, errors: Arrays) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The smallest and the largest of each error at inputs close by, where nothing is tied any more."""
    rng, tried = np.random.default_rng(12), []
    for _ in range(24):
        moved = {name: array + 1e-3 * rng.standard_normal(array.shape) for name, array in values.items()}
        tried.append(s.run(moved, s.runner(), errors=errors).pulled)
    found = {}
    for name in values:
        stack = np.stack([np.zeros(1) if back[name] is None else back[name] for back in tried])
        slack = 0.02 * np.abs(stack).max(initial=0.0)
        found[name] = stack.min(axis=0) - slack, stack.max(axis=0) + slack
    return found


@check("linear")
def linear_errors(s: Subject) -> None:
    """What comes back is linear in the error, for large and for small errors."""
    values, runner = s.values(), s.runner()
    buffers = [(layer, layer.buffer_values) for layer in runner.layers.values()]

    def back(errors: Arrays) -> Arrays:
        for layer, kept in buffers:
            layer.store.replace_buffers(kept)
        return dict(s.run(values, runner, errors=errors).results())

    outputs = s.run(values, runner, errors=False).outputs
    first, second = s.errors(outputs, 1), s.errors(outputs, 2)
    one, two = back(first), back(second)
    for a, b in ((1e5, -3e4), (1e-6, 2e-6), (0.0, 0.0)):
        both = back({n: a * first[n] + b * second[n] for n in first})
        for name, array in both.items():
            if not name.startswith("output"):
                size = max(np.abs(one[name]).max(initial=0), np.abs(two[name]).max(initial=0), 1e-9) * max(
                    abs(a), abs(b), 1e-9
                )
                expected = a * one[name] + b * two[name]
                problem = np.abs(array - expected).max(initial=0.0) <= 1e-10 * size
                s.expect(
                    problem,
                    f"{name} is not linear in the error",
                    expected=f"errors of size {a:g} to go through like others",
                )
