"""The parts of a graph: inputs, nodes, and references to their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape


class Ref(NamedTuple):
    """A reference to a value: the graph input or node that it comes from, and the output port (None: the first)."""

    source: str
    port: str | None = None

    def __str__(self) -> str:
        return self.source if self.port is None else f"{self.source}.{self.port}"

    @classmethod
    def parse(cls, text: str) -> Ref:
        """Read ``"node"`` or ``"node.port"``."""
        source, dot, port = text.partition(".")
        return cls(source, port if dot else None)


@dataclass(frozen=True, slots=True)
class Input:
    """One named input of a graph.

    Parameters
    ----------
    shape : Shape, optional
        Axes and the sizes known beforehand; None: any shape (inside cells and nested graphs the outer graph gives it).
    optional : bool
        May be left out, if every node that reads it allows that (the initial state of a Scan is then zeros).
    integer : bool
        Holds integers (token ids), which are not converted to the dtype of the run.
    """

    shape: Shape | None = None
    optional: bool = False
    integer: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """One use of a layer: a name, the layer, and the values that it reads, in the order of the layer's inputs."""

    name: str
    layer: Layer
    inputs: tuple[Ref | None, ...]
