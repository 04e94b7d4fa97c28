"""A layer by itself: forward and backward without a graph around it."""

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
from graphnet.testing.check import check
from graphnet.testing.subject import Arrays, Subject


def ready(s: Subject) -> Layer:
    """A layer with weights, by itself."""
    runner = s.runner()
    layer: Layer = runner.graph.nodes[next(iter(runner.graph.nodes))].layer
    return layer


def alone(s: Subject) -> None:
    """Skip where the layer by itself would take the axes of its inputs for others."""

    layer = s.make()
    if isinstance(layer, Composite):
        return
    named = list(s.shapes.values())
    plain = [Shape.of(shape.sizes) for shape in named]
    given = [s.shapes.get(name) for name in s.ports.names] if not s.ports.variadic else named
    try:
        told = [layer.infer(*shapes) for shapes in (given, [g and Shape.of(g.sizes) for g in given])]  # type: ignore[arg-type]
    except GraphnetError:
        told = [None, 0]  # type: ignore[list-item]
    sizes = [
        [shape.sizes for shape in ([each] if isinstance(each, Shape) else each or [])] for each in told if each != 0
    ]
    s.require(len(sizes) == 2 and sizes[0] == sizes[1] and plain, "by itself it would take its axes for others")


def given(s: Subject, values: Arrays) -> list[Any]:
    """The inputs of ``layer.forward``, in order; layers with a protocol of their own take the required ones."""
    names = [n for n in s.names if n not in s.optional] if _own_forward(s) else list(s.names)
    return [values[name] for name in names]


def _own_forward(s: Subject) -> bool:
    return s.case.layer.forward is not Layer.forward


def forward(s: Subject, layer: Layer, values: Arrays, seed: int = 3) -> list[np.ndarray]:
    """What ``layer.forward`` returns, as a list."""
    with random.using(np.random.default_rng(seed)):
        output = layer.forward(*given(s, values))
    return list(output) if isinstance(output, tuple) else [output]


def backward(layer: Layer, errors: list[np.ndarray]) -> list[Any]:
    """What ``layer.backward`` returns, as a list."""
    pulled = layer.backward(*errors)
    return list(pulled) if isinstance(pulled, tuple) else [pulled]


def errors_for(outputs: list[np.ndarray], seed: int = 11) -> list[np.ndarray]:
    """Errors for some outputs."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(y.shape) for y in outputs]


@check()
def by_itself(s: Subject) -> None:
    """By itself, through forward and backward, a layer computes what it computes in a graph."""
    alone(s)
    if s.optional:
        _forgotten(s)
    for phase in Phase:
        layer, runner = ready(s), s.runner(provided=_names(s))
        values = {name: s.values(5)[name] for name in _names(s)}
        layer.phase = phase
        outputs = forward(s, layer, values)
        expected = s.run(values, runner, phase=phase, errors=False).outputs
        errors = errors_for(outputs)
        passed = s.run(
            values, s.runner(provided=_names(s)), phase=phase, errors=dict(zip(expected, errors, strict=False))
        )
        before = [error.copy() for error in errors]
        pulled = backward(layer, errors)
        for error, kept in zip(errors, before, strict=True):
            s.agree(error, kept, "backward writes to the error that it is given", 0.0)
        for (name, array), found in zip(passed.outputs.items(), outputs, strict=False):
            s.agree(found, array, f"forward by itself, {phase.name} phase: output {name!r}")
        for (name, back), got in zip(passed.pulled.items(), pulled, strict=False):
            if back is not None and got is not None:
                s.agree(got, back, f"backward by itself, {phase.name} phase: error for {name!r}")
        own = weights.named(layer)
        s.expect(layer.trainable == bool(own), "trainable is not whether it has weights", received=layer.trainable)
        for parameter, gradient in zip(own.values(), passed.gradients.values(), strict=True):
            s.agree(
                parameter.gradient, gradient, f"backward by itself, {phase.name} phase: gradient of {parameter.name!r}"
            )


def _forgotten(s: Subject) -> None:
    """An optional input that forward was given is not remembered by the next one."""
    values = s.values(5)
    needed = [values[name] for name in s.names if name not in s.optional]
    fresh, layer = ready(s), ready(s)
    fresh.phase = layer.phase = s.steady
    try:
        layer.forward(*(values[name] for name in s.names))
    except Exception:  # its forward takes something else there
        return
    for a, b in zip(_several(layer.forward(*needed)), _several(fresh.forward(*needed)), strict=True):
        s.agree(a, b, "forward without an optional input, after one with it")


def _several(output: Any) -> list[np.ndarray]:
    return list(output) if isinstance(output, tuple) else [output]


def _names(s: Subject) -> list[str]:
    return [n for n in s.names if n not in s.optional] if _own_forward(s) else list(s.names)
