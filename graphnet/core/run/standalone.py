"""Running a layer that is used alone: the graph around it, and its runner."""

from __future__ import annotations

from graphnet.core.describe.builder import Builder
from graphnet.core.describe.composite import Composite
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.naming import snake_case
from graphnet.core.describe.protocols import LayerRunner
from graphnet.core.run.runner import Runner


def runner_for(layer: Layer, inputs: int, last: LayerRunner | None) -> LayerRunner:
    """Return the runner of a layer's graph for a number of inputs: ``last``, the one used before, where it fits."""
    known = -1 if last is None else len(last.graph.inputs)
    if last is not None and (known == inputs or (known > inputs and not layer.input_ports().variadic)):
        return last
    return Runner(graph_of(layer, inputs))


def graph_of(layer: Layer, inputs: int) -> Graph:
    """Return a composite layer's own graph, or a graph of one node with ``inputs`` inputs."""
    if isinstance(layer, Composite):
        return layer.graph
    builder = Builder(type(layer).__name__)
    ports = layer.input_ports()
    names = [*ports.names[:inputs], *(f"{ports.names[-1]}_{i}" for i in range(2, inputs - len(ports.names) + 2))]
    values = [
        builder.input(name, integer=i in layer.integer_inputs, optional=name in ports.optional)
        for i, name in enumerate(names)
    ]
    node = builder.add(layer, *values, name=_unused(snake_case(type(layer).__name__), names))
    return builder.build(**{port: node[port] for port in layer.output_ports()})


def _unused(name: str, names: list[str]) -> str:
    return name if name not in names else f"{name}_layer"
