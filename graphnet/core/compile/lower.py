"""Flatten a graph: nested graphs are inlined, Scans become loops over the plan of their cell, dead nodes are left out.

``a -> Subgraph(b -> c) -> d`` becomes the four steps ``a``, ``sub/b``, ``sub/c``, ``d``. Costs one visit per node.
"""

from __future__ import annotations

from collections.abc import Mapping

from graphnet.core.compile.plan import Call, Loop, Plan, Step
from graphnet.core.describe.composite import Composite
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.node import Ref
from graphnet.core.describe.scan import Scan
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import GraphError


def lower(graph: Graph) -> Plan:
    """Return the plan of a graph.

    Raises
    ------
    GraphError
        If a layer requires an optional input that is not connected.
    """
    owners: dict[int, str] = {}
    for path, layer in graph.layers().items():
        owners[id(layer)] = path
    return _Lowering(owners).plan(graph, "", tuple(graph.inputs), tuple(graph.outputs))


class _Lowering:
    """Builds one plan."""

    def __init__(self, owners: dict[int, str]) -> None:
        self.owners = owners
        self.steps: list[Step] = []
        self.slot_paths: list[str] = []
        self.nested_inputs: list[tuple[str, int, Shape]] = []

    def plan(self, graph: Graph, path: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Plan:
        """The plan of a graph, with its inputs and outputs in a given order."""
        slots: dict[str, int | None] = {name: self.slot(f"{path}{name}") for name in inputs}
        values = self.graph(graph, path, slots)
        named = tuple((name, self.connected(values[name], f"{path}{name}")) for name in outputs)
        declared = tuple(graph.inputs[name].shape for name in inputs)
        return Plan(inputs, declared, named, tuple(self.steps), tuple(self.slot_paths), tuple(self.nested_inputs))

    def slot(self, path: str) -> int:
        """Add a slot."""
        self.slot_paths.append(path)
        return len(self.slot_paths) - 1

    @staticmethod
    def connected(slot: int | None, path: str) -> int:
        if slot is None:
            raise GraphError(
                "an output is an optional input that is not connected",
                where=path,
                remedy="Connect the input, or remove the output.",
                subject=path,
            )
        return slot

    def graph(self, graph: Graph, path: str, inputs: Mapping[str, int | None]) -> dict[str, int | None]:
        """Append the steps of ``graph`` and return the slots of its outputs; inputs may have no slot."""
        known: dict[Ref, int | None] = {Ref(name): inputs.get(name) for name in graph.inputs}
        for name in graph.order:
            if name not in graph.needed:
                continue
            node = graph.nodes[name]
            arguments = [None if ref is None else known[ref] for ref in node.inputs]
            outputs = self.node(node.layer, f"{path}{name}", arguments)
            for i, port in enumerate(node.layer.output_ports()):
                known[Ref(name) if i == 0 else Ref(name, port)] = outputs[i]
        return {name: known[ref] for name, ref in graph.outputs.items()}

    def node(self, layer: Layer, path: str, inputs: list[int | None]) -> list[int | None]:
        """Append the steps of one node; the slots of its outputs."""
        ports = layer.input_ports()
        for i, slot in enumerate(inputs):
            if slot is None and (i >= len(ports.names) or ports.names[i] not in ports.optional):
                missing = ports.names[min(i, len(ports.names) - 1)]
                raise GraphError("an input is missing", where=path, expected=missing, subject=path)
        if isinstance(layer, Composite):
            for (name, declared), slot in zip(layer.graph.inputs.items(), inputs, strict=False):
                if declared.shape is not None and slot is not None:
                    self.nested_inputs.append((f"{path}/{name}", slot, declared.shape))
            values = self.graph(layer.graph, f"{path}/", dict(zip(layer.graph.inputs, inputs, strict=False)))
            return [values[name] for name in layer.graph.outputs]
        names = layer.output_ports()
        outputs = [self.slot(path if i == 0 else f"{path}.{name}") for i, name in enumerate(names)]
        if isinstance(layer, Scan):
            self.steps.append(self.loop(layer, path, inputs, outputs))
        else:
            self.steps.append(Call(path, self.owners[id(layer)], tuple(inputs), tuple(outputs)))
        return list(outputs)

    def loop(self, scan: Scan, path: str, inputs: list[int | None], outputs: list[int]) -> Loop:
        """The loop of a Scan."""
        cell = scan.cell
        inputs = inputs + [None] * (len(scan.input_ports().names) - len(inputs))
        n, s = len(cell.sequences), len(cell.states)
        roles = (*cell.sequences, *cell.states, *cell.contexts)
        plan = _Lowering(self.owners).plan(cell, f"{path}/", roles, (*cell.emitted, *cell.states))
        emitted = len(cell.emitted)
        return Loop(
            path,
            plan,
            sequences=tuple(i for i in inputs[:n] if i is not None),
            initial=tuple(inputs[n : n + s]),
            contexts=tuple(i for i in inputs[n + s :] if i is not None),
            outputs=tuple(outputs[:emitted]),
            finals=tuple(outputs[emitted:]),
            reverse=scan.reverse,
            bptt_length=scan.bptt_length,
        )
