"""What the compiler makes of a graph: a flat list of steps over numbered slots; plain data, no arrays, no callables."""

from __future__ import annotations

from dataclasses import dataclass

from graphnet.core.describe.shapes import Shape


@dataclass(frozen=True, slots=True)
class Call:
    """Apply one primitive layer.

    ``path`` is the node's; ``layer`` the path under which the layer's weights are kept (its first use). Slots of
    optional inputs that were left out are None.
    """

    path: str
    layer: str
    inputs: tuple[int | None, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """Run the plan of a cell over time.

    ``sequences``, ``initial`` (None: zeros) and ``contexts`` are slots of the outer plan that feed the first slots of
    the cell's plan, in this order; ``outputs`` and ``finals`` are the outer slots written. The cell's plan lists its
    outputs in the order emitted sequences, then next states. With ``cut`` the errors for the sequences, too, go back
    no further than ``bptt_length`` steps.
    """

    path: str
    cell: Plan
    sequences: tuple[int, ...]
    initial: tuple[int | None, ...]
    contexts: tuple[int, ...]
    outputs: tuple[int, ...]
    finals: tuple[int, ...]
    reverse: bool
    bptt_length: int | None
    cut: bool = False

    @property
    def states(self) -> tuple[str, ...]:
        """The names of the states, in order."""
        first = len(self.sequences)
        return self.cell.inputs[first : first + len(self.initial)]


Step = Call | Loop


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in the order in which they run; slots 0 … n-1 are the inputs.

    ``declared`` holds what is known of the inputs' shapes; ``outputs`` the slot of each named output; ``places`` the
    node path (and port) that fills each slot. ``entries`` are the inputs of nested graphs that declare axes: path, slot
    and what is declared.
    """

    inputs: tuple[str, ...]
    declared: tuple[Shape | None, ...]
    outputs: tuple[tuple[str, int], ...]
    steps: tuple[Step, ...]
    places: tuple[str, ...]
    entries: tuple[tuple[str, int, Shape], ...] = ()

    @property
    def slots(self) -> int:
        """How many slots the plan uses."""
        return len(self.places)
