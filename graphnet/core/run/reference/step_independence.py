"""Whether a layer treats the steps of a sequence independently, which decides what padding its inputs need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphnet.core.compile import Shapes
from graphnet.core.compile.analysis.finiteness import may_be_nonfinite
from graphnet.core.compile.trace.ir import Trace
from graphnet.core.compile.trace.untraceable import Untraceable
from graphnet.core.describe.parameter import Array
from graphnet.core.run.context import BindOptions
from graphnet.core.run.padding import Padding, RowEnds
from graphnet.core.run.reference.call import BoundCall
from graphnet.core.run.reference.call_trace import trace_call

#: The arguments of a layer, those with row lengths in a given padding.
Arguments = Callable[[Padding], list[Any]]


class StepIndependence:
    """The padding that one use of a layer requires.

    Rules that can be traced cannot mix steps, and a layer may declare that it does not (``elementwise``, ``rowwise``).
    Its inputs are padded with copies of valid steps, or with any finite numbers if the rules are known to return finite
    numbers for them. A layer that takes ``lengths`` gets zeros. Any other layer is tested when it first runs: its
    inputs are padded with copies if other padding leaves every valid step of its output unchanged, else with zeros.

    Attributes
    ----------
    known : bool
        Whether it is known without a test that steps do not mix.
    decided : Padding or None
        The padding that the layer requires; None before a test that decides.
    """

    def __init__(self, call: BoundCall, shapes: Shapes, options: BindOptions) -> None:
        self.call, self.shapes = call, shapes
        self.origin = next((o for i in call.inputs if i is not None and (o := shapes.lengths[i]) is not None), None)
        self.decided: Padding | None = None
        self.known = False
        if self.origin is None:
            self.decided = Padding.ZEROS
        elif (trace := self.trace(options)) is not None:
            self.known = True
            exact = may_be_nonfinite(trace) or not options.compiled
            self.decided = Padding.REPEATED if exact else Padding.FINITE
        elif self.declared():
            self.known, self.decided = True, Padding.REPEATED
        elif "lengths" in call.keywords["apply"].names or not self.over_time():
            self.decided = Padding.ZEROS

    def trace(self, options: BindOptions) -> Trace | None:
        """The operations of the layer's rules; None where they cannot be traced, or the batch is their feature axis."""
        if self.flat():
            return None
        try:
            return trace_call(self.call.step, self.shapes, options, [True] * len(self.shapes.slots))
        except Untraceable:
            return None

    def flat(self) -> bool:
        """Whether a value is ``(time, batch)``: for a rule, the batch is then the feature axis."""
        slots = [i for i in (*self.call.inputs, *self.call.outputs) if i is not None]
        return any(self.shapes.lengths[i] is not None and len(self.shapes.slots[i] or ()) < 3 for i in slots)

    def declared(self) -> bool:
        """Whether a trait of the layer says that steps do not mix."""
        layer = self.call.layer
        return layer.elementwise is True or (layer.rowwise is True and not self.flat())

    def over_time(self) -> bool:
        """Whether every output has the steps of the input."""
        return all(self.shapes.lengths[slot] is not None for slot in self.call.outputs)

    def required(self, ends: RowEnds, arguments: Arguments) -> Padding:
        """The padding that the layer requires; tested with the arguments of this pass where nothing else decides."""
        if self.decided is None:
            self.decided = Padding.REPEATED if self.tested(ends, arguments(Padding.REPEATED)) else Padding.ZEROS
        return self.decided

    def tested(self, ends: RowEnds, arguments: list[Any]) -> bool:
        """Whether other padding leaves the valid steps of the outputs unchanged."""
        try:
            expected = self.outputs(arguments)
        except Exception:  # the pass itself will report it
            return False
        padded = [slot is not None and self.shapes.lengths[slot] is not None for slot in self.call.inputs]
        for number in range(3):
            altered = [
                _altered(a, ends.beyond, number) if p and a.shape[:2] == ends.beyond.shape else a
                for a, p in zip(arguments, padded, strict=True)
            ]
            try:
                outputs = self.outputs(altered)
            except Exception:  # it rejects these numbers, which says nothing about others
                continue
            if not all(_agree(a, b, ~ends.beyond) for a, b in zip(outputs, expected, strict=True)):
                return False
        return True

    def outputs(self, arguments: list[Any]) -> tuple[Any, ...]:
        """The outputs of the layer for some arguments, with the same random arrays each time."""
        call = self.call
        draws = call.layer.draw(np.random.default_rng(0), *call.input_shapes) if call.draws else {}
        with np.errstate(all="ignore"):
            output, _ = call.apply(*arguments, **{**call.apply_with, **draws})
        return output if call.several else (output,)


def _altered(array: Array, beyond: Array, number: int) -> Array:
    """The array with other padding: valid steps of other rows, large numbers, or large negative numbers."""
    altered = array.copy()
    if number == 0 or array.dtype.kind != "f":
        valid = array[~beyond]
        altered[beyond] = valid[np.arange(int(beyond.sum())) * 7 % len(valid)]
    else:
        altered[beyond] = (2 * np.abs(array).max() + 1) * (1 if number == 1 else -1)
    return altered


def _agree(a: Array, b: Array, where: Array) -> bool:
    return np.array_equal(a[where], b[where], equal_nan=True)
