"""What comes in: what is extreme is survived, what is wrong is refused in graphnet's words."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from graphnet.core.describe.shapes import BATCH
from graphnet.core.errors import ConfigError, GraphnetError, RuleError
from graphnet.core.phase import Phase
from graphnet.testing.check import check, fault, short
from graphnet.testing.checks.alone import alone, given, ready
from graphnet.testing.subject import Subject


@check()
def extremes(s: Subject) -> None:
    """Large finite inputs (up to 1e4) give no NaN, forward or back, no infinity where those of size 600 give nothing
    large, and a row of zeros gives no NaN.
    """
    s.require(s.domain is None and not s.fixed and len(s.integer) < len(s.names), "the inputs are not free")
    _zeros(s)
    for scale in (100.0, 1e4):
        values = s.values(3, scale=scale)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            passed = s.run(values)
        finite = all(np.isfinite(array).all() for array in passed.outputs.values())
        for name, array in passed.results():
            if name.startswith("output") or finite:
                s.expect(
                    not np.isnan(array).any(),
                    f"{name} has NaN for inputs of size {scale:g}",
                    expected="numbers; subtract a maximum before an exponential, divide by no zero",
                )

    below, above = (_extreme(s, size) for size in (600.0, 1e4))
    for name, array in above.items():
        tame = np.abs(below[name]).max(initial=0.0) < 1e12
        s.expect(
            not (tame and np.isinf(array).any()),
            f"output {name!r} is infinite for inputs of size 1e4",
            expected="a finite number, as for inputs of size 600: an exponential overflows inside",
        )


def _extreme(s: Subject, size: float) -> dict[str, np.ndarray]:
    """The outputs for inputs of one size and both signs."""
    values = {n: a if n in s.integer else size * np.sign(a) for n, a in s.values(3).items()}
    return _silent(s, values)


def _zeros(s: Subject) -> None:
    """A first row (and a first step) of zeros."""
    values = s.values(3)
    for name, shape in s.shapes.items():
        if name not in s.integer:
            axis = shape.axis(BATCH) if shape.has(BATCH) else 0
            np.moveaxis(values[name], axis, 0)[0] = 0.0
    for name, array in _silent(s, values).items():
        good = not np.isnan(array).any()
        s.expect(good, f"output {name!r} has NaN for a row of zeros", expected="numbers: divide by no zero")


def _silent(s: Subject, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return s.run(values, errors=False).outputs


@check()
def bad_input(s: Subject) -> None:
    """Inputs of a wrong size, rank or type, and errors of a wrong shape, are refused with graphnet's own errors that
    say where."""
    alone(s)
    values = s.values(3)
    arrays = given(s, values)
    name = next((n for n in s.names if n not in s.integer), None)
    if name is not None and not s.fixed and s.case.layer.forward.__qualname__.startswith("Stateful"):
        _wrong_sizes(s, name, values)
    for bad, what in (
        (["no numbers"] * 2, "text"),
        (np.full(arrays[0].shape, 1j), "complex numbers"),
        (1.0, "a lone number"),
    ):
        _refused(s, [bad, *arrays[1:]], f"{what} as the first input", must=True)
    if not s.ports.variadic:
        _refused(s, [*arrays, *([arrays[0]] * (len(s.ports.names) + 1))], "too many inputs", must=True, call=True)
    _refused(s, [], "no input at all", must=True, call=True)
    _errors_refused(s)


def _wrong_sizes(s: Subject, name: str, values: dict[str, np.ndarray]) -> None:
    x = values[name]
    wider = np.concatenate([x, x[..., :1]], axis=-1)
    deeper, flatter = x[..., None], x[..., 0]
    for bad, what in (
        (wider, "one more number on the last axis"),
        (deeper, "one more axis"),
        (flatter, "one axis less"),
    ):
        if bad.ndim:
            _refused(s, given(s, {**values, name: bad}), f"{name!r} with {what}", must=False)


def _refused(s: Subject, inputs: list[Any], what: str, *, must: bool, call: bool = False) -> None:
    """Forward with bad inputs: refused by a graphnet error with a place, or (unless it must be) taken."""
    layer = ready(s)
    s.looked += 1
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            layer.forward(*inputs)
    except GraphnetError as error:
        if isinstance(error, RuleError) and not must and "weights" in s.capabilities and _matters(what):
            raise fault(f"given {what}: refused only by {short(error)}", expected="a ShapeError from infer") from error
        s.expect(bool(error.where), f"given {what}: the error does not say where: {short(error)}")
    except TypeError as error:
        if not call:
            raise _raw(what, error) from error
    except Exception as error:
        if not must and not _from_infer(error) and not ("weights" in s.capabilities and _matters(what)):
            return  # numpy refused it in the rule itself; the node's path is in the error's notes
        raise _raw(what, error) from error
    else:
        if must:
            raise fault(f"given {what}: it is taken", expected="an error of graphnet")


def _matters(what: str) -> bool:
    return what.endswith("last axis")


def _from_infer(error: Exception) -> bool:
    return any("raised by infer" in note for note in getattr(error, "__notes__", ()))


def _raw(what: str, error: Exception) -> AssertionError:
    return fault(
        f"given {what}: {type(error).__name__}: {short(error)}",
        expected="an error of graphnet that says where, from infer, before anything runs",
    )


def _errors_refused(s: Subject) -> None:
    layer = ready(s)
    values = s.values(3)
    try:
        ready(s).backward(np.zeros((2, 2)))
    except GraphnetError as error:
        s.expect(bool(error.where), f"backward before forward: the error does not say where: {short(error)}")
    except Exception as error:
        raise _raw("backward before forward", error) from error
    else:
        raise fault("backward before forward is taken", expected="a StateError")
    layer.phase = Phase.test
    outputs = layer.forward(*given(s, values))
    first = outputs[0] if isinstance(outputs, tuple) else outputs
    rest = [np.zeros_like(y) for y in outputs[1:]] if isinstance(outputs, tuple) else []
    try:
        layer.backward(np.zeros((*first.shape, 2)), *rest)
    except GraphnetError as error:
        s.expect(bool(error.where), f"an error of another shape: the message does not say where: {short(error)}")
    except Exception as error:
        raise _raw("an error of another shape", error) from error
    else:
        raise fault("an error of another shape is taken", expected="a ShapeError")


@check()
def refused_configurations(s: Subject) -> None:
    """Configurations that the case says mean nothing are refused with ConfigError."""
    s.require(s.case.refused, "the case names none")
    for config in s.case.refused:
        told = ", ".join(f"{key}={value!r}" for key, value in config.items())
        try:
            s.make(**config)
        except ConfigError as error:
            s.expect(bool(error.where), f"{told}: the error does not say where: {short(error)}")
        except Exception as error:
            raise fault(f"{told}: {type(error).__name__}: {short(error)}", expected="a ConfigError") from error
        else:
            raise fault(f"{told} is taken", expected="a ConfigError")


@check()
def reference(s: Subject) -> None:
    """The output is that of the case's reference function, in the test phase."""
    s.require(s.case.reference is not None, "the case gives none")
    assert s.case.reference is not None
    for seed in range(3):
        values = s.values(seed)
        runner = s.with_weights(s.runner(), seed)
        found = list(s.run(values, runner, phase=Phase.test, errors=False).outputs.values())
        weights = {name.split("/")[-1]: p.value for name, p in runner.parameters.items()}
        made = s.case.reference(*values.values(), **weights)
        for array, expected in zip(found, made if isinstance(made, tuple) else (made,), strict=True):
            s.agree(array, np.asarray(expected), "the output is not that of the reference")
