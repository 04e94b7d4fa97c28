"""What ``explain`` returns: the parts of a graph, each with what the compiler did to it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from graphnet.core import late


@dataclass(frozen=True)
class Part:
    """A Scan, neighbouring nodes that are compiled together, or a single node.

    Attributes
    ----------
    path : str
        Of the Scan, or of the first and last node.
    kind : str
        'Scan', 'nodes' or 'node'.
    reason : str or None
        Why it runs node by node; None if it is compiled.
    backend : str or None
        What runs it, such as 'native' or 'numpy'; None if it runs node by node.
    fallback : str or None
        Why it does not run on the backend that was chosen; None if it does.
    notes : tuple of (str, str)
        The name of each pass, and what it changed.
    calls : tuple of (str, str)
        The phase of each call, and the operation with the nodes that it computes.
    calls_forward, calls_backward : int
        Calls of numpy at each step of the loops; 0 without a loop.
    loop, outside : int
        Multiply-adds of products per step, in the loops and outside, forward and backward.
    buffers : tuple of (str, int, int)
        Lifetime, number and bytes of buffers.
    threads : str
        The number of BLAS threads, and the products that decide it.
    apart : bool
        Whether it is a Scan whose linear recurrences are computed for all steps, and not in a loop.
    nodes : tuple of str
        The paths of the nodes in it; of a Scan, or a single node, its own.
    """

    path: str
    kind: str
    reason: str | None = None
    notes: tuple[tuple[str, str], ...] = ()
    calls: tuple[tuple[str, str], ...] = ()
    calls_forward: int = 0
    calls_backward: int = 0
    loop: int = 0
    outside: int = 0
    buffers: tuple[tuple[str, int, int], ...] = ()
    threads: str = ""
    backend: str | None = None
    fallback: str | None = None
    apart: bool = False
    nodes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return the part as text."""
        head = f"{self.path} ({self.kind})"
        if self.reason is not None:
            notes = [_line(name, note) for name, note in self.notes]
            reason = _line("uncompiled", f"runs node by node: {self.reason}")
            return [head, reason, *notes, _line("threads", self.threads)]
        runs = f"compiled, runs on {self.backend}" + (f": {self.fallback}" if self.fallback else "")
        lines = [head, _line("backend", runs), *(_line(name, note) for name, note in self.notes)]
        if self.calls_forward or self.calls_backward:
            lines.append(_line("calls", f"{self.calls_forward} forward and {self.calls_backward} backward per step"))
        if self.apart:
            lines.append(_line("taken apart", "its linear recurrences are computed for all steps, outside the loop"))
        madds = f"{self.loop:,} per step in the loops, {self.outside:,} per step outside"
        if not self.apart:
            lines.append(_line("products", f"multiply-adds: {madds}"))
        lines.append(_line("threads", self.threads))
        lines += [_line("buffers", f"{kind}: {count}, {size / 1e6:.3g} MB") for kind, count, size in self.buffers]
        previous = ""
        for phase, call in self.calls:
            lines.append(f"      {phase if phase != previous else '':<13} {call}")
            previous = phase
        return lines


def _line(name: str, text: str) -> str:
    return f"    {name:<13} {text}"


@dataclass(frozen=True)
class Explanation:
    """How a graph is compiled; ``print`` it, or read ``parts``.

    ``advice`` says which backend would be faster where it is not installed; None if there is none.
    """

    graph: str
    setting: str
    parts: tuple[Part, ...]
    advice: str | None = None

    def __str__(self) -> str:
        blocks = ["\n".join(part.lines()) for part in self.parts]
        last = [self.advice] if self.advice else []
        return "\n\n".join([f"{self.graph}: {self.setting}", *blocks, *last])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows."""
        return dict(late.call("mimebundle", self))

    def to_dict(self) -> dict[str, Any]:
        """Return the explanation as plain data."""
        return asdict(self)
