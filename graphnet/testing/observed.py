"""The capabilities that a layer is seen to have: from its class, and from what it does."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnet.core.describe import signatures
from graphnet.core.describe.composite import Composite
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.scan import Scan
from graphnet.core.describe.shapes import BATCH, TIME
from graphnet.core.phase import Phase

if TYPE_CHECKING:
    from graphnet.testing.subject import Subject


def capabilities(subject: Subject) -> set[str]:
    """Everything that the class and a few passes show."""
    layer = subject.make()
    found = {"derivative", "linear", "file"}
    if len(subject.integer) < len(subject.names):
        found.add("float32")
    found |= {name for name in ("elementwise", "rowwise") if getattr(layer, name, False) is True}
    if isinstance(layer, Composite):
        found.add("composite")
    if callable(getattr(layer, "toggle_memory", None)):
        found.add("memory")
    if "bptt_length" in {field.name for field in dataclasses.fields(layer)}:  # type: ignore[arg-type]
        found.add("truncation")
    found |= _inside(subject) | _shaped(subject, found)
    if found & {"elementwise", "rowwise", "buffers", "memory", "sequence"} and subject.batch is not None:
        found.add("rows")
    return found | _measured(subject, found)


def _inside(subject: Subject) -> set[str]:
    """What the primitive layers inside declare."""
    found: set[str] = set()
    try:
        inner = subject.primitives().values()
        runner = subject.runner(provided=subject.names)
    except Exception:  # the check `runs` tells it
        return found
    if runner.parameters:
        found.add("weights")
    if any(each.draws for each in inner):
        found |= {"random", "phases"}
    if any(type(each).buffers is not Layer.buffers for each in inner):
        found |= {"buffers", "phases"}
    if any("phase" in signatures.keywords(type(each).apply).names for each in inner):
        found.add("phases")
    return found


def _shaped(subject: Subject, known: set[str]) -> set[str]:
    """What the inputs of the case allow."""
    found = set()
    shapes = list(subject.shapes.values())
    if any(shape.names[:2] == (TIME, BATCH) for shape in shapes):
        found.add("sequence")
        if _heeds_lengths(subject) or known & {"elementwise", "rowwise"}:
            found.add("ragged")
    required = [n for n in subject.names if n not in subject.ports.optional]
    plain = len(required) == 1 and subject.shapes[required[0]].names == ("batch", "feature")
    if plain and not subject.integer and len(subject.make().output_ports()) == 1:
        found.add("cell")
    return found


def _heeds_lengths(subject: Subject) -> bool:
    layer = subject.make()
    if isinstance(layer, Composite):
        return any(isinstance(inner, Scan) for _, inner in layer.graph.walk())
    return "lengths" in signatures.keywords(type(layer).apply).names


def _measured(subject: Subject, known: set[str]) -> set[str]:
    """Patterns that show themselves only in numbers."""
    found = set()
    try:
        if "random" in known and (_scales(subject) or _adds(subject)):
            found.add("unbiased")
        if "buffers" in known and _estimates(subject):
            found.add("statistics")
    except Exception:  # a layer that cannot do a pass has other checks to fail
        return found
    return found


def _scales(subject: Subject) -> bool:
    """Whether the train phase multiplies each number of its input by something that was drawn for it."""
    values = subject.values(1)
    name = next((n for n in subject.names if n not in subject.integer), None)
    if name is None:
        return False

    def output(x: np.ndarray) -> Any:
        return next(iter(subject.run({**values, name: x}, errors=False).outputs.values()))

    x = values[name]
    y, bumped = output(x), x.copy()
    bumped.flat[0] += 1.0
    moved = output(bumped)
    same = y.shape == x.shape and np.allclose(output(2 * x), 2 * y, rtol=1e-9, atol=0)
    return bool(same and np.array_equal(moved.flat[1:], y.flat[1:]))


def _adds(subject: Subject) -> bool:
    """Whether the train phase adds something that was drawn, whatever the input."""
    values = subject.values(1)
    if subject.integer:
        return False

    def noise(scale: float) -> Any:
        given = {name: scale * array for name, array in values.items()}
        both = [subject.run(given, phase=phase, errors=False).outputs for phase in Phase]
        return np.concatenate([(both[0][name] - both[1][name]).ravel() for name in both[0]])

    return bool(np.allclose(noise(1.0), noise(2.0), rtol=1e-9, atol=1e-12) and np.abs(noise(1.0)).max() > 0)


def _estimates(subject: Subject) -> bool:
    """Whether the test phase reads buffers that the train phase does without: running statistics."""
    outputs: dict[Phase, list[Any]] = {}
    for phase in Phase:
        for shift in (0.0, 0.7):
            runner = subject.runner()
            subject.run(runner=runner, errors=False)
            for layer in runner.layers.values():
                layer.store.replace_buffers({name: array + shift for name, array in layer.buffer_values.items()})
            outputs.setdefault(phase, []).append(
                np.concatenate(
                    [y.ravel() for y in subject.run(runner=runner, phase=phase, errors=False).outputs.values()]
                )
            )
    train, test = outputs[Phase.train], outputs[Phase.test]
    return bool(np.array_equal(train[0], train[1]) and not np.allclose(test[0], test[1]))
