"""What became of the nodes of an ONNX file, for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """What became of each node.

    Attributes
    ----------
    path : str
    entries : tuple of (str, str)
        Nodes that gave layers, and the layers.
    skipped : tuple of str
        Outputs of the file that the model does not have.
    fixed : tuple of str
        Free sizes that the file uses as numbers.
    batch : mapping of str to int
        The axis of the batch by input.
    """

    path: str
    entries: tuple[tuple[str, str], ...]
    skipped: tuple[str, ...]
    fixed: tuple[str, ...]
    batch: Mapping[str, int]

    def __str__(self) -> str:
        width = max((len(node) for node, _ in self.entries), default=0)
        lines = [f"{node:<{min(width, 48)}}  ->  {layer}" for node, layer in self.entries]
        lines += [f"output left out: {text}" for text in self.skipped]
        lines += [f"the file uses a free size as a number: {text}" for text in self.fixed]
        axes = ", ".join(f"axis {axis} of {name}" for name, axis in self.batch.items())
        return "\n".join([*lines, f"batch: {axes}"])
