"""The values of a graph that is being built: layers are called on them, and operators add nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from graphnet.core.checks import is_integer
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.node import Input, Node, Ref
from graphnet.core.describe.operators import CONSTANT, OPERATORS, layer_of
from graphnet.core.describe.slicing import new_axes, slices
from graphnet.core.describe.value_borders import OperationError, UnsupportedOperations
from graphnet.core.errors import ConfigError, GraphError

__all__ = ["OPERATORS", "Value", "ValueOwner"]


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

    ``value["port"]`` is another output of the same node; iterating goes over all of them. ``+``, ``-``, ``*``, ``/``
    and ``**`` with values, numbers and arrays, ``abs``, slices of the features (``value[..., :3]``), new axes inside a
    row (``value[:, None]``), ``@`` of values with matrices in each row, and sums and means over axes inside a row
    (``value.sum(axis=-1)``) add nodes, and so do numpy's ufuncs and functions that have a layer (``np.exp(value)``,
    ``np.maximum(a, b)``, ``np.mean(value, axis=-1)``). An array becomes a constant of the graph, the same for every
    row. Anything else that arrays do is a GraphError.

    Examples
    --------
    >>> import numpy as np
    >>> from graphnet import Builder, Runner
    >>> g = Builder("soft_sign")
    >>> x = g.input("x", "batch, feature=2")
    >>> graph = g.build(x / (1 + abs(x)) * np.array([1.0, 10.0]))
    >>> Runner(graph).forward({"x": np.array([[1.0, -3.0]])})["output"]
    array([[ 0.5, -7.5]])
    """

    __slots__ = ("builder", "ref")

    def __init__(self, builder: ValueOwner, ref: Ref) -> None:
        self.builder = builder
        self.ref = ref

    def _ports(self) -> tuple[str, ...]:
        node = self.builder.nodes.get(self.ref.source)
        return node.layer.output_ports() if node else ("output",)

    def __getitem__(self, port: Any) -> Value:
        if not isinstance(port, str):
            value, where = self, f"node {self.ref.source!r}"
            positions = new_axes(port, where)
            for selected, axis in slices(port, where):
                value = layer_of("slice")(selected.start, selected.stop, selected.step, axis)(value)
            for position in positions:
                value = layer_of("new axis")(position)(value)
            return value
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

    # ------------------------------------------------------------------ operators
    def operate(self, function: str, *operands: Any) -> Value:
        """Add the node of a function of values, numbers and arrays, of which this is one value.

        Parameters
        ----------
        function : str
            The name of a ufunc of numpy that has a layer.

        Raises
        ------
        GraphError
            If an operand is none of these.
        """
        values = [each if isinstance(each, Value) else self._constant(each) for each in operands]
        return layer_of(function)()(*values)

    def _constant(self, operand: Any) -> Value:
        """A number or an array as a node."""
        if not isinstance(operand, np.ndarray):
            operand = self._number(operand)
        try:
            layer = layer_of(CONSTANT)(operand)
        except ConfigError as error:
            raise OperationError(
                "this array is not an operand of a value of a graph",
                where=str(self),
                expected=error.expected,
                received=error.received,
                remedy=error.remedy,
            ) from error
        return layer(self)

    def _number(self, operand: Any) -> float:
        if isinstance(operand, np.ndarray) and not operand.ndim and operand.dtype.kind in "iuf":
            return float(operand)
        if isinstance(operand, bool) or not isinstance(operand, (int, float, np.integer, np.floating)):
            raise OperationError(
                f"{type(operand).__name__} is not an operand of a value of a graph",
                where=str(self),
                expected="a value, a number or an array of numpy",
                received=repr(operand)[:100],
                remedy="Declare other data as an input, or write a layer that keeps it.",
            )
        return float(operand)

    def _with(self, other: Any, function: str, affine: Callable[[float], tuple[float, float]]) -> Value:
        """The node for an operator: of two values, or ``scale · value + shift`` with a number."""
        if isinstance(other, Value) or (isinstance(other, np.ndarray) and other.ndim):
            return self.operate(function, self, other)
        return layer_of("affine")(*affine(self._number(other)))(self)

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Value:
        """Add the node of the sum over axes inside each row; ``np.sum(value, axis=-1)`` is the same.

        Raises
        ------
        GraphError
            If no axis is given: the sum would include the rows.
        """
        return self._reduced("sum", axis, keepdims)

    def mean(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Value:
        """Add the node of the mean over axes inside each row; ``np.mean(value, axis=-1)`` is the same.

        Raises
        ------
        GraphError
            If no axis is given: the mean would include the rows.
        """
        return self._reduced("mean", axis, keepdims)

    def _reduced(self, function: str, axis: Any, keepdims: Any) -> Value:
        axes = axis if isinstance(axis, tuple) else (axis,)
        if not axes or not all(is_integer(each) and each != 0 for each in axes) or not isinstance(keepdims, bool):
            raise OperationError(
                f"the {function} of a value needs axes inside each row",
                where=str(self),
                expected="axis=-1, another integer than 0, or several; keepdims=True or False",
                received=f"axis={axis!r}, keepdims={keepdims!r}"[:100],
                remedy="The rows are summed by losses; time by MeanOverTime or Last.",
            )
        chosen = tuple(int(each) for each in axes) if isinstance(axis, tuple) else int(axis)
        return layer_of(function)(chosen, keepdims)(self)

    def expand_dims(self, axis: int) -> Value:
        """Add the node of a new axis of size 1 inside each row, as ``value[:, None]``."""
        return layer_of("new axis")(axis)(self)

    def swapaxes(self, first: int, second: int) -> Value:
        """Add the node that exchanges two axes inside each row; ``np.swapaxes(value, -2, -1)`` is the same."""
        return layer_of("swapaxes")(first, second)(self)

    def __matmul__(self, other: Any) -> Value:
        if not isinstance(other, Value):
            raise self._refuse("the operator @ with an array", "@", type(other).__name__)
        return self.operate("matmul", self, other)

    def __add__(self, other: Any) -> Value:
        return self._with(other, "add", lambda n: (1.0, n))

    def __sub__(self, other: Any) -> Value:
        return self._with(other, "subtract", lambda n: (1.0, -n))

    def __mul__(self, other: Any) -> Value:
        return self._with(other, "multiply", lambda n: (n, 0.0))

    def __rsub__(self, other: Any) -> Value:
        if isinstance(other, np.ndarray) and other.ndim:
            return self.operate("subtract", other, self)
        return self._with(other, "subtract", lambda n: (-1.0, n))

    def __truediv__(self, other: Any) -> Value:
        if isinstance(other, Value):
            return self.operate("divide", self, other)
        if isinstance(other, np.ndarray) and other.ndim:
            if not other.all():
                raise OperationError("division of a value by zero", where=str(self), expected="numbers other than 0")
            return self.operate("divide", self, other)
        number = self._number(other)
        if number == 0:
            raise OperationError("division of a value by zero", where=str(self), expected="a number other than 0")
        return layer_of("affine")(1.0 / number, 0.0)(self)

    def __rtruediv__(self, other: Any) -> Value:
        if isinstance(other, np.ndarray) and other.ndim:
            return self.operate("divide", other, self)
        number, reciprocal = self._number(other), self**-1
        return reciprocal if number == 1 else reciprocal * number

    def __pow__(self, other: Any, modulo: Any = None) -> Value:
        if modulo is not None:
            raise self._refuse("pow() with a modulus", "%", repr(modulo)[:100])
        if isinstance(other, Value) or (isinstance(other, np.ndarray) and other.ndim):
            return self.operate("power", self, other)
        return layer_of("scalar power")(self._number(other))(self)

    def __rpow__(self, other: Any) -> Value:
        return self.operate("power", other, self)

    def __neg__(self) -> Value:
        return self * -1.0

    def __pos__(self) -> Value:
        return self

    def __abs__(self) -> Value:
        return self.operate("absolute", self)

    __radd__ = __add__
    __rmul__ = __mul__

    def __repr__(self) -> str:
        return f"Value({self.ref}, in {self.builder.name!r})"
