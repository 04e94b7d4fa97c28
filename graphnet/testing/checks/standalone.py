"""A layer used without a graph, through ``forward`` and ``backward``."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.describe import weights
from graphnet.core.describe.composite import Composite
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import GraphnetError
from graphnet.core.phase import Phase
from graphnet.testing.buffers import Arrays
from graphnet.testing.check import check
from graphnet.testing.harness import Harness


def initialized_layer(harness: Harness) -> Layer:
    """Return a layer with weights."""
    graph = harness.runner().graph
    layer: Layer = graph.nodes[next(iter(graph.nodes))].layer
    return layer


def require_default_axes(harness: Harness) -> None:
    """Skip the check if, without a graph that names them, the layer would interpret the axes of its inputs
    differently."""
    layer = harness.make()
    if isinstance(layer, Composite):
        return
    named = list(harness.shapes.values())
    inputs = named if harness.ports.variadic else [harness.shapes.get(name) for name in harness.ports.names]
    try:
        results = [layer.infer(*inputs), layer.infer(*(x and Shape.of(x.sizes) for x in inputs))]  # type: ignore[arg-type]
        same = _sizes(results[0]) == _sizes(results[1])
    except GraphnetError:
        same = False
    harness.require(same and named, "used alone, it would interpret the axes of its inputs differently")


def _sizes(shapes: Any) -> list[tuple[int | None, ...]]:
    return [shape.sizes for shape in ([shapes] if isinstance(shapes, Shape) else shapes or [])]


def forward_arguments(harness: Harness, values: Arrays) -> list[Any]:
    """Return the arguments of ``layer.forward``, in order."""
    return [values[name] for name in _argument_names(harness)]


def _argument_names(harness: Harness) -> list[str]:
    """Return the inputs that ``forward`` takes; layers that override it take the required ones."""
    if harness.case.layer.forward is Layer.forward:
        return list(harness.names)
    return [name for name in harness.names if name not in harness.optional]


def forward(harness: Harness, layer: Layer, values: Arrays, seed: int = 3) -> list[np.ndarray]:
    """Return the results of ``layer.forward`` as a list."""
    with random.using(np.random.default_rng(seed)):
        return _as_list(layer.forward(*forward_arguments(harness, values)))


def backward(layer: Layer, errors: list[np.ndarray]) -> list[Any]:
    """Return the results of ``layer.backward`` as a list."""
    return _as_list(layer.backward(*errors))


def _as_list(output: Any) -> list[Any]:
    return list(output) if isinstance(output, tuple) else [output]


def random_errors(outputs: list[np.ndarray], seed: int = 11) -> list[np.ndarray]:
    """Return random errors for some outputs."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(y.shape) for y in outputs]


@check()
def standalone(harness: Harness) -> None:
    """Without a graph, through forward and backward, a layer computes the same as in a graph."""
    require_default_axes(harness)
    if harness.optional:
        _check_optional_inputs(harness)
    names = _argument_names(harness)
    for phase in Phase:
        layer, runner = initialized_layer(harness), harness.runner(provided=names)
        values = {name: harness.values(5)[name] for name in names}
        layer.phase = phase
        outputs = forward(harness, layer, values)
        graph_outputs = harness.run(values, runner, phase=phase, errors=False).outputs
        errors = random_errors(outputs)
        named_errors = dict(zip(graph_outputs, errors, strict=False))
        expected = harness.run(values, harness.runner(provided=names), phase=phase, errors=named_errors)
        before = [error.copy() for error in errors]
        input_errors = backward(layer, errors)
        for error, unmodified in zip(errors, before, strict=True):
            harness.assert_close(error, unmodified, "backward writes to its argument", 0.0)
        for (name, array), output in zip(expected.outputs.items(), outputs, strict=False):
            harness.assert_close(output, array, f"forward without a graph, {phase.name} phase: output {name!r}")
        for (name, desired), actual in zip(expected.input_errors.items(), input_errors, strict=False):
            if desired is not None and actual is not None:
                what = f"backward without a graph, {phase.name} phase: error for {name!r}"
                harness.assert_close(actual, desired, what)
        parameters = weights.named(layer)
        trainable = layer.trainable == bool(parameters)
        harness.expect(trainable, "trainable must be true if it has weights", received=layer.trainable)
        for parameter, gradient in zip(parameters.values(), expected.gradients.values(), strict=True):
            what = f"backward without a graph, {phase.name} phase: gradient of {parameter.name!r}"
            harness.assert_close(parameter.gradient, gradient, what)


def _check_optional_inputs(harness: Harness) -> None:
    """A forward without an optional input does not use its value from an earlier call."""
    values = harness.values(5)
    required = [values[name] for name in harness.names if name not in harness.optional]
    fresh, layer = initialized_layer(harness), initialized_layer(harness)
    fresh.phase = layer.phase = harness.deterministic_phase
    try:
        layer.forward(*(values[name] for name in harness.names))
    except Exception:  # its forward has other arguments
        return
    for a, b in zip(_as_list(layer.forward(*required)), _as_list(fresh.forward(*required)), strict=True):
        harness.assert_close(a, b, "forward without an optional input, after a call with it")
