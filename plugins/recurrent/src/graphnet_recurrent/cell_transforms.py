"""Changed copies of a cell: with clipped state errors, a masked state, or new weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace

from graphnet import CellGraph, ConfigError, Graph, Multiply
from graphnet.authoring import Input, Node, Ref
from graphnet_recurrent.layers import ClipError


def clip_state_errors(cell: CellGraph, limit: float) -> CellGraph:
    """Return the cell with every error for one of its states clipped to ``[-limit, limit]``."""
    clips = {state: _unused_name(cell, f"{state}_error") for state in cell.states}
    renames = {Ref(state): Ref(name) for state, name in clips.items()}
    nodes = {name: Node(name, ClipError(limit), (Ref(state),)) for state, name in clips.items()}
    nodes |= {name: _reading(node, renames) for name, node in cell.nodes.items()}
    outputs = {name: renames.get(ref, ref) for name, ref in cell.outputs.items()}
    return replace(cell, nodes=nodes, outputs=outputs)


def mask_state(cell: CellGraph, state: str) -> CellGraph:
    """Return the cell with a further context, a mask that multiplies a state where layers with weights read it.

    All other nodes read the state unmasked; in a GRU, for example, the part of the state that is kept. A node without
    weights between the state and a layer with weights gets a masked copy, if its unmasked value is also read.

    Raises
    ------
    ConfigError
        If no layer with weights reads the state: the mask would have no effect.
    """
    if not _read_by_weights(cell, state):
        raise ConfigError(
            f"keep_state has no effect, because no layer with weights reads state {state!r}",
            where=f"cell {cell.name!r}",
            expected="a cell whose layers with weights read its first state",
            received=", ".join(cell.states),
            remedy="Use keep_input, or Dropout of the outputs.",
        )
    context = _unused_name(cell, "mask")
    product = _unused_name(cell, f"masked_{state}")
    copies = {name: _unused_name(cell, f"{name}_masked") for name in _between_state_and_weights(cell, state)}

    nodes = {product: Node(product, Multiply(), (Ref(state), Ref(context)))}

    def masked(ref: Ref | None) -> Ref | None:
        """The masked value for ``ref``, after adding the copies that compute it."""
        if ref == Ref(state):
            return Ref(product)
        if ref is None or ref.source not in copies:
            return ref
        name = copies[ref.source]
        if name not in nodes:
            original = cell.nodes[ref.source]
            nodes[name] = Node(name, original.layer, tuple(map(masked, original.inputs)))
        return Ref(name, ref.port)

    for name in cell.order:
        node = cell.nodes[name]
        nodes[name] = replace(node, inputs=tuple(map(masked, node.inputs))) if node.layer.has_weights else node
    inputs = {**cell.inputs, context: Input(cell.inputs[state].shape)}
    whole = replace(cell, inputs=inputs, nodes=nodes, contexts=(*cell.contexts, context))
    return _without_unread_originals(whole, copies)


def _read_by_weights(cell: CellGraph, state: str) -> bool:
    """Whether a layer with weights depends on a state within one step."""
    import networkx as nx

    dependent = nx.descendants(cell.networkx, state)
    return any(node.layer.has_weights for name, node in cell.nodes.items() if name in dependent)


def _between_state_and_weights(cell: CellGraph, state: str) -> set[str]:
    """The nodes without weights through which layers with weights read a state."""
    import networkx as nx

    dag = cell.networkx
    weighted = {name for name, node in cell.nodes.items() if node.layer.has_weights}
    unweighted = dag.subgraph(dag.nodes - weighted)
    dependent = unweighted.subgraph(nx.descendants(unweighted, state))
    read = {source for name in weighted for source in dag.predecessors(name) if source in dependent}
    return read.union(*(nx.ancestors(dependent, name) for name in read))


def _without_unread_originals(cell: CellGraph, copies: Mapping[str, str]) -> CellGraph:
    """Drop the nodes that no output depends on; a copy whose original is dropped takes its name."""
    names = {copy: original for original, copy in copies.items() if original not in cell.needed}

    def renamed(ref: Ref | None) -> Ref | None:
        return ref and Ref(names.get(ref.source, ref.source), ref.port)

    nodes = {
        names.get(name, name): Node(names.get(name, name), node.layer, tuple(map(renamed, node.inputs)))
        for name, node in cell.nodes.items()
        if name in cell.needed
    }
    return replace(cell, nodes=nodes)


def copy_with_new_weights(cell: CellGraph) -> CellGraph:
    """Return an equal cell with new layers, whose weights are drawn when they are needed."""
    copied = copy.deepcopy(cell)
    for layer in copied.layers().values():
        layer.store.replace_params({})
    return copied


def _reading(node: Node, renames: Mapping[Ref, Ref]) -> Node:
    """The node with some of the values that it reads replaced by others."""
    return replace(node, inputs=tuple(ref and renames.get(ref, ref) for ref in node.inputs))


def _unused_name(graph: Graph, name: str) -> str:
    while name in graph.inputs or name in graph.nodes:
        name += "_"
    return name
