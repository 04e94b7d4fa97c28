"""The values of a graph that is being built: layers are called on them, and operators add nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.node import Input, Node, Ref
from graphnet.core.describe.value_borders import OperationError, UnsupportedOperations
from graphnet.core.errors import GraphError

#: The layers of the operators ``+``, ``-``, ``*`` on values; filled by the package that provides these layers.
OPERATORS: dict[str, Callable[..., Layer]] = {}


class ValueOwner(Protocol):
    """The builder of a value."""

    name: str
    dtype: str | None
    inputs: dict[str, Input]
    nodes: dict[str, Node]

    def add(self, layer: Layer, *values: Value | None, name: str | None = None) -> Value:
        """Add a node."""


class Value(UnsupportedOperations):
    """A value of a graph that is being built: an input, or an output of a node.

    ``value["port"]`` is another output of the same node; iterating goes over all of them; ``+``, ``-`` and ``*`` with
    values or numbers add nodes. Anything else that arrays do is a GraphError.
    """

    __slots__ = ("builder", "ref")

    def __init__(self, builder: ValueOwner, ref: Ref) -> None:
        self.builder = builder
        self.ref = ref

    def _ports(self) -> tuple[str, ...]:
        node = self.builder.nodes.get(self.ref.source)
        return node.layer.output_ports() if node else ("output",)

    def __getitem__(self, port: str) -> Value:
        if not isinstance(port, str):
            raise GraphError(
                "a value of a graph cannot be indexed",
                where=f"node {self.ref.source!r}",
                expected="the name of an output",
                received=repr(port),
                remedy="Use split(value, parts), or a layer such as Last, to select features or steps.",
            )
        if port not in self._ports() or self.ref.source in self.builder.inputs:
            raise GraphError(
                f"no output {port!r}",
                where=f"node {self.ref.source!r}",
                expected=" or ".join(self._ports()),
                received=port,
            )
        return Value(self.builder, Ref(self.ref.source, port))

    def __iter__(self) -> Iterator[Value]:
        return iter([self]) if self.ref.source in self.builder.inputs else (self[port] for port in self._ports())

    def apply_layer(self, layer: Layer, values: tuple[Value | None, ...], name: str | None) -> Value:
        """Add a node that applies ``layer`` to values: what calling the layer does."""
        return self.builder.add(layer, *values, name=name)

    def _with(self, other: Any, values: str, number: Callable[[float], tuple[float, float]]) -> Value:
        """The node for an operator: of two values, or ``scale · value + shift`` with a number."""
        if isinstance(other, Value):
            return _operator(values)()(self, other)
        if isinstance(other, bool) or not isinstance(other, (int, float, np.integer, np.floating)):
            raise OperationError(
                f"{type(other).__name__} is not an operand of a value of a graph",
                where=str(self),
                expected="a value or a number",
                received=repr(other)[:100],
                remedy="Declare an array as an input, or write a layer that keeps it.",
            )
        return _operator("affine")(*number(float(other)))(self)

    def __add__(self, other: Any) -> Value:
        return self._with(other, "add", lambda n: (1.0, float(n)))

    def __sub__(self, other: Any) -> Value:
        return self._with(other, "subtract", lambda n: (1.0, -float(n)))

    def __mul__(self, other: Any) -> Value:
        return self._with(other, "multiply", lambda n: (float(n), 0.0))

    def __rsub__(self, other: Any) -> Value:
        return self._with(other, "subtract", lambda n: (-1.0, float(n)))

    def __truediv__(self, other: Any) -> Value:
        if isinstance(other, Value):
            raise self._refuse("division by a value", "/")
        if isinstance(other, (int, float, np.integer, np.floating)) and float(other) == 0:
            raise OperationError("division of a value by zero", where=str(self), expected="a number other than 0")
        return self._with(other, "multiply", lambda n: (1.0 / float(n), 0.0))

    def __rtruediv__(self, other: Any) -> Value:
        raise self._refuse("division by a value", "/")

    def __neg__(self) -> Value:
        return self * -1.0

    __radd__ = __add__
    __rmul__ = __mul__

    def __repr__(self) -> str:
        return f"Value({self.ref}, in {self.builder.name!r})"


def _operator(name: str) -> Callable[..., Layer]:
    if name not in OPERATORS:
        raise GraphError(f"operator {name!r} is not supported", remedy="Import graphnet, not graphnet.core.")
    return OPERATORS[name]
