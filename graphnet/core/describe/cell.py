"""A builder of cells: its inputs have roles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from graphnet.core.arguments import explain_arguments
from graphnet.core.checks import is_integer
from graphnet.core.describe.builder import Builder
from graphnet.core.describe.scan import CellGraph
from graphnet.core.describe.shapes import Shape
from graphnet.core.describe.value import Value
from graphnet.core.errors import GraphError, ShapeError, unknown

Names = str | Iterable[str] | Mapping[str, int | str | Shape]


def _declared(names: Names) -> dict[str, Shape | None]:
    """Roles by name, from one name, several, or a mapping of names to sizes or shapes."""
    if isinstance(names, str):
        return {names: None}
    if isinstance(names, AbstractSet) and not isinstance(names, Mapping):
        raise GraphError("the names have no order", expected="a list of names", received=repr(names))
    if not isinstance(names, Iterable):
        raise GraphError("not a name", expected="a name, several, or a mapping to widths", received=repr(names)[:80])
    if not isinstance(names, Mapping):
        listed = list(names)
        if len(set(listed)) < len(listed):
            raise GraphError("a name is used twice", expected="different names", received=", ".join(listed))
        return dict.fromkeys(listed)
    return {name: _shape(name, size) for name, size in names.items()}


def _shape(name: str, size: Any) -> Shape:
    """The shape of an input of a cell, from a width or named axes."""
    if isinstance(size, Shape):
        return size
    if isinstance(size, str):
        return Shape.parse(size)
    if size is not None and not is_integer(size, 1):
        raise ShapeError(
            "not a width", where=f"cell input {name!r}", expected="a whole number from 1, or axes", received=repr(size)
        )
    return Shape.of((None, None if size is None else int(size)))


class MissingInputError(GraphError, AttributeError):
    """A cell has no input of this name; also an AttributeError, so that ``hasattr`` is False."""


class Cell(Builder):
    """Builds the graph of one time step, from named sequences, states and contexts.

    Each is an attribute, ``cell.x``, and an item, ``cell["x"]``, which also works for Python's keywords such as
    ``class``. Names of attributes of Cell (``name``, ``input``, ``add``, ``build``, …) are refused.

    Parameters
    ----------
    name : str
    sequences, states, contexts : str, several, or a mapping of names to widths or shapes
        Missing widths are inferred when the cell is used.
    dtype : {'float64', 'float32'}, optional
        Of the weights of layers that functions on values create, such as ``dense(cell.x, units)``; None: each
        layer's own default. A ``dtype=`` in the call has precedence.

    Raises
    ------
    GraphError
        If a name is taken twice, or by an attribute of Cell; names without an order (a set).
    ShapeError
        If a width is not a whole number of at least 1, or axes cannot be read.

    Examples
    --------
    >>> from graphnet import Cell, Scan
    >>> cell = Cell("sum", sequences="x", states="s")
    >>> s = cell.x + cell.s
    >>> Scan(cell.build(output=s, s=s)).output_ports()
    ('output', 's')
    """

    def __init__(
        self,
        name: str = "cell",
        *,
        sequences: Names = "x",
        states: Names = "h",
        contexts: Names = (),
        dtype: Any = None,
    ) -> None:
        super().__init__(name, dtype=dtype)
        self.values: dict[str, Value] = {}
        self.roles = {"sequences": _declared(sequences), "states": _declared(states), "contexts": _declared(contexts)}
        for role in self.roles.values():
            for each, shape in role.items():
                self._refuse_attribute(each)
                self.values[each] = self.input(each, shape)

    def _refuse_attribute(self, name: str) -> None:
        if name in self.__dict__ or hasattr(type(self), name):
            raise GraphError(
                f"an input cannot be called {name!r}, because it is an attribute of Cell",
                where=f"cell {self.name!r}",
                expected="a name that no attribute or method of Cell has",
                received=name,
                remedy=f"Call it {name + '_'!r} or {name + '_value'!r}.",
            )

    def __getattr__(self, name: str) -> Value:
        return self._input(name)

    def __getitem__(self, name: str) -> Value:
        return self._input(name)

    def _input(self, name: str) -> Value:
        values: dict[str, Value] = self.__dict__.get("values", {})
        if name not in values:
            place = f"cell {self.__dict__.get('name', '')!r}"
            raise unknown("input", name, values, where=place, error=MissingInputError)
        return values[name]

    def build(self, /, *values: Value, **outputs: Value) -> CellGraph:
        """Return the cell; the next value of each state is the output of the same name. See ``Builder.build``.

        Raises
        ------
        GraphError
            If a state has no next value, and as :class:`~graphnet.core.describe.graph.Graph`.
        """
        graph = super().build(*values, **outputs)
        roles = {role: tuple(names) for role, names in self.roles.items()}
        return CellGraph(graph.name, graph.inputs, graph.nodes, graph.outputs, **roles)


explain_arguments(Cell)
