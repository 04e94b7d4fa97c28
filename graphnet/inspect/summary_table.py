"""What ``summary`` returns: the rows of a graph's table, and the table as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphnet.core import late
from graphnet.core.describe.graph import Graph

HEADS = ("node", "layer", "reads", "shape", "parameters")


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    depth : int
        The nesting depth of the node.
    name, kind : str
        The names of the node and of its layer's class.
    inputs : str
        The values that it reads.
    shape : str
        The shape of its first output; axes of unknown size have none.
    parameters : int or None
        The number of trained parameters, including nested ones; 0 if they have been counted before; None if sizes are
        not known.
    note : str
        For a shared layer, the path of its first use.
    frozen : bool
        Whether no step changes its parameters, because its ``delta``, or that of a layer around it, is 0.
    """

    depth: int
    name: str
    kind: str
    inputs: str = ""
    shape: str = ""
    parameters: int | None = 0
    note: str = ""
    frozen: bool = False

    def cells(self) -> tuple[str, ...]:
        """Return the row as text, by column."""
        count = "?" if self.parameters is None else f"{self.parameters:,}" if self.parameters else ""
        kind = f"{self.kind} (frozen)" if self.frozen else self.kind
        return "  " * self.depth + self.name, kind, self.inputs, self.shape, self.note or count


@dataclass(frozen=True, repr=False)
class Summary:
    """The nodes of a graph as a table; ``print`` it, or read ``rows``.

    Attributes
    ----------
    graph : Graph
    rows : tuple of Row
    """

    graph: Graph
    rows: tuple[Row, ...]

    def __repr__(self) -> str:
        lines = [HEADS, *(row.cells() for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        head, *body = (_line(line, widths) for line in lines)
        rule = "  ".join("-" * width for width in widths)
        outputs = ", ".join(f"{name} = {ref}" for name, ref in self.graph.outputs.items())
        counts = [row.parameters for row in self.rows if row.depth == 0]
        total = f"{sum(count or 0 for count in counts):,} parameters"
        frozen = self._frozen_parameters()
        if frozen:
            total += f", {frozen:,} of them frozen"
        unknown = " and more, depending on input sizes that are not known" if None in counts else ""
        return "\n".join([head, rule, *body, rule, f"outputs: {outputs}", f"total: {total}{unknown}"])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows."""
        return dict(late.call("mimebundle", self))

    def _frozen_parameters(self) -> int:
        """The parameters of the outermost frozen rows."""
        total, outside = 0, -1
        for row in self.rows:
            if outside >= 0 and row.depth > outside:
                continue
            outside = row.depth if row.frozen else -1
            total += (row.parameters or 0) if row.frozen else 0
        return total


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    *left, last = (f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
    return "  ".join([*left, f"{last.strip():>{widths[-1]}}"]).rstrip()
