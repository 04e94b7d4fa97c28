"""From the nodes of an ONNX graph to those of a graph of graphnet, in the order of the file."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

import networkx as nx

from graphnet import FileError, GraphnetError
from graphnet.io.foreign import reading
from graphnet_onnx.reading.constants import fold
from graphnet_onnx.reading.filled import fold_filled
from graphnet_onnx.reading.handlers import HANDLERS
from graphnet_onnx.reading.handlers.parts import unflipped
from graphnet_onnx.reading.node import NodeView, attribute_value, view
from graphnet_onnx.reading.parse import MAX_DEPTH, nested
from graphnet_onnx.reading.scope import Scope, count_uses, located
from graphnet_onnx.reading.sizes import fold_sizes
from graphnet_onnx.reading.tensors import read_tensor
from graphnet_onnx.reading.values import Abstract, Dropped, Flipped, Known

#: Operators that read a reversed sequence as such.
FLIPPABLE = frozenset({"Identity", "Scan", "Slice", "ReverseSequence", "Shape", "Cast"})


def initializers(scope: Scope, graph: Any, place: str, defaults: Container[str] = ()) -> None:
    """Read the tensors of a graph; those named in ``defaults`` are values of optional inputs and are not trained.

    Raises
    ------
    FileError
        If one is damaged, sparse, or has the name of another one.
    """
    conversion = scope.conversion
    if graph.sparse_initializer:
        raise FileError("sparse tensors are not supported", where=place, expected="dense initializers",
                        received=f"{len(graph.sparse_initializer)} sparse ones")  # fmt: skip
    seen: set[str] = set()
    for tensor in graph.initializer:
        if tensor.name in seen or not tensor.name:
            raise FileError("two initializers have one name", where=place, expected="different names",
                            received=repr(tensor.name[:200]))  # fmt: skip
        seen.add(tensor.name)
        array = read_tensor(tensor, place, conversion.folder)
        conversion.held += array.size
        trained = array.dtype.kind == "f" and array.ndim > 0 and tensor.name not in defaults
        scope.set(tensor.name, Known(array, tensor.name, trained))


def run(scope: Scope, nodes: Iterable[Any], place: str) -> None:
    """Convert the nodes of a graph.

    Raises
    ------
    GraphnetError
        With the node that cannot be converted.
    """
    listed = ordered(list(nodes), scope, place)
    for _ in listed:
        scope.conversion.count()
    constant = _constants(scope, listed)
    early = {id(proto) for proto in constant}
    for proto in [*constant, *[each for each in listed if id(each) not in early]]:
        convert(scope, proto)


def _constants(scope: Scope, nodes: list[Any]) -> list[Any]:
    """The nodes that depend on constants alone: they are computed first, so that a layer finds all of its weights."""
    known: set[str] = set()
    found = []
    for proto in nodes:
        names = [name for name in proto.input if name]
        fits = all(name in known or isinstance(scope.env.get(name), Known) for name in names)
        plain = proto.domain in ("", "ai.onnx") and not any(True for _ in nested(proto))
        if plain and fits and (names or proto.op_type == "Constant"):
            known.update(proto.output)
            found.append(proto)
    return found


def ordered(nodes: list[Any], scope: Scope, place: str) -> list[Any]:
    """The nodes in an order in which each one follows those that it reads; that of the file if it is one.

    Raises
    ------
    FileError
        If two nodes give one name, or nodes read each other in a circle.
    """
    makers: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for name in node.output:
            if name and (name in makers or name in scope.env):
                raise FileError("two values have one name", where=place, expected="a name for each value",
                                received=repr(name[:200]))  # fmt: skip
            makers[name] = index
    read = [reads(node) for node in nodes]
    if all(makers.get(name, -1) < index for index, names in enumerate(read) for name in names if name):
        return nodes
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(len(nodes)))
    graph.add_edges_from((makers[name], index) for index, names in enumerate(read) for name in names if name in makers)
    try:
        return [nodes[index] for index in nx.lexicographical_topological_sort(graph)]
    except nx.NetworkXUnfeasible:
        cycle = nx.find_cycle(graph)
        names = [nodes[edge[0]].output[0][:80] for edge in cycle[:8]]
        raise FileError("nodes read each other in a circle", where=place, expected="a graph without cycles",
                        received=" -> ".join([*names, names[0]])) from None  # fmt: skip


def reads(node: Any) -> list[str]:
    """The names that a node reads, with those that its graphs read from outside."""
    names = list(node.input)
    for graph in nested(node):
        inside = {v.name for v in (*graph.input, *graph.initializer)}
        for inner in graph.node:
            names += [name for name in reads(inner) if name not in inside]
            inside |= set(inner.output)
        names += [output.name for output in graph.output if output.name not in inside]
    return names


def convert(scope: Scope, proto: Any) -> None:
    """Convert one node."""
    conversion = scope.conversion
    function = scope.functions.get((proto.domain, proto.op_type))
    place = f"{conversion.path}, node {proto.op_type[:80]} {(proto.name or next(iter(proto.output), ''))[:120]!r}"
    inputs: list[Abstract | None] = [scope.get(name, place) if name else None for name in proto.input]
    if function is not None:
        _call(scope, proto, function, inputs, place)
        return
    node = view(proto, scope.opsets, inputs, conversion.path, conversion.folder, scope.attributes)
    if proto.output and proto.output[0] in scope.done:  # another node has done its work
        return
    try:
        with reading(node.place, f"a node that ONNX describes as {node.op}"):
            dispatch(scope, node)
    except GraphnetError as error:
        raise located(error, node.place) from error.__cause__


def dispatch(scope: Scope, node: NodeView) -> None:
    """Compute a node whose inputs are known, or let its handler add layers."""
    if fold(scope, node) or fold_sizes(scope, node) or fold_filled(scope, node):
        return
    if any(isinstance(value, Flipped) for value in node.inputs) and node.op not in FLIPPABLE:
        node.inputs = [unflipped(scope, value) if isinstance(value, Flipped) else value for value in node.inputs]
    dropped = next((value for value in node.inputs if isinstance(value, Dropped)), None)
    if dropped is not None:
        for name in node.outputs:
            scope.set(name, dropped)
        scope.note(node, f"left out: {dropped.reason}")
        return
    handler = HANDLERS.get((node.domain, node.op))
    if handler is None:
        from graphnet_onnx.reading.generic import generic

        generic(scope, node)
        return
    handler(scope, node)


def _call(scope: Scope, proto: Any, function: Any, inputs: list[Abstract | None], place: str) -> None:
    """Convert the body of a function in the place of its call.

    Raises
    ------
    FileError
        If functions call each other in a circle, or the call does not fit the function.
    """
    if scope.depth >= MAX_DEPTH:
        raise FileError("functions call each other too deeply", where=place, expected=f"at most {MAX_DEPTH} levels",
                        received="more, or a circle")  # fmt: skip
    if len(inputs) > len(function.input) or len(proto.output) > len(function.output):
        raise FileError("a call does not fit its function", where=place,
                        expected=f"{len(function.input)} inputs and {len(function.output)} outputs",
                        received=f"{len(inputs)} and {len(proto.output)}")  # fmt: skip
    attributes: dict[str, Any] = {}
    for attribute in (*function.attribute_proto, *proto.attribute):
        attributes[attribute.name] = attribute_value(attribute, place, scope.conversion.folder, scope.attributes)
    inner = Scope(scope.conversion, scope.builder, opsets_of(function), scope.functions, depth=scope.depth + 1,
                  attributes=attributes, reference=scope.reference)  # fmt: skip
    inner.uses, inner.readers = count_uses(function.node, [])
    for name in function.output:
        inner.uses[name] = inner.uses.get(name, 0) + 1
        inner.readers.setdefault(name, []).append(None)
    for name, value in zip(function.input, inputs, strict=False):
        if value is not None:
            inner.set(name, value)
    for name in function.input[len(inputs) :]:
        inner.env[name] = None  # type: ignore[assignment]
    run(inner, function.node, place)
    for name, source in zip(proto.output, function.output, strict=False):
        if name:
            scope.set(name, inner.get(source, place))


def opsets_of(holder: Any) -> Mapping[str, int]:
    """The versions of the domains that a model or a function uses."""
    return {("" if opset.domain == "ai.onnx" else opset.domain): opset.version for opset in holder.opset_import}
