"""Parts of a graph as graphs: what some outputs need, and what lies between two values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from graphnet.core.describe.naming import Numbering
from graphnet.core.describe.node import Input, Node, Ref
from graphnet.core.errors import GraphError

#: The inputs, nodes and outputs of a graph.
Parts = tuple[dict[str, Input], dict[str, Node], dict[str, Ref]]


def listed(names: str | Iterable[str]) -> list[str]:
    """Return one name or several as a list without repetitions."""
    if not isinstance(names, Iterable):
        raise GraphError("not a name", expected="a name, or several", received=repr(names)[:80])
    return [names] if isinstance(names, str) else list(dict.fromkeys(names))


def restricted(
    inputs: Mapping[str, Input], nodes: Mapping[str, Node], kept: Collection[str], outputs: dict[str, Ref]
) -> Parts:
    """Return the parts of a graph with the inputs and nodes in ``kept`` alone, and these outputs."""
    return (
        {name: declared for name, declared in inputs.items() if name in kept},
        {name: node for name, node in nodes.items() if name in kept},
        outputs,
    )


def cut_out(
    inputs: Mapping[str, Input], nodes: Mapping[str, Node], region: Collection[str], targets: Iterable[str]
) -> Parts:
    """Return the parts of the graph of the nodes in ``region``, whose outputs are those of the nodes ``targets``.

    A value that the region reads from outside becomes an input: one of the whole graph with its declaration, one of a
    node under the name of the node (and port).
    """
    inside = {name: node for name, node in nodes.items() if name in region}
    new_inputs: dict[str, Input] = {}
    replaced: dict[Ref, Ref] = {}
    numbering = Numbering()
    for node in inside.values():
        for ref in node.inputs:
            if ref is not None and ref.source not in inside and ref not in replaced:
                plain = ref.source if ref.port is None else f"{ref.source}_{ref.port}"
                name = numbering.name(plain, new_inputs, inside)
                new_inputs[name] = inputs.get(ref.source, Input())
                replaced[ref] = Ref(name)
    cut = {
        name: Node(name, node.layer, tuple(ref and replaced.get(ref, ref) for ref in node.inputs))
        for name, node in inside.items()
    }
    outputs = {}
    for name in targets:
        for i, port in enumerate(nodes[name].layer.output_ports()):
            outputs[name if i == 0 else f"{name}_{port}"] = Ref(name, None if i == 0 else port)
    return new_inputs, cut, outputs
