"""Whether a layer treats the steps of a sequence independently, and so which numbers it may get beyond a row's end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphnet.core.compile import Shapes
from graphnet.core.compile.analysis.finiteness import may_be_nonfinite
from graphnet.core.compile.trace.ir import Trace
from graphnet.core.compile.trace.symbol import Untraceable
from graphnet.core.describe.parameter import Array
from graphnet.core.run.context import BindOptions
from graphnet.core.run.numpy_backend.region import traced
from graphnet.core.run.padding import Padding, RowEnds
from graphnet.core.run.reference.call import BoundCall

#: The arguments of a layer, for the form in which those with row lengths are required.
Arguments = Callable[[Padding], list[Any]]


class StepIndependence:
    """What one use of a layer requires of its inputs beyond the rows' ends.

    Rules that can be traced cannot mix steps, and a layer may declare that it does not (``elementwise``, ``rowwise``):
    it gets copies of valid steps, or any finite numbers if it is known to make nothing else of them. A layer that asks
    for ``lengths`` gets zeros. Any other one is tested when it first runs: it gets copies if other numbers beyond the
    ends leave every valid step of its output unchanged, else zeros.

    Attributes
    ----------
    known : bool
        Whether it is known, without a test, that steps do not mix.
    """

    def __init__(self, call: BoundCall, shapes: Shapes, options: BindOptions) -> None:
        self.call, self.shapes = call, shapes
        self.origin = next((o for i in call.inputs if i is not None and (o := shapes.lengths[i]) is not None), None)
        self.found: Padding | None = None
        self.known = False
        if self.origin is None:
            self.found = Padding.ZEROS
        elif (trace := self.trace(options)) is not None:
            self.known = True
            exact = may_be_nonfinite(trace) or not options.compiled
            self.found = Padding.REPEATED if exact else Padding.FINITE
        elif self.declared():
            self.known, self.found = True, Padding.REPEATED
        elif "lengths" in call.takes["apply"].names or not self.over_time():
            self.found = Padding.ZEROS

    def trace(self, options: BindOptions) -> Trace | None:
        """The operations of the layer's rules; None where they cannot be traced, or rows are their features."""
        if self.flat():
            return None
        try:
            return traced(self.call.step, self.shapes, options, [True] * len(self.shapes.slots))
        except Untraceable:
            return None

    def flat(self) -> bool:
        """Whether a value is ``(time, batch)``, without a further axis: a rule takes its rows for features."""
        given = [i for i in (*self.call.inputs, *self.call.outputs) if i is not None]
        return any(self.shapes.lengths[i] is not None and len(self.shapes.slots[i] or ()) < 3 for i in given)

    def declared(self) -> bool:
        """Whether a trait of the layer says that steps do not mix."""
        layer = self.call.layer
        return layer.elementwise is True or (layer.rowwise is True and not self.flat())

    def over_time(self) -> bool:
        """Whether every output has the steps of the input."""
        return all(self.shapes.lengths[slot] is not None for slot in self.call.outputs)

    def form(self, ends: RowEnds, arguments: Arguments) -> Padding:
        """The form that the layer requires; tested with the arguments of this pass where nothing else decides."""
        if self.found is None:
            self.found = Padding.REPEATED if self.tested(ends, arguments(Padding.REPEATED)) else Padding.ZEROS
        return self.found

    def tested(self, ends: RowEnds, given: list[Any]) -> bool:
        """Whether what lies beyond the rows' ends changes nothing at the steps before them."""
        try:
            expected = self.outputs(given)
        except Exception:  # the pass itself will report it
            return False
        padded = [slot is not None and self.shapes.lengths[slot] is not None for slot in self.call.inputs]
        for number in range(3):
            other = [
                _altered(a, ends.beyond, number) if p and a.shape[:2] == ends.beyond.shape else a
                for a, p in zip(given, padded, strict=True)
            ]
            try:
                found = self.outputs(other)
            except Exception:  # it refuses these numbers: nothing follows about others
                continue
            if not all(_agree(a, b, ~ends.beyond) for a, b in zip(found, expected, strict=True)):
                return False
        return True

    def outputs(self, given: list[Any]) -> tuple[Any, ...]:
        """What the layer makes of some arguments, with random arrays that are the same each time."""
        call = self.call
        draws = call.layer.draw(np.random.default_rng(0), *call.given) if call.draws else {}
        with np.errstate(all="ignore"):
            output, _ = call.apply(*given, **{**call.apply_with, **draws})
        return output if call.several else (output,)


def _altered(array: Array, beyond: Array, number: int) -> Array:
    """The array with other numbers beyond the rows' ends: steps of other rows, large, and large negative ones."""
    found = array.copy()
    if number == 0 or array.dtype.kind != "f":
        valid = array[~beyond]
        found[beyond] = valid[np.arange(int(beyond.sum())) * 7 % len(valid)]
    else:
        found[beyond] = (2 * np.abs(array).max() + 1) * (1 if number == 1 else -1)
    return found


def _agree(a: Array, b: Array, where: Array) -> bool:
    return np.array_equal(a[where], b[where], equal_nan=True)
