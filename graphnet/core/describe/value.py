"""The values of a graph that is being built: layers are called on them, and operators add nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import add, mul, sub, truediv
from typing import Any, NoReturn, Protocol

import numpy as np

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.node import Input, Node, Ref
from graphnet.core.errors import GraphError

#: The layers of the operators ``+``, ``-``, ``*`` on values; filled by the package that provides these layers.
OPERATORS: dict[str, Callable[..., Layer]] = {}


class NotComputedError(GraphError, TypeError):
    """A value of a graph was used as if it held numbers; also a TypeError, as for any operand of the wrong type."""


class MissingAttributeError(GraphError, AttributeError):
    """A value of a graph has no such attribute; also an AttributeError, so that ``hasattr`` is False."""


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

    def __init__(self, builder: ValueOwner, ref: Ref) -> None:
        self.builder = builder
        self.ref = ref

    def _ports(self) -> tuple[str, ...]:
        node = self.builder.nodes.get(self.ref.source)
        return node.layer.output_ports() if node else ("output",)

    def __getitem__(self, port: str) -> Value:
        if not isinstance(port, str):
            remedy = (
                "Use Split for parts of an axis, Last for the last step; value['port'] is another output of a node."
            )
            raise self._not_computed(f"cannot be indexed with {port!r}", remedy)
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
        if isinstance(other, np.generic):
            other = other.item()
        if isinstance(other, bool) or not isinstance(other, (int, float)):
            received = f"an array of shape {other.shape}" if isinstance(other, np.ndarray) else repr(other)[:80]
            remedy = "Give an array to the graph as an input, or as the weight of a layer."
            raise self._not_computed(f"operator {values!r} does not take {received}", remedy)
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
        if isinstance(other, Value):
            raise self._not_computed("cannot be a divisor", "Multiply by a number, or write a Layer that divides.")
        if isinstance(other, (int, float, np.generic)) and other == 0:
            raise self._not_computed("cannot be divided by 0", "Divide by another number.")
        if isinstance(other, np.ndarray) or not isinstance(other, (int, float, np.generic)):
            return self * other
        return self._with(other, "multiply", lambda n: (1.0 / float(n), 0.0))

    def __neg__(self) -> Value:
        return self * -1.0

    __radd__ = __add__
    __rmul__ = __mul__

    # ------------------------------------------------------------------ what a value cannot do
    def _not_computed(self, problem: str, remedy: str) -> NotComputedError:
        """The error for an operation that needs numbers."""
        where = f"{self.ref}, a value of graph {self.builder.name!r}"
        return NotComputedError(f"{problem}: the value of a graph holds no numbers yet", where=where, remedy=remedy)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """Operators with numbers of numpy; no other function of numpy."""
        operation = {"add": add, "subtract": sub, "multiply": mul, "divide": truediv}.get(ufunc.__name__)
        numbers = [x for x in inputs if isinstance(x, np.generic) or (isinstance(x, np.ndarray) and x.ndim == 0)]
        if operation is not None and method == "__call__" and len(numbers) == 1 and len(inputs) == 2 and not options:
            return operation(*(x.item() if isinstance(x, (np.generic, np.ndarray)) else x for x in inputs))
        raise self._refused_function(ufunc.__name__)

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> NoReturn:
        raise self._refused_function(function.__name__)

    def __array__(self, *arguments: Any, **options: Any) -> NoReturn:
        remedy = "Run the graph: Runner(graph).forward, or Model(graph).predict."
        raise self._not_computed("cannot be converted to an array", remedy)

    def _refused_function(self, name: str) -> NotComputedError:
        if name == "matmul":
            remedy = "Use graphnet.dense(value, units), a product with weights."
        else:
            remedy = f"Apply a layer, or write one whose apply calls numpy.{name}."
        return self._not_computed(f"numpy.{name} does not take it", remedy)

    def __matmul__(self, other: Any) -> NoReturn:
        raise self._refused_function("matmul")

    def __pow__(self, other: Any) -> NoReturn:
        raise self._refused_function("power")

    def __rtruediv__(self, other: Any) -> NoReturn:
        raise self._not_computed("cannot be a divisor", "Multiply by a number, or write a Layer that divides.")

    def __floordiv__(self, other: Any) -> NoReturn:
        raise self._refused_function("floor_divide")

    def __mod__(self, other: Any) -> NoReturn:
        raise self._refused_function("mod")

    def __lt__(self, other: Any) -> NoReturn:
        raise self._refused_function("less")

    def __gt__(self, other: Any) -> NoReturn:
        raise self._refused_function("greater")

    __rmatmul__, __rpow__, __rfloordiv__, __rmod__, __le__, __ge__ = (
        __matmul__, __pow__, __floordiv__, __mod__, __lt__, __gt__
    )  # fmt: skip

    def __abs__(self) -> NoReturn:
        raise self._refused_function("abs")

    def __float__(self) -> NoReturn:
        raise self._not_computed("is not a number", "Run the graph: Runner(graph).forward, or Model(graph).predict.")

    __int__ = __float__

    def __len__(self) -> NoReturn:
        raise self._not_computed("has no length", "The sizes are those of the declared input, or known when it runs.")

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        raise MissingAttributeError(
            f"a value of a graph has no attribute {name!r}: it holds no numbers yet",
            where=f"graph {self.builder.name!r}, {self.ref}",
            remedy=f"Apply a layer to it, or write one whose apply uses the array's {name}.",
        )

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
