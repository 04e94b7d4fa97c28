"""The equations of nodes and graphs: recorded rules, with the names of a graph in the place of their inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphnet.core.compile.trace.untraceable import Untraceable
from graphnet.core.describe.layer import Layer, rules_key
from graphnet.core.describe.node import Node, Ref
from graphnet.core.describe.scan import Scan
from graphnet.core.describe.shapes import Shape
from graphnet.core.phase import Phase
from graphnet.inspect.equations.lines import Line, lines
from graphnet.inspect.equations.place import Place, padded, places
from graphnet.inspect.equations.recording import Rule, record
from graphnet.inspect.equations.simplify import simplified
from graphnet.inspect.equations.terms import INPUT, WEIGHT, Term, name, rebuilt, walk

#: Nodes of a graph whose equations are written as one; those of a larger one are looked at node by node.
MOST_NODES = 80


@dataclass(frozen=True)
class Block:
    """Lines that belong together: those of a step of a Scan, or those before and after it.

    Attributes
    ----------
    heading : str
        Words before the lines; empty for the lines of a graph.
    lines : tuple of Line
    conditions : tuple of (Term, bool)
        What holds for the values of the inputs; rules that branch on them compute something else otherwise.
    """

    heading: str
    lines: tuple[Line, ...]
    conditions: tuple[tuple[Term, bool], ...] = ()


@dataclass
class Rules:
    """Recorded rules, each recorded once for layers that compute the same."""

    known: dict[Any, Rule | str] = field(default_factory=dict)

    def of(self, layer: Layer, shapes: Sequence[Shape | None], phase: Phase = Phase.test) -> Rule:
        """The rule of a layer in simple terms.

        Raises
        ------
        Untraceable
        """
        own = rules_key(layer)
        key = None if own is None else (own, tuple(shapes), phase)
        if key is None or key not in self.known:
            found = self._recorded(layer, shapes, phase)
            if key is None:
                return _raised(found)
            self.known[key] = found
        return _raised(self.known[key])

    @staticmethod
    def _recorded(layer: Layer, shapes: Sequence[Shape | None], phase: Phase) -> Rule | str:
        if any(shape is not None and not shape.known for shape in shapes):
            return "its sizes are not known"
        try:
            rule = record(layer, shapes, phase)
        except Untraceable as reason:
            return str(reason)
        roots = simplified([*rule.outputs, *(term for term, _ in rule.conditions)])
        count = len(rule.outputs)
        conditions = zip(roots[count:], [held for _, held in rule.conditions], strict=True)
        return Rule(rule.inputs, rule.arrays, tuple(roots[:count]), tuple(conditions))


def _raised(found: Rule | str) -> Rule:
    if isinstance(found, str):
        raise Untraceable(found)
    return found


def node_blocks(place: Place, node: Node, rules: Rules) -> list[Block]:
    """The equations of a node without a graph inside: in the test phase, and in the train phase where they differ.

    Raises
    ------
    Untraceable
    """
    shapes = [place.shape(ref) for ref in node.inputs]
    values = [None if ref is None else place.value(ref) for ref in node.inputs]
    own = node.name
    return layer_blocks(node.layer, shapes, values, own, rules, place.time)


def layer_blocks(
    layer: Layer,
    shapes: Sequence[Shape | None],
    values: Sequence[Term | None] | None,
    own: str,
    rules: Rules,
    time: str = "",
) -> list[Block]:
    """The same for a layer; ``values`` are the names of its inputs, its own by default.

    Raises
    ------
    Untraceable
    """
    found = [_layer_block(rules.of(layer, shapes), layer, values, own, time)]
    known = [shape for shape in shapes if shape is not None]
    if layer.draws or layer.buffers(*known):
        try:
            block = _layer_block(rules.of(layer, shapes, Phase.train), layer, values, own, time, "in the train phase")
        except Untraceable:
            return found
        return [Block("in the test phase", found[0].lines, found[0].conditions), block]
    return found


def _layer_block(
    rule: Rule, layer: Layer, values: Sequence[Term | None] | None, own: str, time: str, heading: str = ""
) -> Block:
    given = rule.inputs if values is None else values
    roots = _substituted(rule, given, None)
    count = len(rule.outputs)
    ports = layer.output_ports()
    names = [own] if len(ports) == 1 else [f"{own}.{port}" if values is not None else port for port in ports]
    found = lines(list(zip(names, roots[:count], strict=True)), {}, time, roots[count:])
    held = zip(roots[count:], [each for _, each in rule.conditions], strict=True)
    return Block(heading, tuple(found), tuple(held))


def _substituted(rule: Rule, values: Sequence[Term | None], owner: str | None) -> list[Term]:
    """Outputs and conditions of a rule with other terms as inputs, and with arrays that belong to a node."""
    known: dict[int, Term] = {}
    for own, value in zip(rule.inputs, values, strict=True):
        if own is not None and value is not None:
            known[id(own)] = value
    if owner is not None:
        for term in rule.arrays.values():
            options = {**term.options, "owner": owner}
            known[id(term)] = Term("name", (), options, term.shape, term.kind)
    return rebuilt([*rule.outputs, *(term for term, _ in rule.conditions)], lambda term: term, known)


def graph_blocks(place: Place, rules: Rules) -> list[Block]:
    """The equations of a graph: a line for each node that has weights or is used twice, the others inside them.

    Raises
    ------
    Untraceable
        If a rule cannot be recorded, or there are too many nodes.
    """
    if sum(1 for _ in places(place)) > MOST_NODES:
        raise Untraceable(f"it has more than {MOST_NODES} nodes")
    return _Expansion(rules).blocks(place)


class _Expansion:
    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.found: list[Block] = []
        self.labels: dict[int, tuple[str, Term]] = {}
        self.conditions: list[tuple[Term, bool]] = []
        self.pending: list[tuple[str, Term]] = []

    def blocks(self, place: Place, heading: str = "") -> list[Block]:
        """The blocks of a graph; a Scan inside comes before what reads it."""
        inputs = {each: place.value(Ref(each)) for each in place.graph.inputs}
        outputs = self.graph(place, place, inputs)
        known: dict[int, Term] = {}
        roots = simplified([*(term for _, term in self.labels.values()), *outputs.values()], known)[len(self.labels) :]
        results = [(text, known[id(term)]) for text, term in self.labels.values()]
        self.labels = {id(term): (text, term) for text, term in reversed(results) if not term.is_leaf}
        self.labels = dict(reversed(self.labels.items()))
        ends = [*self.pending, *zip(outputs, roots, strict=True)]
        own = lines(ends, self.labels, place.time)
        self.found.append(Block(heading, tuple(own), tuple(self.conditions)))
        return self.found

    def graph(self, place: Place, top: Place, inputs: Mapping[str, Term | None]) -> dict[str, Term]:
        """The outputs of a graph as terms; composites in it are expanded."""
        values: dict[tuple[str, str | None], Term] = {}
        for each in place.graph.order:
            if each in place.graph.needed:
                self._node(place, top, place.graph.nodes[each], inputs, values)
        return {port: self._read(ref, inputs, values) for port, ref in place.graph.outputs.items()}

    def _read(self, ref: Ref, inputs: Mapping[str, Term | None], values: Mapping[tuple[str, str | None], Term]) -> Term:
        found = inputs[ref.source] if ref.source in inputs else values[ref.source, ref.port]
        if found is None:
            raise Untraceable(f"the input {ref.source} is not connected")
        return found

    def _node(
        self,
        place: Place,
        top: Place,
        node: Node,
        inputs: Mapping[str, Term | None],
        values: dict[tuple[str, str | None], Term],
    ) -> None:
        given = [
            None if ref is None or inputs.get(ref.source, 0) is None else self._read(ref, inputs, values)
            for ref in node.inputs
        ]
        label = f"{place.path}{node.name}".removeprefix(top.path)
        ports = node.layer.output_ports()
        inner = place.inside(node)
        if isinstance(node.layer, Scan):
            assert inner is not None
            found = self._scan(place, node, inner, given, label)
        elif inner is not None:
            names = dict(zip(inner.graph.inputs, padded(given, inner.graph.inputs), strict=True))
            results = self.graph(inner, top, names)
            found = [results[port] for port in ports]
        else:
            shapes = [
                place.shape(ref) if value is not None else None for ref, value in zip(node.inputs, given, strict=True)
            ]
            rule = self.rules.of(node.layer, shapes)
            roots = _substituted(rule, given, label)
            found = simplified(roots[: len(rule.outputs)])
            self.conditions += zip(roots[len(rule.outputs) :], [held for _, held in rule.conditions], strict=True)
        for port, term in zip(ports, found, strict=True):
            values[node.name, port] = term
            if not term.is_leaf and any(each.op == "name" for each in walk([term])):
                self.labels.setdefault(id(term), (label if len(ports) == 1 else f"{label}.{port}", term))
        values[node.name, None] = found[0]

    def _scan(self, place: Place, node: Node, inner: Place, given: Sequence[Term | None], label: str) -> list[Term]:
        """The outputs of a Scan as names; its cell is a block of its own."""
        assert isinstance(node.layer, Scan)
        cell = node.layer.cell
        names = (*cell.sequences, *cell.states, *cell.contexts)
        reads = []
        for each, value in zip(names, padded(given, names), strict=True):
            if value is None:
                continue
            if not value.is_leaf:
                text = self.labels[id(value)][0] if id(value) in self.labels else f"{label}.{each}"
                self.pending.append((text, value))
                value = name(text, value.shape, INPUT, **({"time": place.time} if place.time else {}))
            reads.append((each, str(value.options["name"])))
        whole = f"{label}: " + heading(node.layer, reads)
        if self.pending:
            self.found.append(Block("", tuple(lines(self.pending, self.labels, place.time))))
            self.pending = []
        inside = _Expansion(self.rules)
        self.found += inside.blocks(inner, whole)
        found = []
        for port in node.layer.output_ports():
            shape = place.shape(Ref(node.name, port if len(node.layer.output_ports()) > 1 else None))
            sizes = () if shape is None else tuple(n or 1 for n in shape.sizes)
            found.append(name(f"{label}.{port}", sizes, INPUT, **({"time": place.time} if place.time else {})))
        return found


def heading(scan: Scan, reads: Sequence[tuple[str, str]] = ()) -> str:
    """The words before the equations of a step."""
    steps = "for t = T, …, 1, the last step first" if scan.reverse else "for t = 1, …, T"
    words = [f"{own} is {other}" for own, other in reads if own != other and own in scan.cell.sequences]
    given = dict(reads)
    words += [f"{each} starts as the input {given[each]}" for each in scan.cell.states if each in given]
    zeros = [each for each in scan.cell.states if each not in given]
    if zeros:
        words.append(f"{', '.join(zeros)} start{'s' if len(zeros) == 1 else ''} as 0")
    return "; ".join([steps, *words])


def weights_of(blocks: Sequence[Block]) -> list[Term]:
    """The weights that equations read, each once."""
    terms = [line.term for block in blocks for line in block.lines]
    found: dict[tuple[Any, ...], Term] = {}
    for term in walk(terms):
        if term.op == "name" and term.options.get("role") == WEIGHT:
            found.setdefault((term.options.get("owner", ""), term.options["name"]), term)
    return list(found.values())
