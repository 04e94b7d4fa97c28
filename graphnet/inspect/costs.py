"""What ``profile`` returns: the time and memory of every node, as data and as a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Cost:
    """One node in a forward pass and a backward pass: seconds, calls, bytes of its outputs and bytes it saved."""

    path: str
    layer: str
    forward: float = 0.0
    backward: float = 0.0
    calls: int = 0
    output_bytes: int = 0
    saved_bytes: int = 0


@dataclass(frozen=True)
class PartCost:
    """A Scan, neighbouring nodes, or a single node, as it runs compiled: seconds of a forward and a backward pass.

    Attributes
    ----------
    path : str
        Of the Scan or the node, or ``a … b`` for several nodes that run as one.
    nodes : tuple of str
        The paths of the nodes of this graph that are in it.
    forward, backward : float
    """

    path: str
    nodes: tuple[str, ...] = ()
    forward: float = 0.0
    backward: float = 0.0


@dataclass
class Profile:
    """The costs of a graph; ``print`` it for a table.

    Attributes
    ----------
    setting : str
    costs : list of Cost
        Most expensive first; medians over the repeats. Seconds are those of the layers' rules, run node by node.
    compiled_forward, compiled_backward : float
        Seconds of the whole graph, compiled.
    parts : list of PartCost
        The parts of the compiled graph in the order in which they run. Their sum is more than ``compiled_forward``
        where the whole graph is one call.
    """

    setting: str
    costs: list[Cost] = field(default_factory=list)
    compiled_forward: float = 0.0
    compiled_backward: float = 0.0
    parts: list[PartCost] = field(default_factory=list)

    @property
    def total(self) -> float:
        """Seconds of all nodes."""
        return sum(c.forward + c.backward for c in self.costs)

    def to_dict(self) -> dict[str, Any]:
        """Return the profile as plain data."""
        return asdict(self)

    def __str__(self) -> str:
        heads = ("node", "layer", "calls", "forward ms", "backward ms", "share", "output KB", "saved KB")
        lines = [heads, *(_cells(cost, self.total or 1.0) for cost in self.costs), self._sums()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = [aligned(line, widths) for line in lines]
        note = "node by node, uncompiled; saved are the values that backward reads, shared arrays counted each time"
        compiled = f"{self.compiled_forward * 1e3:.3f} ms forward, {self.compiled_backward * 1e3:.3f} ms backward"
        rule = aligned(tuple("-" * width for width in widths), widths)
        parts = [
            f"  {p.path}: {p.forward * 1e3:.3f} ms forward, {p.backward * 1e3:.3f} ms backward" for p in self.parts
        ]
        return "\n".join([self.setting, note, "", table[0], rule, *table[1:], "", f"compiled: {compiled}", *parts])

    def _sums(self) -> tuple[str, ...]:
        costs = self.costs
        whole = Cost(
            "all",
            "",
            sum(c.forward for c in costs),
            sum(c.backward for c in costs),
            sum(c.calls for c in costs),
            sum(c.output_bytes for c in costs),
            sum(c.saved_bytes for c in costs),
        )
        cells = _cells(whole, 1.0)
        return (*cells[:5], "", *cells[6:])


def _cells(cost: Cost, total: float) -> tuple[str, ...]:
    return (
        cost.path,
        cost.layer,
        f"{cost.calls}",
        f"{cost.forward * 1e3:.3f}",
        f"{cost.backward * 1e3:.3f}",
        f"{(cost.forward + cost.backward) / total:.1%}",
        f"{cost.output_bytes / 1e3:.1f}",
        f"{cost.saved_bytes / 1e3:.1f}",
    )


def aligned(cells: tuple[str, ...], widths: list[int]) -> str:
    """One line: names to the left, numbers to the right."""
    padded = (
        cell.ljust(width) if i < 2 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(padded)
