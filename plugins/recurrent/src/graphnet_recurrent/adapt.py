"""Cells with something added: masks on what their products read, errors that are clipped, weights of their own."""

from __future__ import annotations

import copy
from dataclasses import replace

from graphnet import CellGraph, Graph, Multiply
from graphnet.authoring import Input, Node, Ref
from graphnet_recurrent.parts import ClipError

#: The context that holds the mask of a state.
MASK = "mask"


def clipped(cell: CellGraph, limit: float) -> CellGraph:
    """The cell with every error that goes back into one of its states clipped to ``[-limit, limit]``."""
    free = {name: _free(cell, f"{name}_error") for name in cell.states}
    renamed = {Ref(name): Ref(node) for name, node in free.items()}
    nodes = {node: Node(node, ClipError(limit), (Ref(name),)) for name, node in free.items()}
    for name, node in cell.nodes.items():
        nodes[name] = replace(node, inputs=tuple(renamed.get(r, r) if r else None for r in node.inputs))
    outputs = {name: renamed.get(ref, ref) for name, ref in cell.outputs.items()}
    return CellGraph(cell.name, cell.inputs, nodes, outputs, cell.sequences, cell.states, cell.contexts)


def masked(cell: CellGraph, state: str) -> CellGraph:
    """The cell with a context ``mask``, by which a state is multiplied wherever layers with weights read it.

    What else reads the state (the part of it that a GRU keeps, say) reads it whole. A node without weights on the way
    from the state to such a layer stands there twice where it is read both ways.
    """
    return _Masked(cell, state).made()


class _Masked:
    """One cell in the making."""

    def __init__(self, cell: CellGraph, state: str) -> None:
        self.cell, self.state = cell, state
        self.context = _free(cell, MASK)
        self.product = _free(cell, f"masked_{state}")
        self.nodes: dict[str, Node] = {self.product: Node(self.product, Multiply(), (Ref(state), Ref(self.context)))}
        self.known: dict[Ref, Ref] = {Ref(state): Ref(self.product)}
        self.doubles: dict[str, str] = {}

    def made(self) -> CellGraph:
        cell = self.cell
        for name in cell.order:
            node = cell.nodes[name]
            if node.layer.trainable:
                node = replace(node, inputs=tuple(r and self.behind(r) for r in node.inputs))
            self.nodes[name] = node
        self._drop_unread()
        inputs = {**cell.inputs, self.context: Input(cell.inputs[self.state].shape)}
        contexts = (*cell.contexts, self.context)
        return CellGraph(cell.name, inputs, self.nodes, cell.outputs, cell.sequences, cell.states, contexts)

    def _drop_unread(self) -> None:
        """Leave out what is read with the mask alone; what stands for it takes its name."""
        alive: set[str] = set()
        waiting = [ref.source for ref in self.cell.outputs.values()]
        while waiting:
            name = waiting.pop()
            if name in self.nodes and name not in alive:
                alive.add(name)
                waiting += [ref.source for ref in self.nodes[name].inputs if ref is not None]
        names = {double: own for own, double in self.doubles.items() if own not in alive}

        def renamed(ref: Ref | None) -> Ref | None:
            return ref and Ref(names.get(ref.source, ref.source), ref.port)

        self.nodes = {
            names.get(name, name): Node(names.get(name, name), node.layer, tuple(map(renamed, node.inputs)))
            for name, node in self.nodes.items()
            if name in alive
        }

    def behind(self, ref: Ref) -> Ref:
        """The value with the state masked in it; the same one where the state is not in it."""
        if ref not in self.known:
            self.known[ref] = self._made(ref)
        return self.known[ref]

    def _made(self, ref: Ref) -> Ref:
        node = self.cell.nodes.get(ref.source)
        if node is None or node.layer.trainable:
            return ref
        inputs = tuple(r and self.behind(r) for r in node.inputs)
        if inputs == node.inputs:
            return ref
        name = _free(self.cell, f"{ref.source}_masked")
        self.nodes[name] = Node(name, node.layer, inputs)
        self.doubles[ref.source] = name
        return Ref(name, ref.port)


def twin(cell: CellGraph) -> CellGraph:
    """The same cell with layers of its own, whose weights are drawn anew."""
    made = copy.deepcopy(cell)
    for layer in made.layers().values():
        layer.store.replace_params({})  # made again when they are needed
    return made


def _free(graph: Graph, name: str) -> str:
    """A name that the graph does not use."""
    while name in graph.inputs or name in graph.nodes:
        name += "_"
    return name
