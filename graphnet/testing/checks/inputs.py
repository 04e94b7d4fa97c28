"""Extreme inputs give finite results; invalid inputs raise graphnet's own errors."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import numpy as np

from graphnet.core.describe.axes import BATCH
from graphnet.core.errors import ConfigError, GraphnetError, RuleError
from graphnet.core.phase import Phase
from graphnet.core.run.runner import Runner
from graphnet.testing.buffers import Arrays
from graphnet.testing.check import check
from graphnet.testing.checks.standalone import forward_arguments, initialized_layer, require_default_axes
from graphnet.testing.failures import Fault, fault, short
from graphnet.testing.harness import Harness
from graphnet.testing.passes import PassResult
from graphnet.testing.variants import bound, is_accepted, long_sequence

#: The smallest integers, one of which an integer out of range must not count as.
IDS = 64


@check()
def extremes(harness: Harness) -> None:
    """Large finite inputs (up to 1e4) give no NaN in either pass, and no infinity if inputs of size 600 give moderate
    outputs; a row of zeros gives no NaN, if the domain of the case includes 0.
    """
    varied = not harness.fixed and len(harness.integer) < len(harness.names)
    low, high = harness.case.domain or (0.0, 0.0)
    zeros = varied and low <= 0.0 <= high
    if zeros:
        _check_zeros(harness)
    if not (varied and harness.domain is None):
        harness.require(zeros, "the inputs cannot be chosen freely")
        return
    for scale in (100.0, 1e4):
        result = _run_silently(harness, harness.values(3, scale=scale))
        finite = all(np.isfinite(array).all() for array in result.outputs.values())
        for name, array in result.results():
            if name.startswith("output") or finite:
                harness.expect(
                    not np.isnan(array).any(),
                    f"{name} has NaN for inputs of size {scale:g}",
                    expected="numbers; subtract the maximum before an exponential, avoid dividing by zero",
                )

    moderate, extreme = (_outputs_at(harness, size) for size in (600.0, 1e4))
    for name, array in extreme.items():
        overflow = np.isinf(array).any() and np.abs(moderate[name]).max(initial=0.0) < 1e12
        harness.expect(
            not overflow,
            f"output {name!r} is infinite for inputs of size 1e4",
            expected="a finite number, as for inputs of size 600: an exponential overflows",
        )


def _outputs_at(harness: Harness, size: float) -> Arrays:
    """Return the outputs for inputs of ± size."""
    values = {n: a if n in harness.integer else size * np.sign(a) for n, a in harness.values(3).items()}
    return _run_silently(harness, values, errors=False).outputs


def _check_zeros(harness: Harness) -> None:
    """A first row (and a first step) of zeros gives no NaN, in the output and in the errors for the inputs."""
    values = harness.values(3)
    for name, shape in harness.shapes.items():
        if name not in harness.integer:
            axis = shape.axis(BATCH) if shape.has(BATCH) else 0
            np.moveaxis(values[name], axis, 0)[0] = 0.0
    result = _run_silently(harness, values)
    for name, array in result.outputs.items():
        numbers = not np.isnan(array).any()
        harness.expect(numbers, f"output {name!r} has NaN for a row of zeros", expected="no division by zero")
    nan = [name for name, error in result.input_errors.items() if error is not None and np.isnan(error).any()]
    if nan and all(np.isfinite(array).all() for array in result.outputs.values()):
        near, far = (_slope_from_zeros(harness, values, result, step) for step in (1e-6, 1e-3))
        harness.expect(
            near > 1.5 * far,
            f"the error for {nan[0]!r} has NaN for a row of zeros",
            expected="numbers; the slopes there are finite",
        )


def _slope_from_zeros(harness: Harness, values: Arrays, result: PassResult, step: float) -> float:
    """Return the size of the change of the outputs along a random direction, divided by the step."""
    rng = np.random.default_rng(13)
    moved = {
        n: a if n in harness.integer else a + step * np.abs(rng.standard_normal(a.shape)) for n, a in values.items()
    }
    outputs = _run_silently(harness, moved, errors=False).outputs
    return max(float(np.abs(outputs[name] - array).max(initial=0.0)) for name, array in result.outputs.items()) / step


@check()
def domain_ends(harness: Harness) -> None:
    """At the ends of the case's domain, the output has no NaN, nor has the error where the slope is finite."""
    harness.require(harness.case.domain is not None, "the case gives no domain")
    assert harness.case.domain is not None
    low, high = harness.case.domain
    rng = np.random.default_rng(14)
    for ends in ((low, high), (low,), (high,)):
        values = {
            name: array
            if name in harness.integer or name in harness.fixed
            else np.where(rng.random(array.shape) < 0.6, rng.choice(ends, array.shape), array)
            for name, array in harness.values(3).items()
        }
        result, place = _run_silently(harness, values), f"at {' and '.join(f'{end:g}' for end in ends)}"
        for name, array in result.outputs.items():
            harness.expect(
                not np.isnan(array).any(),
                f"output {name!r} has NaN {place}, the ends of its domain",
                expected="numbers; the domain includes its ends",
            )
        _check_errors_at_ends(harness, values, result, place)


