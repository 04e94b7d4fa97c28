"""Which number of a trace belongs to which line: composites are inlined in the plan, and boxes in a drawing."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.compile.plan import Call, Loop, Plan
from graphnet.core.describe.graph import Graph, subgraph
from graphnet.core.describe.node import Ref
from graphnet.core.describe.scan import CellGraph, Scan
from graphnet.models.pages.tracing import StepRecord, step_outputs


class Wiring:
    """The slots of the boxes and lines of a cell, and the parts of errors that flow along its lines.

    Parameters
    ----------
    cell : CellGraph
    path : str
        Of the Scan.
    plan : Plan
        Of the cell.

    Attributes
    ----------
    slots : dict of path to int or None
        The slot of each box, by path as in a drawing: of a node, that of its first output.
    """

    def __init__(self, cell: CellGraph, path: str, plan: Plan) -> None:
        self.plan = plan
        self.slots: dict[str, int | None] = {}
        self.steps: dict[str, Call | Loop] = {step.path: step for step in plan.steps}
        self.graphs: dict[str, Graph] = {}
        self.values: dict[str, dict[Ref, int | None]] = {}
        names = (*cell.sequences, *cell.states, *cell.contexts)
        self._visit(cell, f"{path}/", dict(zip(names, range(len(names)), strict=True)))
        self.top = f"{path}/"

    def _visit(self, graph: Graph, path: str, given: dict[str, Any]) -> dict[str, int | None]:
        """Note the slots in one graph whose inputs are in these slots; returns those of its outputs."""
        found: dict[Ref, int | None] = {Ref(name): slot for name, slot in given.items()}
        self.graphs[path], self.values[path] = graph, found
        for name, slot in given.items():
            self.slots[f"{path}<{name}"] = slot
        for name in graph.order:
            node, here = graph.nodes[name], f"{path}{name}"
            inner = None if isinstance(node.layer, Scan) else subgraph(node.layer)
            ports = node.layer.output_ports()
            if inner is None:
                slots: list[int | None] = list(step_outputs(self.steps[here])) if here in self.steps else []
            else:
                reads = [None if ref is None else found.get(ref) for ref in node.inputs]
                reads += [None] * (len(inner.inputs) - len(reads))
                outputs = self._visit(inner, f"{here}/", dict(zip(inner.inputs, reads, strict=True)))
                slots = [outputs[port] for port in ports]
            found |= {Ref(name, port): slot for port, slot in zip(ports, slots, strict=False)}
            found[Ref(name)] = self.slots[here] = slots[0] if slots else None
        ends = {name: found.get(ref) for name, ref in graph.outputs.items()}
        self.slots |= {f"{path}>{name}": slot for name, slot in ends.items()}
        return ends

    def slot(self, path: str, source: str, port: str) -> int | None:
        """The slot of the value that a line from this node or input carries in the graph at ``path``."""
        return self.values[path].get(Ref(source, port or None))

    def error(self, step: StepRecord, path: str, ref: Ref, target: str) -> Any:
        """The part of the error of ``ref`` that comes back from a node or output in the graph at ``path``; or None.

        Parameters
        ----------
        target : str
            A node, or ``>name``.
        """
        graph = self.graphs[path]
        if target.startswith(">"):
            return self._from_output(step, path, target[1:])
        here = f"{path}{target}"
        inner = self.graphs.get(f"{here}/")
        if inner is None:
            slot = self.values[path].get(ref)
            return None if slot is None else step.parts.get((here, slot))
        read = [name for name, each in zip(inner.inputs, graph.nodes[target].inputs, strict=False) if each == ref]
        return _sum([self.received(step, f"{here}/", Ref(name)) for name in read])

    def received(self, step: StepRecord, path: str, ref: Ref) -> Any:
        """The sum of the errors that come back to a value from all its readers in one graph."""
        graph = self.graphs[path]
        parts = [self.error(step, path, ref, name) for name in graph.order if ref in graph.nodes[name].inputs]
        parts += [self._from_output(step, path, name) for name, each in graph.outputs.items() if each == ref]
        return _sum(parts)

    def _from_output(self, step: StepRecord, path: str, name: str) -> Any:
        """The error that reaches an output of a graph: of the cell, or of a composite from the graph around it."""
        if path == self.top:
            names = [each for each, _ in self.plan.outputs]
            return step.ends[names.index(name)] if step.ends else None
        outer, _, node = path[:-1].rpartition("/")
        graph = self.graphs[f"{outer}/"]
        first = graph.nodes[node].layer.output_ports()[0]
        refs = [Ref(node, name), *([Ref(node)] if name == first else [])]
        return _sum([self.received(step, f"{outer}/", ref) for ref in refs])


def _sum(parts: list[Any]) -> Any:
    present = [part for part in parts if part is not None]
    return None if not present else np.sum(np.stack(present), axis=0)
