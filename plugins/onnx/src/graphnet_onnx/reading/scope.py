"""The state of a conversion: one for the file, and one for each graph inside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphnet import Builder, FileError, GraphnetError, Layer, Value
from graphnet_onnx.reading.dims import Dim, Size
from graphnet_onnx.reading.node import NodeView
from graphnet_onnx.reading.parse import MAX_NODES
from graphnet_onnx.reading.values import Abstract, Dropped, Filled, Known, Sizes, Term


class UnsupportedError(FileError):
    """An operator that cannot be imported; the message names it, its node, and what to do."""


@dataclass
class Conversion:
    """What all graphs of one file share.

    Attributes
    ----------
    path : str
        For errors.
    folder : str or None
        Where external data are.
    batch : str
        The symbol of the axis of the batch.
    hints : dict of str to int
        Sizes of symbols, as far as the file has fixed them.
    entries : list of (str, str)
        Nodes of the file, and what became of them.
    scanned : set of str
        Symbols of axes that a recurrence runs along.
    located : dict of str to (Term, int)
        For the symbol of a size, a value with an axis of this size, and its atom.
    limit : int
        The most nodes, with those that calls of functions give.
    held, computed : int
        The numbers that the file holds, and that were computed from them.
    fixed : list of str
        Sizes that the file declares as free and uses as numbers.
    """

    path: str
    folder: str | None = None
    batch: str = "N"
    hints: dict[str, int] = field(default_factory=dict)
    entries: list[tuple[str, str]] = field(default_factory=list)
    scanned: set[str] = field(default_factory=set)
    fixed: list[str] = field(default_factory=list)
    computed: int = 0
    limit: int = MAX_NODES
    held: int = 0
    nodes: int = 0
    located: dict[str, Any] = field(default_factory=dict)
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def count(self) -> None:
        """Count a node; functions that call each other could otherwise make any number of a small file."""
        self.nodes += 1
        if self.nodes > self.limit:
            raise FileError("the functions of the model give too many nodes", where=self.path,
                            expected=f"at most {self.limit:,}", received="more")  # fmt: skip

    def bind(self, size: Size, number: Size) -> bool:
        """Whether a size may be taken as a number: it is that by the file, or nothing else is known about it."""
        if not isinstance(size, Dim) or isinstance(number, Dim):
            return size == number
        known = self.value(size)
        if known is not None:
            return known == number
        if len(size.symbols) != 1 or number % size.factor or size.symbols[0] == self.batch or number < 1:
            return False
        name = size.symbols[0]
        self.hints[name] = number // size.factor
        self.fixed.append(f"{name} = {number // size.factor}")
        return True

    def value(self, size: Size) -> int | None:
        """The number that a size has by the file; None for a free one."""
        if not isinstance(size, Dim):
            return size
        result = size.factor
        for name in size.symbols:
            if name not in self.hints:
                return None
            result *= self.hints[name]
        return result


@dataclass
class Scope:
    """One graph of the file, and the graph of graphnet that is built from it."""

    conversion: Conversion
    builder: Builder
    opsets: Mapping[str, int]
    functions: Mapping[tuple[str, str], Any]
    env: dict[str, Abstract] = field(default_factory=dict)
    parent: Scope | None = None
    uses: dict[str, int] = field(default_factory=dict)
    readers: dict[str, list[Any]] = field(default_factory=dict)
    capture: Any = None
    reference: Term | None = None
    depth: int = 0
    attributes: Mapping[str, Any] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)

    def get(self, name: str, where: str) -> Abstract:
        """The value of a name.

        Raises
        ------
        FileError
            If nothing gives it.
        """
        if name in self.env:
            return self.env[name]
        if self.parent is not None:
            value = self.parent.get(name, where)
            if self.capture is not None:
                value = self.env[name] = self.capture(name, value)
            return value
        raise FileError(f"no value is called {name[:200]!r}", where=where,
                        expected="an input, an initializer or the output of a node", received="none")  # fmt: skip

    def constant(self, name: str) -> Abstract | None:
        """What a name is in the graphs around this one."""
        return self.env.get(name) or (self.parent.constant(name) if self.parent is not None else None)

    def set(self, name: str, value: Abstract) -> None:
        """Give a name its value."""
        if name:
            self.env[name] = value

    # ------------------------------------------------------------------ building
    def free_name(self, wanted: str, default: str) -> str:
        """A name for a node of the graph."""
        wanted = wanted.rsplit("/", 1)[-1] if self.capture is not None else wanted
        name = re.sub(r"[^0-9A-Za-z_]+", "_", wanted).strip("_")[:80]
        if not name or not re.match(r"[A-Za-z_]", name):
            name = f"{default}_{name}".strip("_")
        taken, count, first = {*self.builder.inputs, *self.builder.nodes}, 2, name
        while name in taken or (self.capture is not None and name in dir(type(self.builder))):
            name, count = f"{first}_{count}", count + 1
        return name

    def apply(self, layer: Layer, *values: Value | None, name: str = "") -> Value:
        """Add a node; without a name it is named after the layer."""
        default = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(layer).__name__).lower()
        return self.builder.add(layer, *values, name=self.free_name(name or default, default))

    def move(self, layer: Layer, *values: Value | None) -> Value:
        """Add a node that only moves numbers."""
        return self.apply(layer, *values)

    def note(self, node: NodeView, what: str) -> None:
        """Record what became of a node."""
        self.conversion.entries.append((node.title, what))

    # ------------------------------------------------------------------ arguments of handlers
    def term(self, node: NodeView, index: int) -> Term:
        """An input of a node as a value of the graph.

        Raises
        ------
        UnsupportedError
            If it is not a tensor of numbers, such as the texts of labels.
        """
        value = node.inputs[index] if index < len(node.inputs) else None
        if isinstance(value, Term):
            return value
        if isinstance(value, (Known, Filled)) and self.reference is not None:
            from graphnet_onnx.reading.spreading import as_term

            return as_term(self, value)
        raise self.refused(node, f"input {index} is {described(value)}", "a value of the graph")

    def numbers(self, node: NodeView, index: int, what: str) -> np.ndarray:
        """An input of a node whose numbers must be known.

        Raises
        ------
        UnsupportedError
            If they depend on the inputs of the model.
        """
        value = node.inputs[index] if index < len(node.inputs) else None
        if isinstance(value, Known):
            return value.array
        raise self.refused(node, f"{what} is {described(value)}", "numbers that the file holds")

    def refused(self, node: NodeView, why: str, expected: str | None = None) -> UnsupportedError:
        """The error for an operator that cannot be imported."""
        return UnsupportedError(
            f"operator {node.op} cannot be imported: {why}",
            where=node.place,
            expected=expected,
            received=f"{node.domain or 'ai.onnx'}::{node.op}, opset {node.opset}, inputs "
            + ", ".join(described(value) for value in node.inputs),
            remedy="Export the model with another opset_version or without this operator, simplify it (onnxsim), or "
            "run it with graphnet_onnx.backend.",
        )


def described(value: Abstract | None) -> str:
    """A value in a few words."""
    if value is None:
        return "left out"
    if isinstance(value, Known):
        return f"a constant {value.array.dtype} {value.array.shape}"
    if isinstance(value, Dropped):
        return value.reason
    if isinstance(value, Term):
        return f"a value ({', '.join(map(str, value.dims))})"
    return "a size of an axis" if isinstance(value, Sizes) else "a filled array"


def located(error: GraphnetError, place: str) -> GraphnetError:
    """The error with the node, unless it has one."""
    if error.where is None or place not in error.where:
        return error.at(place)
    return error


def count_uses(nodes: Iterable[Any], outputs: Iterable[Any]) -> tuple[dict[str, int], dict[str, list[Any]]]:
    """How often each name is read in a graph, outputs and nested graphs included; and the nodes that read it."""
    from graphnet_onnx.reading.parse import nested

    uses: dict[str, int] = {}
    readers: dict[str, list[Any]] = {}
    waiting = [(list(nodes), list(outputs))]
    while waiting:
        listed, ends = waiting.pop()
        for end in ends:
            uses[end.name] = uses.get(end.name, 0) + 1
            readers.setdefault(end.name, []).append(None)
        for node in listed:
            for name in node.input:
                uses[name] = uses.get(name, 0) + 1
                readers.setdefault(name, []).append(node)
            waiting += [(graph.node, graph.output) for graph in nested(node)]
    return uses, readers
