"""Detection of a layer's capabilities from its class and from a few passes."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import numpy as np

from graphnet.core.describe import signatures
from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.describe.composite import Composite
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.scan import Scan
from graphnet.core.describe.shapes import Shape
from graphnet.core.phase import Phase
from graphnet.core.run.runner import Runner
from graphnet.testing import buffers
from graphnet.testing.buffers import Arrays
from graphnet.testing.passes import PassResult


class LayerSource(Protocol):
    """The part of a Harness that detection needs."""

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs."""

    @property
    def optional(self) -> list[str]:
        """The inputs that may be left out."""

    @property
    def integer(self) -> set[str]:
        """The inputs that hold integers."""

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shape of each input."""

    @property
    def batch(self) -> int | None:
        """The number of rows."""

    def make(self) -> Layer:
        """Return a new layer."""

    def graph(self) -> Graph:
        """Return a graph with one node of the layer."""

    def runner(self) -> Runner:
        """Return a runner of that graph."""

    def values(self, seed: int = 0) -> Arrays:
        """Return values for the inputs."""

    def run(
        self, values: Arrays | None = None, runner: Runner | None = None, *, phase: Phase = ..., errors: bool = ...
    ) -> PassResult:
        """Run a pass."""


def detect_capabilities(source: LayerSource) -> set[str]:
    """Return every capability that the class and a few passes show."""
    layer = source.make()
    detected = {"derivative", "linear", "file"}
    if len(source.integer) < len(source.names):
        detected.add("float32")
    detected |= {name for name in ("elementwise", "rowwise") if getattr(layer, name, False) is True}
    if isinstance(layer, Composite):
        detected.add("composite")
    if callable(getattr(layer, "toggle_memory", None)):
        detected.add("memory")
    if "bptt_length" in {field.name for field in dataclasses.fields(layer)}:  # type: ignore[arg-type]
        detected.add("truncation")
    detected |= _from_primitives(source) | _from_shapes(source, detected)
    if len(source.integer) == len(source.names) and "weights" not in detected:
        detected -= {"derivative", "linear"}  # there is nothing to differentiate with respect to
    if source.integer:
        detected.add("ids")
    if detected & {"elementwise", "rowwise", "buffers", "memory", "sequence"} and source.batch is not None:
        detected.add("rows")
    return detected | _from_passes(source, detected)


def _from_primitives(source: LayerSource) -> set[str]:
    """Return what the primitive layers inside declare."""
    detected: set[str] = set()
    try:
        primitives = source.graph().layers().values()
        runner = source.runner()
    except Exception:  # the check `runs` reports it
        return detected
    if runner.parameters:
        detected.add("weights")
    if any(layer.draws for layer in primitives):
        detected |= {"random", "phases"}
    if any(buffers.has_buffers(layer) for layer in primitives):
        detected |= {"buffers", "phases"}
    if any("phase" in signatures.keywords(type(layer).apply).names for layer in primitives):
        detected.add("phases")
    return detected


def _from_shapes(source: LayerSource, detected: set[str]) -> set[str]:
    """Return what the shapes of the case's inputs allow."""
    allowed = set()
    if any(shape.names[:2] == (TIME, BATCH) for shape in source.shapes.values()):
        allowed.add("sequence")
        if _reads_lengths(source.make()) or detected & {"elementwise", "rowwise"}:
            allowed.add("ragged")
    required = [name for name in source.names if name not in source.optional]
    one_matrix = len(required) == 1 and source.shapes[required[0]].names == ("batch", "feature")
    if one_matrix and not source.integer and len(source.make().output_ports()) == 1:
        allowed.add("cell")
    return allowed


def _reads_lengths(layer: Layer) -> bool:
    if isinstance(layer, Composite):
        return any(isinstance(inner, Scan) for _, inner in layer.graph.walk())
    return "lengths" in signatures.keywords(type(layer).apply).names


def _from_passes(source: LayerSource, detected: set[str]) -> set[str]:
    """Return the capabilities that only numbers show."""
    measured = set()
    try:
        if "random" in detected and (_scales_by_draws(source) or _adds_draws(source)):
            measured.add("unbiased")
        if "buffers" in detected and _keeps_statistics(source):
            measured.add("statistics")
    except Exception:  # a layer that cannot run a pass fails other checks
        return measured
    return measured


def _scales_by_draws(source: LayerSource) -> bool:
    """Return whether the train phase multiplies each input element by a number drawn for it."""
    values = source.values(1)
    name = next((n for n in source.names if n not in source.integer), None)
    if name is None:
        return False

    def output(x: np.ndarray) -> Any:
        return next(iter(source.run({**values, name: x}, errors=False).outputs.values()))

    x = values[name]
    y, bumped = output(x), x.copy()
    bumped.flat[0] += 1.0
    moved = output(bumped)
    linear = y.shape == x.shape and np.allclose(output(2 * x), 2 * y, rtol=1e-9, atol=0)
    return bool(linear and np.array_equal(moved.flat[1:], y.flat[1:]))


def _adds_draws(source: LayerSource) -> bool:
    """Return whether the train phase adds drawn numbers that do not depend on the input."""
    values = source.values(1)
    if source.integer:
        return False

    def noise(scale: float) -> Any:
        scaled = {name: scale * array for name, array in values.items()}
        train, test = (source.run(scaled, phase=phase, errors=False).outputs for phase in Phase)
        return np.concatenate([(train[name] - test[name]).ravel() for name in train])

    return bool(np.allclose(noise(1.0), noise(2.0), rtol=1e-9, atol=1e-12) and np.abs(noise(1.0)).max() > 0)


def _keeps_statistics(source: LayerSource) -> bool:
    """Return whether the test phase reads buffers that the train phase does not: running statistics."""
    outputs: dict[Phase, list[Any]] = {}
    for phase in Phase:
        for shift in (0.0, 0.7):
            runner = source.runner()
            source.run(runner=runner, errors=False)
            buffers.transform(runner.layers.values(), lambda array, shift=shift: array + shift)  # type: ignore[misc]
            after = source.run(runner=runner, phase=phase, errors=False).outputs
            outputs.setdefault(phase, []).append(np.concatenate([y.ravel() for y in after.values()]))
    train, test = outputs[Phase.train], outputs[Phase.test]
    return bool(np.array_equal(train[0], train[1]) and not np.allclose(test[0], test[1]))
