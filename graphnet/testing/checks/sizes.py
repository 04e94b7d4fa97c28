"""Derivatives and traits for inputs of other shapes than the case's: ranks, sizes, long sequences."""

from __future__ import annotations

import warnings

import numpy as np

from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.run.runner import Runner
from graphnet.testing.buffers import Arrays, BufferSnapshot
from graphnet.testing.check import check
from graphnet.testing.derivatives import check_derivatives
from graphnet.testing.failures import Fault, fault, short
from graphnet.testing.harness import Harness
from graphnet.testing.passes import PassResult
from graphnet.testing.variants import LONG, MODERATE, Variant, bound, is_accepted, long_sequence, more_axes, other_sizes


@check("derivative")
def other_ranks(harness: Harness) -> None:
    """The shapes and derivatives for inputs with one and two more axes, if infer accepts them; a rowwise layer
    computes the same as with these axes flattened."""
    harness.require(not harness.fixed, "the values of the inputs are fixed")
    tried = [variant for variant in more_axes(harness) if _check(harness, variant)]
    harness.require(tried, "inputs with more axes are refused")
    if {"rowwise", "elementwise"} & harness.capabilities:
        _check_flattened(harness, tried[0])


@check("derivative")
def other_sizes_of_axes(harness: Harness) -> None:
    """The shapes and derivatives for other sizes of each axis except batch and time, odd and even ones, if infer
    accepts them."""
    harness.require(not harness.fixed, "the values of the inputs are fixed")
    tried = [variant for variant in other_sizes(harness) if _check(harness, variant)]
    harness.require(tried, "other sizes are refused")


@check("derivative", "sequence")
def long_sequences(harness: Harness) -> None:
    """The derivatives for a sequence of more than 64 steps; a layer that treats steps independently in a short one
    does so in a long one."""
    harness.require(not harness.fixed, "the values of the inputs are fixed")
    variant = long_sequence(harness)
    harness.require(is_accepted(harness, variant.shapes), f"infer refuses {LONG} steps")
    if _treats_steps_independently(harness, harness.steps or 1):
        independent = _treats_steps_independently(harness, LONG)
        harness.expect(independent, f"in a sequence of {LONG} steps, the result of a step depends on its position")
    harness.require(_check(harness, variant), f"{LONG} steps give no moderate results")


def _check(harness: Harness, variant: Variant) -> bool:
    """Check the derivatives for other shapes; return whether that was possible."""
    prepared = bound(harness, variant)
    if prepared is None:
        return False
    runner, values = prepared
    try:
        if not _differentiable(harness, variant, runner, values):
            return False
        check_derivatives(harness, values, runner=runner, where=str(variant), elementwise=False)
    except Fault:
        raise
    except Exception:  # refused by the rule itself
        harness.note_untried(f"{variant.what}, with which a rule fails")
        return False
    return True


def _differentiable(harness: Harness, variant: Variant, runner: Runner, values: Arrays) -> bool:
    """Return whether finite differences are meaningful: not in a network that has become chaotic over many steps, nor
    where an axis of one element makes a spread zero. In the first case, smaller weights are tried."""
    for _ in range(2):
        buffers = BufferSnapshot(runner.layers.values())
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                result = harness.run(values, runner)
            except Exception as error:
                if any(shape.rank != harness.shapes[name].rank for name, shape in variant.shapes.items()):
                    harness.note_untried(f"{variant.what}, with which a rule fails")  # a layer of one rank, loudly
                    return False
                raise fault(
                    f"infer and apply accept it, but the backward pass fails, {variant}: {short(error)}"
                ) from error
        buffers.restore()
        arrays = [a for a in (*result.input_errors.values(), *result.gradients.values()) if a is not None]
        largest = max((float(np.abs(a).max(initial=0.0)) for a in arrays), default=0.0)
        if largest < np.sqrt(MODERATE):
            return True
        if not np.isfinite(largest):
            return not any(size == 1 for shape in variant.shapes.values() for size in shape.sizes)
        for parameter in runner.parameters.values():
            parameter.value = parameter.value / 2
    harness.note_untried(f"{variant.what}, whose derivatives are too large")
    return False


def _check_flattened(harness: Harness, variant: Variant) -> None:
    """A rowwise layer computes the same after the axes before the last one are flattened."""
    prepared = bound(harness, variant)
    names = list(variant.shapes)
    if prepared is None or not all(shape.rank == 2 for shape in harness.shapes.values()):
        return
    runner, values = prepared
    phase = harness.deterministic_phase
    whole = harness.run(values, runner, phase=phase)
    flat = {name: array.reshape(-1, array.shape[-1]) for name, array in values.items()}
    if len({len(array) for array in flat.values()}) != 1:
        return
    errors = {name: error.reshape(-1, error.shape[-1]) for name, error in whole.errors.items()}
    rows = harness.run(flat, harness.runner(), phase=phase, errors=errors)
    for name, array in rows.outputs.items():
        harness.assert_close(
            whole.outputs[name].reshape(array.shape), array, f"{variant.what}: output {name!r} of flattened rows"
        )
    for name in names:
        actual, desired = whole.input_errors[name], rows.input_errors[name]
        if actual is not None and desired is not None:
            what = f"{variant.what}: error for {name!r} of flattened rows"
            harness.assert_close(actual.reshape(desired.shape), desired, what)


def _treats_steps_independently(harness: Harness, steps: int) -> bool:
    """Return whether outputs of steps in another order are those outputs in that order."""
    shapes = harness.sized(steps=steps)
    timed = [name for name, shape in shapes.items() if shape.names[:2] == (TIME, BATCH)]
    if len(timed) != len(shapes):
        return False
    values, phase = harness.values(3, shapes=shapes), harness.deterministic_phase
    order = np.random.default_rng(8).permutation(steps)

    def outputs(arrays: dict[str, np.ndarray]) -> PassResult:
        return harness.run(arrays, harness.runner(), phase=phase, errors=False)

    whole, moved = outputs(values).outputs, outputs({name: array[order] for name, array in values.items()}).outputs
    return all(
        len(y) == steps and y.ndim > 1 and np.allclose(moved[name], y[order], rtol=1e-9, atol=1e-12)
        for name, y in whole.items()
    )
