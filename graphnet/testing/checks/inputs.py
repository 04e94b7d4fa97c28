"""Extreme inputs give finite results; invalid inputs raise graphnet's own errors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from graphnet.core.describe.axes import BATCH
from graphnet.core.errors import ConfigError, GraphnetError, RuleError
from graphnet.core.phase import Phase
from graphnet.testing.buffers import Arrays
from graphnet.testing.check import check
from graphnet.testing.checks.standalone import forward_arguments, initialized_layer, require_default_axes
from graphnet.testing.failures import fault, short
from graphnet.testing.harness import Harness
from graphnet.testing.passes import PassResult


@check()
def extremes(harness: Harness) -> None:
    """Large finite inputs (up to 1e4) give no NaN in either pass, and no infinity if inputs of size 600 give moderate
    outputs; a row of zeros gives no NaN.
    """
    free = harness.domain is None and not harness.fixed and len(harness.integer) < len(harness.names)
    harness.require(free, "the inputs cannot be chosen freely")
    _check_zeros(harness)
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
    """A first row (and a first step) of zeros gives no NaN."""
    values = harness.values(3)
    for name, shape in harness.shapes.items():
        if name not in harness.integer:
            axis = shape.axis(BATCH) if shape.has(BATCH) else 0
            np.moveaxis(values[name], axis, 0)[0] = 0.0
    for name, array in _run_silently(harness, values, errors=False).outputs.items():
        numbers = not np.isnan(array).any()
        harness.expect(numbers, f"output {name!r} has NaN for a row of zeros", expected="no division by zero")


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
    """The output equals that of the case's reference function, in the test phase."""
    harness.require(harness.case.reference is not None, "the case has none")
    assert harness.case.reference is not None
    for seed in range(3):
        values = harness.values(seed)
        runner = harness.set_weights(harness.runner(), seed)
        outputs = harness.run(values, runner, phase=Phase.test, errors=False).outputs.values()
        weights = {name.split("/")[-1]: p.value for name, p in runner.parameters.items()}
        expected = harness.case.reference(*values.values(), **weights)
        for actual, desired in zip(outputs, expected if isinstance(expected, tuple) else (expected,), strict=True):
            harness.assert_close(actual, np.asarray(desired), "the output differs from the reference function")
