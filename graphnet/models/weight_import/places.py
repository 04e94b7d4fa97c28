"""The layers of a graph that can take weights of another framework."""

from __future__ import annotations

from typing import NamedTuple

from graphnet.core.array_types import Array
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.scan import Scan
from graphnet.core.run.runner import Runner
from graphnet.models.weight_import.units import GATES

#: The kinds of layers with arrays of their own, by class.
_BY_CLASS = {
    "FullyConnected": "linear",
    "Conv": "conv",
    "Embedding": "embedding",
    "LayerNormalization": "layer_norm",
    "BatchNormalization": "batch_norm",
}
#: The names of the layers with weights in a cell: its kind.
_BY_GATES = {frozenset(gates): kind for kind, gates in GATES.items() if kind != "gru"} | {
    frozenset({"reset_gate", "update_gate", "candidate_input", "candidate_state"}): "gru"
}


class Place(NamedTuple):
    """A layer with weights, or a Scan of a cell whose gates are named as those of a known one.

    Attributes
    ----------
    name : str
        Its path, without a final ``scan``.
    kind : str
        A key of ``units.ARRAYS``.
    path : str
        The path of its node.
    layer : Layer
    arrays : dict of str to array
        The present weights and buffers, by their names below ``path``.
    """

    name: str
    kind: str
    path: str
    layer: Layer
    arrays: dict[str, Array]

    @property
    def reverse(self) -> bool:
        """Whether it is a Scan that runs from the last step to the first."""
        return isinstance(self.layer, Scan) and self.layer.reverse

    def described(self) -> str:
        """Name, kind and shapes, for messages."""
        shapes = ", ".join(f"{name} {array.shape}" for name, array in self.arrays.items())
        return f"{self.name} ({self.kind}: {shapes})"


def places(graph: Graph, runner: Runner) -> list[Place]:
    """All of them, in the order of the graph."""
    values = {**{name: p.value for name, p in runner.parameters.items()}, **runner.buffers}
    found: list[Place] = []
    inside: list[str] = []  # paths of Scans that are places
    for path, layer in graph.walk(needed=True):
        arrays = {name.removeprefix(f"{path}/"): array for name, array in values.items() if name.startswith(f"{path}/")}
        if not arrays or any(path.startswith(f"{scan}/") for scan in inside):
            continue
        kind = _cell_kind(arrays) if isinstance(layer, Scan) else _BY_CLASS.get(type(layer).__name__)
        if kind is not None:
            name = path.removesuffix("/scan") if isinstance(layer, Scan) else path
            found.append(Place(name, kind, path, layer, arrays))
            if isinstance(layer, Scan):
                inside.append(path)
    return found


def _cell_kind(arrays: dict[str, Array]) -> str | None:
    """The kind of a cell with these weights; None if they are not exactly one array for each gate of a known one."""
    names = {name.rpartition("/weights")[0] for name in arrays if name.endswith("/weights")}
    return _BY_GATES.get(frozenset(names)) if len(names) == len(arrays) else None
