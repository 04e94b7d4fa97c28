"""Sizes that a layer takes from its first input, where the configuration leaves them open."""

from __future__ import annotations

import copy
import types
import typing
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from graphnet.core.checks import is_python_int
from graphnet.core.describe import weights
from graphnet.core.describe.layer import Layer
from graphnet.core.errors import GraphnetError
from graphnet.io.fields import fields_of
from graphnet.testing.check import check
from graphnet.testing.failures import Fault, fault, short
from graphnet.testing.harness import Harness


@check("weights")
def inferred_sizes(harness: Harness) -> None:
    """A layer whose size of the input is None has no weights before the first input: get_weights raises an error, and
    a copy can be made. After it, the layer computes the same as one with that size in its configuration.
    """
    sized = harness.make()
    tried = 0
    if _waits(sized):
        _check_copy(harness, sized, "before the first input")
        tried += 1
    for name, value in _open_sizes(sized):
        what = f"with {name}={value!r}"
        try:
            unsized = harness.make(**{name: value})
        except Exception:  # it needs the size
            continue
        if _waits(unsized):
            tried += _check_same(harness, sized, _check_copy(harness, unsized, what), what)
    harness.require(tried, "no size is taken from the input")


def _waits(layer: Layer) -> bool:
    """Whether the weights of a layer are created with the first input."""
    return weights.has_weights(layer) and not weights.named(layer)


def _open_sizes(layer: Layer) -> Iterator[tuple[str, Any]]:
    """Fields with sizes that may be None by their annotation, each with the value that leaves the size open."""
    hints = {name: field.type for name, field in fields_of(type(layer)).items()}
    for field in fields(layer):  # type: ignore[arg-type]
        value, hint = getattr(layer, field.name), hints.get(field.name)
        if is_python_int(value, 1) and _admits_none(hint):
            yield field.name, None
        of_sizes = isinstance(value, tuple) and bool(value) and is_python_int(value[0], 1)
        if of_sizes and any(map(_admits_none, typing.get_args(hint))):
            yield field.name, (None, *value[1:])


def _admits_none(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType) and type(None) in typing.get_args(hint)


def _check_copy(harness: Harness, layer: Layer, what: str) -> Layer:
    """A layer without weights says so, and can be copied; the copy is returned."""
    received = "weights"
    try:
        layer.get_weights()
    except GraphnetError:
        received = ""
    except Exception as error:
        received = short(error)
    harness.expect(not received, f"get_weights must refuse, {what}", expected="a StateError", received=received)
    try:
        return copy.deepcopy(layer)
    except Exception as error:
        raise fault(f"it cannot be copied, {what}: {short(error)}") from error


def _check_same(harness: Harness, sized: Layer, unsized: Layer, what: str) -> bool:
    """Compare the results of the layer with and without the size; return whether None means that size."""
    values, phase = harness.values(5), harness.deterministic_phase
    try:
        runner, expected = harness.runner(unsized), harness.runner(sized)
        shapes = [{n: p.value.shape for n, p in each.parameters.items()} for each in (runner, expected)]
        if shapes[0] != shapes[1]:
            return False
        found = harness.run(values, runner, phase=phase)
    except Fault:
        raise
    except Exception as error:
        raise fault(f"it does not run, {what}: {short(error)}") from error
    harness.assert_same_results(found, harness.run(values, expected, phase=phase), what, 1e-12)
    return True