def _check_errors_at_ends(harness: Harness, values: Arrays, result: PassResult, place: str) -> None:
    """The error has no NaN at the ends of the domain, unless the slope towards the middle is infinite there."""
    if not all(np.isfinite(array).all() for array in result.outputs.values()):
        return
    assert harness.case.domain is not None
    low, high = harness.case.domain
    for name, error in result.input_errors.items():
        if error is None or not np.isnan(error).any() or name in harness.integer or name in harness.fixed:
            continue
        inward = np.where(np.isnan(error), np.sign((low + high) / 2 - values[name]), 0.0)
        slopes = []
        for step in (1e-6 * (high - low), 1e-3 * (high - low)):
            moved = _run_silently(harness, {**values, name: values[name] + step * inward}, errors=False).outputs
            changes = [np.abs(moved[port] - array).max(initial=0.0) for port, array in result.outputs.items()]
            slopes.append(float(max(changes)) / step)
        harness.expect(
            slopes[0] > 1.5 * slopes[1] + 1e-6,
            f"the error for {name!r} has NaN {place}, the ends of its domain",
            expected="numbers; the slopes there are finite",
        )


@check("ids")
def ids(harness: Harness) -> None:
    """An integer out of range is refused: a negative or a huge one does not count as another one, nor as zeros."""
    base = harness.values(3)
    for name in harness.integer:

        def outputs(number: int, name: str = name) -> np.ndarray | None:
            values = {**base, name: np.full_like(base[name], number)}
            try:
                found = _run_silently(harness, values, errors=False).outputs
            except Exception:  # refused
                return None
            return np.concatenate([array.ravel() for array in found.values()])

        table = {number: found for number in range(IDS) if (found := outputs(number)) is not None}
        distinct = len({found.tobytes() for found in table.values()})
        harness.comparisons += 1
        if distinct < 3:  # a flag of integers, such as a mask, has no range
            continue
        _check_out_of_range(harness, name, 10**6, outputs(10**6), outputs(10**6 + 1), table)
        _check_last(harness, name, table)
        _check_out_of_range(harness, name, -1, outputs(-1), outputs(-2), table)


def _check_last(harness: Harness, name: str, table: dict[int, np.ndarray]) -> None:
    """The largest integer that is accepted does not count as a smaller one, if all smaller ones differ."""
    last = max(table)
    if last == IDS - 1 or sorted(table) != list(range(last + 1)):
        return
    same = [k for k, row in table.items() if k < last and np.array_equal(row, table[last])]
    harness.expect(
        not same or len({row.tobytes() for row in table.values()}) < last,
        f"the integer {last} in {name!r} is accepted, and counts as {same[0] if same else None}",
        expected="a DataError that names the range; disclaim 'ids' if any integer is valid",
    )


