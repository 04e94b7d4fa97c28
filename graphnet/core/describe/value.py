"""The values of a graph that is being built: layers are called on them, and operators add nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn, Protocol

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.node import Input, Node, Ref
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


class Value:
    """A value of a graph that is being built: an input, or an output of a node.

    ``value["port"]`` is another output of the same node; iterating goes over all of them; ``+``, ``-`` and ``*`` with
    values or numbers add nodes.
    """

    __slots__ = ("builder", "ref")
    __array_ufunc__ = None  # numpy arrays on the left must not apply operators to each element

    def __init__(self, builder: ValueOwner, ref: Ref) -> None:
        self.builder = builder
        self.ref = ref

    def _ports(self) -> tuple[str, ...]:
        node = self.builder.nodes.get(self.ref.source)
        return node.layer.output_ports() if node else ("output",)

    def __getitem__(self, port: str) -> Value:
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
        if isinstance(other, bool) or not isinstance(other, (int, float)):
            return NotImplemented  # type: ignore[no-any-return]
        return _operator("affine")(*number(other))(self)

    def __add__(self, other: Any) -> Value:
        return self._with(other, "add", lambda n: (1.0, float(n)))

    def __sub__(self, other: Any) -> Value:
        return self._with(other, "subtract", lambda n: (1.0, -float(n)))

    def __mul__(self, other: Any) -> Value:
        return self._with(other, "multiply", lambda n: (float(n), 0.0))

    def __rsub__(self, other: Any) -> Value:
        return self._with(other, "subtract", lambda n: (-1.0, float(n)))

    def __truediv__(self, other: Any) -> Value:
        if isinstance(other, Value) or other == 0:
            return NotImplemented
        return self._with(other, "multiply", lambda n: (1.0 / float(n), 0.0))

    def __neg__(self) -> Value:
        return self * -1.0

    __radd__ = __add__
    __rmul__ = __mul__

    def __bool__(self) -> NoReturn:
        raise GraphError(
            "a value of a graph has no truth value", where=str(self), remedy="Branch on configuration, not on values."
        )

    def __repr__(self) -> str:
        return f"Value({self.ref}, in {self.builder.name!r})"


def _operator(name: str) -> Callable[..., Layer]:
    if name not in OPERATORS:
        raise GraphError(f"operator {name!r} is not supported", remedy="Import graphnet, not graphnet.core.")
    return OPERATORS[name]
