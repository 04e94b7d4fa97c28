"""What a pass that is observed leaves behind: where values, errors and gradients are not finite, and in which order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.core.run.observed.codes import ABOVE, BELOW, Codes
from graphnet.core.run.row_masks import Rows

#: The Scans around a node, from the outermost, each with the step that is running.
Scope = tuple[tuple[str, int], ...]
Key = tuple[Scope, int]
Event = tuple[Scope, str]

#: Backward calls of which a record keeps what they were called with.
KEPT = 64


@dataclass(slots=True)
class BackwardCall:
    """A call of ``grad`` whose result is not finite although the error is: with what it was called, to find the row."""

    call: Any
    saved: Any
    error: Any


@dataclass(slots=True)
class Record:
    """The codes of one pass; what is finite has no entry.

    Attributes
    ----------
    values, errors : dict of (scope, slot) to Codes
        The values of slots, and their whole errors.
    pulled : dict of (scope, path) to list of Codes or None
        The part of the error of each input that a node returned.
    counted : dict of (scope, path) to Codes
        The error that a node computes gradients from, all its outputs together.
    gradients : dict of (scope, path) to dict of name to bool array
        Where the parts of the gradients of a node's weights are not finite.
    calls : dict of (scope, path) to BackwardCall
    forward_order, backward_order : dict of (scope, path) to int
        Of the nodes that have an entry.
    tolerated : dict of (path, input number) to int
        The kinds of infinity that a node has made finite numbers of, in any row and step.
    loops : dict of (scope, path) to list of (step, rows)
        The steps that a Scan has run, in order, each with the rows that had not ended.
    single : set of str
        The Scans that run one sequence without a batch axis.
    bound : dict of path to ObservedCall
        All nodes.
    scope, live
        Of the step that is running.
    count : int
        The calls so far.
    """

    values: dict[Key, Codes] = field(default_factory=dict)
    errors: dict[Key, Codes] = field(default_factory=dict)
    pulled: dict[Event, list[Codes | None]] = field(default_factory=dict)
    counted: dict[Event, Codes] = field(default_factory=dict)
    gradients: dict[Event, dict[str, Array]] = field(default_factory=dict)
    calls: dict[Event, BackwardCall] = field(default_factory=dict)
    forward_order: dict[Event, int] = field(default_factory=dict)
    backward_order: dict[Event, int] = field(default_factory=dict)
    tolerated: dict[tuple[str, int], int] = field(default_factory=dict)
    loops: dict[Event, list[tuple[int, Rows]]] = field(default_factory=dict)
    single: set[str] = field(default_factory=set)
    bound: dict[str, Any] = field(default_factory=dict)
    scope: Scope = ()
    live: Rows = None
    count: int = 0

    def clear(self) -> None:
        """Begin another pass."""
        for part in (self.values, self.loops, self.forward_order, self.tolerated, self.single):
            part.clear()
        self.scope, self.live, self.count = (), None, 0
        self.clear_backward()

    def clear_backward(self) -> None:
        """Begin another backward pass."""
        for part in (self.errors, self.pulled, self.counted, self.gradients, self.calls, self.backward_order):
            part.clear()

    def next(self) -> int:
        """The number of the next call of a rule."""
        self.count += 1
        return self.count

    def note(self, table: dict[Key, Codes], slot: int, codes: Codes | None) -> None:
        """Store the codes of a slot in the present scope, for the rows that have not ended."""
        if codes is not None:
            codes = self.in_live_rows(codes)
        if codes is not None and codes.any():
            table[self.scope, slot] = codes
        else:
            table.pop((self.scope, slot), None)

    def in_live_rows(self, codes: Codes) -> Codes:
        """The codes without the rows that have ended."""
        live = self.live
        if isinstance(live, np.ndarray) and codes.shape[1] == len(live):
            return codes * live
        return codes

    def tolerate(self, path: str, number: int, inputs: Codes, output: Codes | None) -> None:
        """Note the kinds of infinity from which a node has made finite numbers."""
        if output is not None and (inputs.shape[1] != output.shape[1] or output.shape[0] not in (1, inputs.shape[0])):
            return
        finite = inputs if output is None else np.where(output == 0, inputs, np.uint8(0))
        kinds = int(np.bitwise_or.reduce(finite, axis=None)) & (ABOVE | BELOW)
        if kinds:
            self.tolerated[path, number] = self.tolerated.get((path, number), 0) | kinds