def _check_out_of_range(
    harness: Harness,
    name: str,
    number: int,
    found: np.ndarray | None,
    neighbour: np.ndarray | None,
    table: dict[int, np.ndarray],
) -> None:
    """Raise a Fault if an integer out of range counts as another one.

    A function of any integers passes, such as the square: its values at two neighbours out of range are not that of one
    number, nor those of a number and the one before.
    """
    if found is None:
        return
    zeros = not found.any() and sum(not row.any() for row in table.values()) == 0
    same = [k for k, row in table.items() if np.array_equal(row, found)]
    before = [
        k for k in same if neighbour is not None and _equals(table.get(k - 1 if number < 0 else k + 1), neighbour)
    ]
    fixed = bool(same) and _equals(neighbour, found)
    first = same[0] if same else None
    harness.expect(
        not (zeros or fixed or before),
        f"the integer {number} in {name!r} is accepted, and counts as {'nothing' if zeros else first}",
        expected="a DataError that names the range; disclaim 'ids' if any integer is valid",
    )


def _equals(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return a is not None and b is not None and np.array_equal(a, b)


def _run_silently(harness: Harness, values: Arrays, errors: bool = True) -> PassResult:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return harness.run(values, errors=errors)


@check()
def bad_input(harness: Harness) -> None:
    """Inputs of a wrong size, rank or type, and errors of a wrong shape, raise graphnet's own errors, which name the
    place."""
    require_default_axes(harness)
    values = harness.values(3)
    arguments = forward_arguments(harness, values)
    name = next((n for n in harness.names if n not in harness.integer), None)
    if name is not None and not harness.fixed and harness.case.layer.forward.__qualname__.startswith("Stateful"):
        _check_wrong_sizes(harness, name, values)
    for bad, what in (
        (["no numbers"] * 2, "text"),
        (np.full(arguments[0].shape, 1j), "complex numbers"),
        (1.0, "a scalar"),
    ):
        _check_refused(harness, [bad, *arguments[1:]], f"{what} as the first input", required=True)
    if not harness.ports.variadic:
        too_many = [*arguments, *([arguments[0]] * (len(harness.ports.names) + 1))]
        _check_refused(harness, too_many, "too many inputs", required=True, type_error=True)
    _check_refused(harness, [], "no input", required=True, type_error=True)
    _check_backward_before_forward(harness)
    _check_error_of_another_shape(harness, values)


#: The description of an input that infer must refuse if the layer has weights.
WIDER = "one more element on the last axis"


def _check_wrong_sizes(harness: Harness, name: str, values: Arrays) -> None:
    x = values[name]
    for bad, what in (
        (np.concatenate([x, x[..., :1]], axis=-1), WIDER),
        (x[..., None], "one more axis"),
        (x[..., 0], "one axis less"),
    ):
        if bad.ndim:
            arguments = forward_arguments(harness, {**values, name: bad})
            _check_refused(harness, arguments, f"{name!r} with {what}", required=False)


def _check_refused(
    harness: Harness, arguments: list[Any], what: str, *, required: bool, type_error: bool = False
) -> None:
    """Check that forward raises a graphnet error with a place, or (unless ``required``) accepts the arguments."""
    layer = initialized_layer(harness)
    harness.comparisons += 1
    strict = required or ("weights" in harness.capabilities and what.endswith(WIDER))
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            layer.forward(*arguments)
    except GraphnetError as error:
        if isinstance(error, RuleError) and strict and not required:
            raise fault(f"given {what}: refused only by {short(error)}", expected="a ShapeError from infer") from error
        harness.expect(bool(error.where), f"given {what}: the error does not name the place: {short(error)}")
    except TypeError as error:
        if not type_error:
            raise _foreign_error(what, error) from error
    except Exception as error:
        if not strict and not _raised_by_infer(error):
            return  # numpy refused it in the rule itself; the node's path is in the error's notes
        raise _foreign_error(what, error) from error
    else:
        if required:
            raise fault(f"given {what}: no error", expected="an error of graphnet")


def _raised_by_infer(error: Exception) -> bool:
    return any("raised by infer" in note for note in getattr(error, "__notes__", ()))


def _foreign_error(what: str, error: Exception) -> AssertionError:
    return fault(
        f"given {what}: {type(error).__name__}: {short(error)}",
        expected="an error of graphnet from infer, which names the place, before anything runs",
    )


def _check_backward_before_forward(harness: Harness) -> None:
    try:
        initialized_layer(harness).backward(np.zeros((2, 2)))
    except GraphnetError as error:
        harness.expect(bool(error.where), f"backward before forward: the error does not name the place: {short(error)}")
    except Exception as error:
        raise _foreign_error("backward before forward", error) from error
    else:
        raise fault("backward before forward: no error", expected="a StateError")


def _check_error_of_another_shape(harness: Harness, values: Arrays) -> None:
    layer = initialized_layer(harness)
    layer.phase = Phase.test
    outputs = layer.forward(*forward_arguments(harness, values))
    first, *rest = outputs if isinstance(outputs, tuple) else (outputs,)
    try:
        layer.backward(np.zeros((*first.shape, 2)), *(np.zeros_like(y) for y in rest))
    except GraphnetError as error:
        named = bool(error.where)
        harness.expect(named, f"an error of another shape: the message does not name the place: {short(error)}")
    except Exception as error:
        raise _foreign_error("an error of another shape", error) from error
    else:
        raise fault("backward accepts an error of another shape", expected="a ShapeError")


@check()
def refused_configurations(harness: Harness) -> None:
    """Configurations that the case lists as invalid raise ConfigError."""
    harness.require(harness.case.refused, "the case lists none")
    for config in harness.case.refused:
        arguments = ", ".join(f"{key}={value!r}" for key, value in config.items())
        try:
            harness.make(**config)
        except ConfigError as error:
            harness.expect(bool(error.where), f"{arguments}: the error does not name the place: {short(error)}")
        except Exception as error:
            raise fault(f"{arguments}: {type(error).__name__}: {short(error)}", expected="a ConfigError") from error
        else:
            raise fault(f"{arguments}: no error", expected="a ConfigError")


@check()
def reference(harness: Harness) -> None:
    """The output equals that of the case's reference function, in the test phase, also for a long
    sequence."""
    harness.require(harness.case.reference is not None, "the case has none")
    assert harness.case.reference is not None
    for seed in range(3):
        values = harness.values(seed)
        _compare_with_reference(harness, values, harness.set_weights(harness.runner(), seed), "")
    if not harness.fixed and harness.steps is not None:
        _check_reference_for_long_sequence(harness)


def _check_reference_for_long_sequence(harness: Harness) -> None:
    """The output equals that of the reference function for a long sequence, if both accept it.

    Other ranks and sizes are not compared: a function written for the case may be wrong there.
    """
    variant = long_sequence(harness)
    prepared = bound(harness, variant) if is_accepted(harness, variant.shapes) else None
    if prepared is None:
        return
    runner, values = prepared
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            _compare_with_reference(harness, values, runner, f", {variant}")
    except Fault:
        raise
    except Exception:  # the reference function is not made for it
        harness.note_untried(f"the reference function with {variant.what}")


def _compare_with_reference(harness: Harness, values: Arrays, runner: Runner, where: str) -> None:
    assert harness.case.reference is not None
    outputs = list(harness.run(values, runner, phase=Phase.test, errors=False).outputs.values())
    weights = {name: runner.parameters[path].value for path, name in _reference_names(runner).items()}
    expected = harness.case.reference(*values.values(), **weights)
    wanted = [np.asarray(array) for array in (expected if isinstance(expected, tuple) else (expected,))]
    if where and [a.shape for a in outputs] != [a.shape for a in wanted]:
        raise TypeError("the reference function is not made for these shapes")
    for actual, desired in zip(outputs, wanted, strict=True):
        harness.assert_close(actual, desired, f"the output differs from the reference function{where}")


def _reference_names(runner: Runner) -> dict[str, str]:
    """Return the argument of a reference function for each weight: its name, or its path if others have that name."""
    last = Counter(path.split("/")[-1] for path in runner.parameters)
    return {
        path: path.split("/")[-1] if last[path.split("/")[-1]] == 1 else "_".join(path.split("/")[1:])
        for path in runner.parameters
    }
