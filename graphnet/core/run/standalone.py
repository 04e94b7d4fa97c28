"""The graph around one layer, for running it by itself."""

from __future__ import annotations

from graphnet.core.describe.builder import Builder
from graphnet.core.describe.composite import Composite
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.naming import snake_case


def graph_of(layer: Layer, inputs: int) -> Graph:
    """A composite layer's own graph, or a graph of one node with so many inputs."""
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
