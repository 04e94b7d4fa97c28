"""The usual way to write a graph: declare inputs, call layers on values, build."""

from __future__ import annotations

from typing import Any

from graphnet.core import dtypes
from graphnet.core.arguments import explain_arguments, explain_methods
from graphnet.core.describe import dag
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.naming import Numbering, snake_case
from graphnet.core.describe.node import Input, Node, Ref
from graphnet.core.describe.shapes import Shape
from graphnet.core.describe.value import Value
from graphnet.core.errors import GraphError, ShapeError

#: The name of an output that is given without one.
OUTPUT = "output"


class Builder:
    """Builds one graph: declare inputs, call layers on values, then ``build``.

    Parameters
    ----------
    name : str
    dtype : {'float64', 'float32'}, optional
        Of the weights of layers that functions on values create, such as ``dense(x, units)``; None: each layer's
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
        if not isinstance(name, str):
            raise GraphError("not a name", where=type(self).__name__, expected="text", received=repr(name)[:80])
        self.name = name
        self.dtype = None if dtype is None else dtypes.name(dtype, f"graph {name!r}")
        self.inputs: dict[str, Input] = {}
        self.nodes: dict[str, Node] = {}
        self._numbering = Numbering()
        self._stems: dict[str, str] = {}  # of nodes with an automatic name

    def input(
        self, name: str, shape: str | Shape | None = None, *, optional: bool = False, integer: bool = False
    ) -> Value:
        """Declare an input; ``shape`` as ``"time, batch, feature=12"``, or None for any.

        Raises
        ------
        GraphError
            If the name is taken.
        ShapeError
            If the text does not name axes, or two axes have the same name.
        """
        self._free(name)
        if not (shape is None or isinstance(shape, (str, Shape))):
            raise ShapeError(
                "a shape is written as text",
                where=f"graph {self.name!r}, input {name!r}",
                expected="names of axes with their sizes, such as 'batch, feature=4'",
                received=repr(shape),
                remedy="Leave out the size of an axis that may vary.",
            )
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

        A builder can be built several times. Nodes that no output needs are left out, and automatic names are
        numbered without them. Chosen names are unique in a builder: to run the same code again, create a new builder.

        Parameters
        ----------
        *values : Value
            At most one, which becomes the output named ``output``.
        **outputs : Value
            All others, by name; a value can be several outputs.

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
                f"two outputs have no name: a value without a name is the output {OUTPUT!r}",
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
        if not isinstance(name, str):
            raise GraphError("not a name", where=f"graph {self.name!r}", expected="text", received=repr(name)[:80])
        if name in self.inputs or name in self.nodes:
            raise GraphError(
                "name taken",
                where=f"graph {self.name!r}",
                expected="an unused name",
                received=repr(name),
                remedy="Choose another name; to run the same code again, create the Builder again as well.",
            )


def has_arrays(layer: Layer) -> bool:
    """Whether a layer, or a layer inside, has weights or buffers, which are saved by the name of the node."""
    if getattr(layer, "subgraph", None) is not None:
        return True
    return type(layer).parameters is not Layer.parameters or type(layer).buffers is not Layer.buffers


explain_arguments(Builder)
explain_methods(Builder, "input", "add", "build")
