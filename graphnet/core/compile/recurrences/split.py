"""A cell whose linear recurrences leave the loop over time.

What remains are nodes for all rows and steps at once, recurrences, and Scans of the states that are not linear::

    h' = (1 - z) * h + z * g        a = 1 - z, b = z * g for all steps; h = diagonal(a, b); what reads h for all steps
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from graphnet.core.compile.plan import Call, Loop
from graphnet.core.compile.recurrences.classes import Axes
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.records import record

#: For how many rows a value is computed: once, for each row of the batch, for each row and step.
ONCE, ROWS, STEPS = 0, 1, 2
#: An operand of a recurrence: a slot, or a number.
Operand = int | float


@record
class Recurrence:
    """A linear recurrence as a step.

    Attributes
    ----------
    kind : str
        The name of the operation.
    states : tuple of int
    operands : mapping of name to Operand
    before, after : tuple of int or None
        For each state, the slot that gets its values before or after each step.
    reads : tuple of (int, bool, int)
        Of a matrix state: the slot of a query, whether the state before the step is read, the slot that gets the
        result.
    axes : Axes or None
    entering : tuple of int
        The slots of the cell's plan that are the states.
    """

    kind: str
    states: tuple[int, ...]
    operands: Mapping[str, Operand]
    before: tuple[int | None, ...]
    after: tuple[int | None, ...]
    reads: tuple[tuple[int, bool, int], ...] = ()
    axes: Axes | None = None
    entering: tuple[int, ...] = ()

    @property
    def inputs(self) -> tuple[int, ...]:
        """The slots that it reads."""
        queries = [query for query, _, _ in self.reads]
        return (*(o for o in self.operands.values() if isinstance(o, int)), *queries)

    @property
    def outputs(self) -> tuple[int, ...]:
        """The slots that it writes."""
        written = [slot for slot in (*self.before, *self.after) if slot is not None]
        return (*written, *(slot for _, _, slot in self.reads))


@record
class Rest:
    """States that are not linear, which run in a Scan of their own.

    Attributes
    ----------
    states : tuple of int
    calls : tuple of Call
        The nodes between the states and their next values.
    entering, leaving : tuple of int
        The slots of the states before and after a step.
    inputs : tuple of int
        The slots of other values that the nodes read, or that are next states.
    outputs : tuple of int
        The slots of the states before a step, and of the values of the nodes.
    loop : Loop or None
        The Scan, with slots for initial and final states; known once everything is in order.
    """

    states: tuple[int, ...]
    calls: tuple[Call, ...]
    entering: tuple[int, ...]
    leaving: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    loop: Loop | None = None


@record
class Repeat:
    """Repeats a value for more rows.

    Attributes
    ----------
    source : int or None
        The slot that it reads; None for zeros, where only the number of rows is read.
    target : int
        The slot that it writes.
    """

    source: int | None
    target: int

    @property
    def inputs(self) -> tuple[int, ...]:
        """The slot that it reads."""
        return () if self.source is None else (self.source,)

    @property
    def outputs(self) -> tuple[int, ...]:
        """The slot that it writes."""
        return (self.target,)


Piece = Call | Recurrence | Rest | Repeat


@dataclass
class Verdict:
    """What was found about some states.

    Attributes
    ----------
    states : tuple of str
    kind : str or None
        The class of the recurrence; None for one that is not linear.
    reason : str
        Why it is not.
    """

    states: tuple[str, ...]
    kind: str | None
    reason: str = ""

    def __str__(self) -> str:
        names = ", ".join(self.states)
        return f"{names}: {NAMES[self.kind]}" if self.kind else f"{names}: not linear ({self.reason})"


#: The classes in words.
NAMES = {
    "diagonal": "diagonal, s' = a * s + b",
    "pair": "2x2, (x, y)' = A (x, y) + (b, c)",
    "rotation": "complex, x + i y, s' = a * s + b",
    "max_plus": "max-plus, m' = max(f + m, i)",
    "outer": "matrix state changed by outer products, S' = a * S + k v^T",
    "delta": "matrix state by the delta rule, S' = a * S + k v^T + u (w - S^T p)^T",
}


@dataclass
class SplitCell:
    """A cell, taken apart.

    Attributes
    ----------
    pieces : list of Piece
        In execution order. Slots are those of the cell's plan, and further ones.
    shapes : list of Shape or None
        Of each slot; axis 0 numbers the rows.
    stages : list of int
        ONCE, ROWS or STEPS for each slot.
    layers : dict of str to Layer
        The layers of pieces that the cell does not have.
    """

    pieces: list[Piece] = field(default_factory=list)
    shapes: list[Shape | None] = field(default_factory=list)
    stages: list[int] = field(default_factory=list)
    layers: dict[str, Layer] = field(default_factory=dict)
