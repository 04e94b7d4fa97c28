"""Whole passes of one executable: arrays in, arrays out, one native call a direction."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphnet.core.compile.program import Program
from graphnet.core.run.context import RunContext
from graphnet.core.run.numpy_backend.packing import gradients
from graphnet.core.run.numpy_backend.whole_pass import Slots
from graphnet.core.run.numpy_backend.workspace import aligned
from graphnet_native.addresses import FAST, address, ready
from graphnet_native.direct_calls import DirectCalls
from graphnet_native.table import Table
from graphnet_native.tiles import only_tiles

Array = Any
BOOL = np.dtype(bool)
#: An entry of the table and the shape of its array.
Place = tuple[int, tuple[int, ...]]
#: Flush to zero and denormals as zeros: bits of the x86 register MXCSR.
FLUSH = 0x8040


class _Sizes:
    """The entries and shapes of the arrays of a pass of some steps."""

    __slots__ = ("address", "bounds", "errors", "outputs", "sequence_errors", "sequences", "steps")

    def __init__(self, program: Program, places: Table, bounds: Sequence[int], batch: int) -> None:
        steps = self.steps = bounds[-1]
        #: The first step of each block, and the number of steps, where native code reads them.
        self.bounds = np.array(bounds, np.int64)
        self.address = address(self.bounds)
        places_of = enumerate(places.externals)
        entries: dict[tuple[str, int], Place] = {
            (e.name, e.index): (places.external + i, (steps, batch, e.width)) for i, e in places_of
        }
        #: By number of the array.
        self.sequences = {index: place for (name, index), place in entries.items() if name == "sequence"}
        self.errors = {index: place for (name, index), place in entries.items() if name == "emitted_error"}
        self.outputs: list[Place] = [
            (places.output + k, (steps, batch, place.width)) for k, place in enumerate(program.emitted)
        ]
        self.sequence_errors = [
            None if place is None else entries["sequence_error", k] for k, place in enumerate(program.sequence_errors)
        ]


class WholeCalls:
    """Runs whole passes; see :class:`graphnet.core.run.numpy_backend.whole_pass.WholePass`.

    Parameters
    ----------
    program : Program
    places : Table
    bounds : sequence of int
        The first step of each block, and the number of steps.
    batch : int
    dtype : dtype
    table : int64 array
        Of addresses, whose other entries are set.
    functions : callable
        Returns ``whole_forward`` and ``whole_backward`` for a table.
    refer : callable
        Sets the addresses of the weights; see ``load_weights``.
    weights : callable
        Returns the arrays at these addresses, and whether any is a copy, or computed from weights.
    divide : callable
        Returns the bounds for another number of steps; None if its passes would give other bits, or need more memory.
    """

    def __init__(
        self,
        program: Program,
        places: Table,
        bounds: Sequence[int],
        batch: int,
        dtype: np.dtype[Any],
        table: Array,
        functions: Callable[[Array], Sequence[Callable[[int], None]]],
        refer: Callable[[Any], list[Any]],
        weights: Callable[[], tuple[list[Array], bool]],
        divide: Callable[[int], Sequence[int] | None],
    ) -> None:
        self.places, self._divide = places, divide
        self.program, self.dtype, self.table, self._batch = program, dtype, table, batch
        self._functions = functions
        self._forward, self._backward = functions(table)
        self.load_weights, self.weights = refer, weights
        #: The entries of the arrays that weights are packed from: the first, and the one after the last.
        self.sources = places.source, places.source + places.sources
        self._address = address(table)
        self._all_sizes: dict[int, _Sizes | None] = {}
        self._use(_Sizes(program, places, bounds, batch))
        #: Of each state: the entries before the first step and after the last one, and the shape.
        self.states = [
            (places.initial + k, places.final + k, (batch, place.width)) for k, place in enumerate(program.states)
        ]
        self.state_errors = [
            (places.final_error + k, places.initial_error + k, (batch, place.width))
            for k, place in enumerate(program.carried)
        ]
        self.plain = only_tiles(program)
        self.gradients = [
            (places.gradient + k, program.gradient_expressions[number].shape, *key)
            for k, (key, number) in enumerate(program.gradients)
        ]
        shapes = [(accumulator.rows, accumulator.columns) for accumulator in program.accumulators]
        self._sums = [aligned(shape, np.dtype(dtype)) for shape in shapes] if self.plain else []
        self.sum_shapes = [(places.accumulator + i, shape) for i, shape in enumerate(shapes)]
        self.sum_addresses = [(places.accumulator + i, address(total)) for i, total in enumerate(self._sums)]
        self._held = places.held
        self._zeros: dict[Any, Array] = {}

    def _use(self, sizes: _Sizes) -> None:
        """Let passes have these sizes."""
        self.sizes = sizes
        self._steps, self._bounds = sizes.steps, sizes.bounds
        self.table[self.places.bounds], self.table[self.places.blocks] = sizes.address, len(sizes.bounds) - 1
        self._sequences, self._outputs = sizes.sequences, sizes.outputs
        self._errors, self._sequence_errors = sizes.errors, sizes.sequence_errors

    def resize(self, steps: int) -> bool:
        """Let the next passes have that number of steps; False if their bits would differ, or need more memory."""
        if steps == self._steps:
            return True
        if steps not in self._all_sizes:
            bounds = self._divide(steps)
            made = None if bounds is None else _Sizes(self.program, self.places, bounds, self._batch)
            self._all_sizes[steps] = made
        sizes = self._all_sizes[steps]
        if sizes is None:
            return False
        self._use(sizes)
        return True

    def direct(self, slots: Slots, draw: Callable[[RunContext], None] | None) -> DirectCalls | None:
        """Passes between the slots of a plan; None if the shapes differ, or addresses cannot be read fast."""
        sizes = self.sizes
        pairs = [(slots.sequences[k][1], place[1]) for k, place in sizes.sequences.items()]
        pairs += [(shape, place[1]) for (_, shape), place in zip(slots.outputs, sizes.outputs, strict=True)]
        if not FAST or any(math.prod(given) != math.prod(own) for given, own in pairs):
            return None
        table = self.table.copy()
        return DirectCalls(self, table, self._functions(table), slots, draw)

    def flush(self, on: bool, counted: int) -> None:
        """Set whether denormal numbers count as zero, and the first step that counts in the gradients."""
        self.table[self.places.mode], self.table[self.places.counted] = FLUSH if on else 0, counted

    def forward(
        self,
        sequences: Sequence[Array],
        states: Sequence[Array | None],
        wanted: Sequence[bool],
        ended: Array | None = None,
    ) -> tuple[list[Array], list[Array | None], list[Array]]:
        """Run forward; returns the outputs, the wanted final states, and what must stay alive until ``backward``."""
        table, dtype, empty = self.table, self.dtype, np.empty
        alive = []
        for number, (entry, shape) in self._sequences.items():  # a program may read fewer than there are
            array = ready(sequences[number], dtype, shape)
            table[entry] = address(array)
            alive.append(array)
        outputs = []
        for entry, shape in self._outputs:
            output = empty(shape, dtype)
            table[entry] = address(output)
            outputs.append(output)
        if ended is None:
            table[self._held] = 0
        else:
            ended = ready(ended, BOOL, (int(self._bounds[-1]), self._batch))
            table[self._held] = address(ended)
        finals: list[Array | None] = []
        for (first, last, shape), state, needed in zip(self.states, states, wanted, strict=True):
            if state is None:
                table[first] = 0
            else:
                state = ready(state, dtype, shape)
                alive.append(state)
                table[first] = address(state)
            final = None
            if needed:
                final = empty(shape, dtype)
                table[last] = address(final)
            else:
                table[last] = 0
            finals.append(final)
        self._forward(self._address)
        return outputs, finals, alive

    def backward(
        self,
        errors: Sequence[Array | None],
        final_errors: Sequence[Array | None],
        wanted: Sequence[bool],
        values: Sequence[Any],
    ) -> tuple[list[Array | None], list[Array | None], dict[tuple[str, str], Array]]:
        """Run backward; returns the errors of the sequences, the wanted ones of initial states, and the gradients."""
        table, dtype, empty = self.table, self.dtype, np.empty
        alive = []
        for number, (entry, shape) in self._errors.items():  # the error of an output may not matter
            error = errors[number]
            error = self._zero(number, shape) if error is None else ready(error, dtype, shape)
            alive.append(error)
            table[entry] = address(error)
        sequence_errors: list[Array | None] = []
        for place in self._sequence_errors:
            error = None
            if place is not None:
                error = empty(place[1], dtype)
                table[place[0]] = address(error)
            sequence_errors.append(error)
        initial_errors: list[Array | None] = []
        for (last, first, shape), error, needed in zip(self.state_errors, final_errors, wanted, strict=True):
            if error is None:
                table[last] = 0
            else:
                error = ready(error, dtype, shape)
                alive.append(error)
                table[last] = address(error)
            initial = None
            if needed:
                initial = empty(shape, dtype)
                table[first] = address(initial)
            else:
                table[first] = 0
            initial_errors.append(initial)
        if not self.plain:
            return sequence_errors, initial_errors, self._summed(values)
        for entry, total in self.sum_addresses:  # passes of several calls set others
            table[entry] = total
        found = {}
        for entry, shape, path, name in self.gradients:
            gradient = found[path, name] = empty(shape, dtype)
            table[entry] = address(gradient)
        self._backward(self._address)
        return sequence_errors, initial_errors, found

    def _summed(self, values: Sequence[Any]) -> dict[tuple[str, str], Array]:
        """Run backward into new sums, of which the gradients are views or functions."""
        sums = []
        for entry, shape in self.sum_shapes:
            total = np.empty(shape, self.dtype)
            self.table[entry] = address(total)
            sums.append(total)
        self._backward(self._address)
        return gradients(self.program, sums, values, self.dtype)

    def _zero(self, number: int, shape: tuple[int, ...]) -> Array:
        """Zeros for an output without an error."""
        if (number, shape) not in self._zeros:
            self._zeros[number, shape] = np.zeros(shape, self.dtype)
        return self._zeros[number, shape]
