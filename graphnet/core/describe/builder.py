"""How people write graphs: call layers on values, use operators where they read better."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NoReturn

from graphnet.core import dtypes
from graphnet.core.describe import dag
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.naming import Numbering, snake_case
from graphnet.core.describe.node import Input, Node, Ref
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import GraphError, ShapeError

#: The name of an output that is given without one.
OUTPUT = "output"
#: Layers behind ``+``, ``-``, ``*`` on values; filled by whoever provides those layers.
OPERATORS: dict[str, Callable[..., Layer]] = {}


class Value:
    """A value of a graph that is being built: an input, or an output of a node.

    ``value["port"]`` is another output of the same node; iterating goes over all of them; ``+``, ``-`` and ``*`` with
    values or numbers add nodes.
    """

    __slots__ = ("builder", "ref")
    __array_ufunc__ = None  # numpy arrays on the left must not swallow a value elementwise

    def __init__(self, builder: Builder, ref: Ref) -> None:
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
        raise GraphError(f"no layer stands behind the operator {name!r}", remedy="Import graphnet, not graphnet.core.")
    return OPERATORS[name]


class Builder:
    """Builds one graph: declare inputs, call layers on values, then ``build``.

    Parameters
    ----------
    name : str
    dtype : {'float64', 'float32'}, optional
        Of the weights of layers that are made by functions on values, such as ``dense(x, units)``; None: each layer's
        own default. A ``dtype=`` in the call has precedence.

    Raises
    ------
    DtypeError
        If ``dtype`` is another one.

    Examples
    --------
    >>> from graphnet import Builder, FullyConnected
    >>> g = Builder("scores")
    >>> x = g.input("x", "batch, feature=4")
    >>> y = FullyConnected(4, 3)(x, name="dense")
    >>> g.build(scores=y * 0.5)
    Graph('scores': x -> 2 nodes -> scores)
    """

    def __init__(self, name: str = "model", *, dtype: Any = None) -> None:
        self.name = name
        self.dtype = None if dtype is None else dtypes.name(dtype, f"graph {name!r}")
        self.inputs: dict[str, Input] = {}
        self.nodes: dict[str, Node] = {}
        self._numbering = Numbering()
        self._stems: dict[str, str] = {}  # of the nodes that were named automatically

    def input(
        self, name: str, shape: str | Shape | None = None, *, optional: bool = False, integer: bool = False
    ) -> Value:
        """Declare an input; ``shape`` as ``"time, batch, feature=12"``, or None for any.

        Raises
        ------
        GraphError
            If the name is taken.
        ShapeError
            If the text does not name axes, each by a name of its own.
        """
        self._free(name)
        try:
            axes = Shape.parse(shape) if isinstance(shape, str) else shape
        except ShapeError as error:
            raise error.at(f"graph {self.name!r}, input {name!r}") from None
        self.inputs[name] = Input(axes, optional, integer)
        return Value(self, Ref(name))

    def add(self, layer: Layer, *values: Value | None, name: str | None = None) -> Value:
        """Add a node that applies ``layer`` to ``values`` (None for an optional input that is left out).

        Without a name it is named after its layer's class. A layer without weights whose only input is a node named by
        the caller is named after both: ``input_gate_sigmoid``. A number is appended where the name is taken; ``build``
        numbers such names again, without the nodes that it leaves out.

        Raises
        ------
        GraphError
            If the name is taken, a value belongs to another graph, or the number of values does not fit.
        """
        automatic = name is None
        stem = self._stem(layer, values) if automatic else ""
        if name is None:
            name = self._numbering.name(stem, self.inputs, self.nodes)
        self._free(name)
        place = f"graph {self.name!r}, node {name!r}"
        for value in values:
            if value is not None and (not isinstance(value, Value) or value.builder is not self):
                raise GraphError(
                    "not a value of this graph",
                    where=place,
                    expected=f"a value of {self.name!r}",
                    received=repr(value),
                    remedy="Give it to the nested graph as an input, or to a Scan as a context.",
                )
        if not layer.input_ports().accepts(len(values)):
            raise GraphError(
                f"wrong number of inputs for {type(layer).__name__}",
                where=place,
                expected=str(layer.input_ports()),
                received=len(values),
            )
        self.nodes[name] = Node(name, layer, tuple(None if v is None else v.ref for v in values))
        if automatic:
            self._stems[name] = stem
        return Value(self, Ref(name))

    def build(self, /, *values: Value, **outputs: Value) -> Graph:
        """The graph of all inputs, and of the nodes that the outputs depend on.

        A builder can be built several times. Nodes that no output needs, such as those of an earlier run of a notebook
        cell, are left out, and automatic names are counted without them, so that equal code gives an equal graph.

        Parameters
        ----------
        *values : Value
            At most one, which becomes the output named ``output``.
        **outputs : Value
            All others, by name; one value can be several outputs.

        Raises
        ------
        GraphError
            If two outputs would be named ``output``, more than one has no name, or one is not a value of this builder;
            and as :class:`~graphnet.core.describe.graph.Graph`.
        ShapeError
            If an input is declared with two axes of one name.
        """
        named = self._outputs(values, outputs)
        needed = dag.required(self.nodes, [value.ref.source for value in named.values()])
        names = self._names(needed)

        def renamed(ref: Ref | None) -> Ref | None:
            return ref and Ref(names.get(ref.source, ref.source), ref.port)

        nodes = {
            names[name]: Node(names[name], node.layer, tuple(map(renamed, node.inputs)))
            for name, node in self.nodes.items()
            if name in needed
        }
        refs = {name: Ref(names.get(v.ref.source, v.ref.source), v.ref.port) for name, v in named.items()}
        return Graph(self.name, dict(self.inputs), nodes, refs)

    def _outputs(self, values: tuple[Value, ...], outputs: dict[str, Value]) -> dict[str, Value]:
        """The outputs by name, checked."""
        place = f"graph {self.name!r}"
        if len(values) > 1 or (values and OUTPUT in outputs):
            raise GraphError(
                f"two outputs without a name of their own: a value without a name is the output {OUTPUT!r}",
                where=place,
                expected="at most one value without a name, and no other output of that name",
                received=", ".join([*map(repr, values), *(f"{name}={value!r}" for name, value in outputs.items())]),
                remedy="Name the outputs: build(scores=a, features=b).",
            )
        named = {**dict.fromkeys([OUTPUT] * len(values), *values), **outputs}
        for name, value in named.items():
            if not isinstance(value, Value) or value.builder is not self:
                raise GraphError(
                    "not a value of this graph",
                    where=f"{place}, output {name!r}",
                    expected=f"a value of {self.name!r}",
                    received=repr(value),
                    remedy="Give each output by name: build(scores=a, features=b).",
                )
        return named

    def _names(self, needed: set[str]) -> dict[str, str]:
        """The names of the needed nodes in a graph of them alone."""
        taken = {*self.inputs, *(name for name in needed if name not in self._stems)}
        names, numbering = {}, Numbering()
        for name in self.nodes:
            if name in needed:
                names[name] = numbering.name(self._stems[name], taken) if name in self._stems else name
                taken.add(names[name])
        return names

    def _stem(self, layer: Layer, values: tuple[Value | None, ...]) -> str:
        """What a node without a name is called, before it is numbered."""
        kind = snake_case(type(layer).__name__)
        source = values[0].ref.source if len(values) == 1 and isinstance(values[0], Value) else None
        if source is None or source not in self.nodes or source in self._stems or has_arrays(layer):
            return kind
        return f"{source}_{kind}"

    def _free(self, name: str) -> None:
        if name in self.inputs or name in self.nodes:
            raise GraphError(
                "name taken",
                where=f"graph {self.name!r}",
                expected="an unused name",
                received=repr(name),
                remedy="Choose another name; to run the same code again, create the Builder again as well.",
            )


def functional(layer: Callable[..., Layer], name: str) -> Callable[..., Value]:
    """A function that makes a layer and applies it: values are its inputs, everything else its configuration.

    If the layer has a field ``dtype`` (or the function that makes it a parameter of this name), it gets the builder's
    dtype unless the call gives another one.

    Examples
    --------
    >>> from graphnet import Builder, FullyConnected
    >>> dense = functional(lambda *a, **k: FullyConnected(None, *a, **k), "dense")
    >>> g = Builder()
    >>> dense(g.input("x"), 7, name="scores")
    Value(scores, in 'model')
    """

    def apply(*arguments: Any, name: str | None = None, **config: Any) -> Value:
        values = [a for a in arguments if isinstance(a, Value)]
        if values and values[0].builder.dtype is not None and takes_dtype(layer):
            config.setdefault("dtype", values[0].builder.dtype)
        return layer(*(a for a in arguments if not isinstance(a, Value)), **config)(*values, name=name)

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = (
        f"Apply a new {getattr(layer, '__name__', name)} layer to values of a graph; ``name=`` names the node."
    )
    return apply


@lru_cache(maxsize=256)
def takes_dtype(layer: Callable[..., Layer]) -> bool:
    """Whether a layer class, or a function that makes a layer, has a parameter named ``dtype``."""
    make = layer.__init__ if isinstance(layer, type) else layer  # type: ignore[misc]
    try:
        return "dtype" in inspect.signature(make).parameters
    except ValueError:  # a callable without a signature
        return False


def has_arrays(layer: Layer) -> bool:
    """Whether a layer, or a layer inside, has weights or buffers, which are saved by the name of the node."""
    if getattr(layer, "subgraph", None) is not None:
        return True
    return type(layer).parameters is not Layer.parameters or type(layer).buffers is not Layer.buffers
