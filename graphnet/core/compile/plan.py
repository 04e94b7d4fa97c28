"""The flat form of a graph: a list of steps over numbered slots. Plain data, without arrays or callables."""

from __future__ import annotations

from collections.abc import Mapping

from graphnet.core.describe.shapes import Shape
from graphnet.core.records import record


@record
class Call:
    """Apply one primitive layer.

    Attributes
    ----------
    path : str
        Of the node.
    layer : str
        The path that owns the layer's weights: that of the first node that uses the layer.
    inputs : tuple of int or None
        Slots; None for optional inputs that are not connected.
    outputs : tuple of int
        Slots.
    """

    path: str
    layer: str
    inputs: tuple[int | None, ...]
    outputs: tuple[int, ...]


@record
class Loop:
    """Run the plan of a cell over time.

    Attributes
    ----------
    cell : Plan
        Its first slots are the sequences, states and contexts, in this order; its outputs are the emitted sequences,
        then the next states.
    sequences, initial, contexts : tuple of int
        Slots of the outer plan that feed the cell; an initial state of None is zero.
    outputs, finals : tuple of int
        Slots of the outer plan that are written: emitted sequences, and states after the last step.
    bptt_length : int or None
        After how many steps the errors of the states are truncated.
    truncate_sequences : bool
        Whether errors for the sequences, too, are truncated after ``bptt_length`` steps.
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
    truncate_sequences: bool = False

    @property
    def states(self) -> tuple[str, ...]:
        """The names of the states, in order."""
        first = len(self.sequences)
        return self.cell.inputs[first : first + len(self.initial)]


Step = Call | Loop


@record
class Plan:
    """Steps in execution order; slots 0 … n-1 are the inputs.

    Attributes
    ----------
    declared : tuple of Shape or None
        Declared shapes of the inputs.
    outputs : tuple of (str, int)
        Name and slot of each output.
    slot_paths : tuple of str
        The node path (and port) that writes each slot.
    nested_inputs : tuple of (str, int, Shape)
        Inputs of nested graphs that declare axes: path, slot and declared shape.
    """

    inputs: tuple[str, ...]
    declared: tuple[Shape | None, ...]
    outputs: tuple[tuple[str, int], ...]
    steps: tuple[Step, ...]
    slot_paths: tuple[str, ...]
    nested_inputs: tuple[tuple[str, int, Shape], ...] = ()

    @property
    def slot_count(self) -> int:
        """The number of slots."""
        return len(self.slot_paths)


@record
class Shapes:
    """The inferred shapes of a plan.

    Attributes
    ----------
    slots : tuple of Shape or None
        Of each slot.
    lengths : tuple of int or None
        For each slot, the input of the plan whose row lengths apply to it.
    cells : mapping
        The shapes of the cells of the plan's loops, by path.
    single : frozenset of str
        The loops that run one sequence without a batch axis.
    """

    slots: tuple[Shape | None, ...]
    lengths: tuple[int | None, ...]
    cells: Mapping[str, Shapes]
    single: frozenset[str]
