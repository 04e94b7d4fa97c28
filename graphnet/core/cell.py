"""How people write cells: a builder whose inputs have roles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from graphnet.core.builder import Builder, Value
from graphnet.core.errors import nearest
from graphnet.core.scan import CellGraph
from graphnet.core.shapes import Shape

Names = str | Iterable[str] | Mapping[str, int | str | Shape]


def _declared(names: Names) -> dict[str, Shape | None]:
    """Roles by name, from one name, several, or a mapping of names to sizes or shapes."""
    if isinstance(names, str):
        return {names: None}
    if not isinstance(names, Mapping):
        return dict.fromkeys(names)
    shapes: dict[str, Shape | None] = {}
    for name, size in names.items():
        parsed = Shape.parse(size) if isinstance(size, str) else size
        shapes[name] = parsed if isinstance(parsed, Shape) else Shape.of((None, parsed))
    return shapes


class Cell(Builder):
    """The graph of one time step in the making: named sequences, states and contexts, each an attribute.

    Parameters
    ----------
    name : str
    sequences, states, contexts : str, several, or a mapping of names to widths or shapes
        Widths that are not given follow from the rest when the cell is used.

    Examples
    --------
    >>> from graphnet import Cell, Scan
    >>> cell = Cell("sum", sequences="x", states="s")
    >>> s = cell.x + cell.s
    >>> Scan(cell.build(output=s, s=s)).output_ports()
    ('output', 's')
    """

    def __init__(
        self, name: str = "cell", *, sequences: Names = "x", states: Names = "h", contexts: Names = ()
    ) -> None:
        super().__init__(name)
        self.roles = {"sequences": _declared(sequences), "states": _declared(states), "contexts": _declared(contexts)}
        self.values = {n: self.input(n, shape) for role in self.roles.values() for n, shape in role.items()}

    def __getattr__(self, name: str) -> Value:
        values: dict[str, Value] = self.__dict__.get("values", {})
        if name not in values:
            raise AttributeError(
                f"cell has no input {name!r}; {nearest(name, values) or 'it has ' + ', '.join(values)}"
            )
        return values[name]

    def build(self, output: Value | None = None, /, **outputs: Value) -> CellGraph:
        """The finished cell; each state's next value is the output of the same name.

        Raises
        ------
        GraphError
            If a state has no next value, and as :class:`~graphnet.core.graph.Graph`.
        """
        graph = super().build(output, **outputs)
        roles = {role: tuple(names) for role, names in self.roles.items()}
        return CellGraph(graph.name, graph.inputs, graph.nodes, graph.outputs, **roles)
