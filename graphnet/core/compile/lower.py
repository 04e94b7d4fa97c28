"""Flatten a graph: nested graphs are inlined, Scans become loops over the plan of their cell, dead nodes are left out.

``a -> Subgraph(b -> c) -> d`` becomes the four steps ``a``, ``sub/b``, ``sub/c``, ``d``. Costs one visit a node.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphnet.core.compile.plan import Call, Loop, Plan, Step
from graphnet.core.describe.composite import Composite
from graphnet.core.describe.graph import Graph, Ref
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.scan import Scan
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import GraphError


def lower(graph: Graph) -> Plan:
    """The plan of a whole graph.

    Raises
    ------
    GraphError
        If an optional input that was left out is read by a layer that needs it.
    """
    owners: dict[int, str] = {}
    for path, layer in graph.layers().items():
        owners[id(layer)] = path
    return _Lowering(owners).plan(graph, "", tuple(graph.outputs))


class _Lowering:
    """The steps of one plan in the making."""

    def __init__(self, owners: dict[int, str]) -> None:
        self.owners = owners
        self.steps: list[Step] = []
        self.places: list[str] = []
        self.entries: list[tuple[str, int, Shape]] = []

    def plan(self, graph: Graph, path: str, outputs: Sequence[str]) -> Plan:
        slots = [self.slot(f"{path}{name}") for name in graph.inputs]
        found = self.graph(graph, path, list(slots), frozenset(outputs))
        named = tuple((name, self.present(found[name], f"{path}{name}")) for name in outputs)
        declared = tuple(given.shape for given in graph.inputs.values())
        steps, places, entries = tuple(self.steps), tuple(self.places), tuple(self.entries)
        return Plan(tuple(graph.inputs), declared, named, steps, places, entries)

    def slot(self, place: str) -> int:
        self.places.append(place)
        return len(self.places) - 1

    @staticmethod
    def present(slot: int | None, place: str) -> int:
        if slot is None:
            raise GraphError(
                "an output is an optional input that was left out",
                where=place,
                remedy="Give the input, or drop the output.",
                subject=place,
            )
        return slot

    def graph(self, graph: Graph, path: str, given: list[int | None], wanted: frozenset[str]) -> dict[str, int | None]:
        """Append the steps of ``graph``, whose inputs are in the slots ``given``; the slots of its wanted outputs."""
        known: dict[Ref, int | None] = {Ref(name): slot for name, slot in zip(graph.inputs, given, strict=False)}
        known |= {Ref(name): None for name in list(graph.inputs)[len(given) :]}
        alive = _alive(graph, wanted)
        for name in graph.order:
            if name not in alive:
                continue
            node = graph.nodes[name]
            inputs = [None if ref is None else known[ref] for ref in node.inputs]
            outputs = self.node(node.layer, f"{path}{name}", inputs)
            for i, port in enumerate(node.layer.output_ports()):
                known[Ref(name) if i == 0 else Ref(name, port)] = outputs[i]
        return {name: known[graph.outputs[name]] for name in graph.outputs if name in wanted}

    def node(self, layer: Layer, path: str, inputs: list[int | None]) -> list[int | None]:
        ports = layer.input_ports()
        for i, slot in enumerate(inputs):
            if slot is None and (i >= len(ports.names) or ports.names[i] not in ports.optional):
                missing = ports.names[min(i, len(ports.names) - 1)]
                raise GraphError("an input is missing", where=path, expected=missing, subject=path)
        if isinstance(layer, Composite):
            for (name, inner), slot in zip(layer.graph.inputs.items(), inputs, strict=False):
                if inner.shape is not None and slot is not None:
                    self.entries.append((f"{path}/{name}", slot, inner.shape))
            found = self.graph(layer.graph, f"{path}/", inputs, frozenset(layer.graph.outputs))
            return [found[name] for name in layer.graph.outputs]
        names = layer.output_ports()
        outputs = [self.slot(path if i == 0 else f"{path}.{name}") for i, name in enumerate(names)]
        if isinstance(layer, Scan):
            self.steps.append(self.loop(layer, path, inputs, outputs))
        else:
            self.steps.append(Call(path, self.owners[id(layer)], tuple(inputs), tuple(outputs)))
        return list(outputs)

    def loop(self, scan: Scan, path: str, inputs: list[int | None], outputs: list[int]) -> Loop:
        cell = scan.cell
        inputs = inputs + [None] * (len(scan.input_ports().names) - len(inputs))
        n, s = len(cell.sequences), len(cell.states)
        roles = (*cell.sequences, *cell.states, *cell.contexts)
        ordered = Graph(cell.name, {r: cell.inputs[r] for r in roles}, cell.nodes, cell.outputs)
        plan = _Lowering(self.owners).plan(ordered, f"{path}/", (*cell.emitted, *cell.states))
        emitted = len(cell.emitted)
        return Loop(
            path,
            plan,
            tuple(i for i in inputs[:n] if i is not None),
            tuple(inputs[n : n + s]),
            tuple(i for i in inputs[n + s :] if i is not None),
            tuple(outputs[:emitted]),
            tuple(outputs[emitted:]),
            scan.reverse,
            scan.bptt_length,
        )


def _alive(graph: Graph, wanted: frozenset[str]) -> set[str]:
    """The nodes that a wanted output depends on."""
    alive: set[str] = set()
    waiting = [graph.outputs[name].source for name in wanted]
    while waiting:
        name = waiting.pop()
        if name in graph.nodes and name not in alive:
            alive.add(name)
            waiting += [ref.source for ref in graph.nodes[name].inputs if ref is not None]
    return alive
