"""Passes of whole rows whose arrays come from the slots of a plan and go there, one native call a direction."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnet.core.run.context import RunContext
from graphnet.core.run.numpy_backend.packing import gradients
from graphnet.core.run.numpy_backend.whole_pass import Slots
from graphnet.core.run.state import Carried
from graphnet_native.addresses import OFFSET, SUITABLE, address

if TYPE_CHECKING:
    from graphnet_native.whole_calls import WholeCalls

Array = Any
#: Reads a pointer; the calls of it below are :func:`graphnet_native.addresses.address` without the call of a function.
pointer = ctypes.c_void_p.from_address


#: Arrays that must stay for ``backward``, and the states that the pass has carried.
Saved = tuple[list[Array], Carried | None]
#: A slot and an entry of the table; a slot, an entry and the shape of an array.
Place = tuple[int, int]
ShapedPlace = tuple[int, int, tuple[int, ...]]


class DirectCalls:
    """Runs whole passes between slots; see :class:`graphnet.core.run.numpy_backend.whole_pass.DirectCalls`.

    It has a table of addresses of its own, in which only what differs from pass to pass is set: other passes of the
    same executable set more entries than that. Shapes were compared when it was made; arrays in slots have them.

    Parameters
    ----------
    whole : WholeCalls
    table : int64 array
        A copy of that of ``whole``.
    functions : two callables
        ``whole_forward`` and ``whole_backward``.
    slots : Slots
    draw : callable or None
        Draws the random arrays of a pass before it.
    """

    def __init__(
        self,
        whole: WholeCalls,
        table: Array,
        functions: Sequence[Callable[[int], None]],
        slots: Slots,
        draw: Callable[[RunContext], None] | None,
    ) -> None:
        places, sizes = whole.places, whole.sizes
        self._whole, self._draw, self._entries, self._address = whole, draw, table, address(table)
        #: The same as ``_entries``; one number is set in less time.
        self._table: Any = memoryview(table)
        self._forward, self._backward = functions
        self._dtype, self.keys = whole.dtype, [(path, name) for _, _, path, name in whole.gradients]
        # A program for passes forward has no errors, and none needs to read all its sequences.
        numbered = enumerate(slots.sequences)
        self._sequences: list[Place] = [
            (slot, sizes.sequences[k][0]) for k, (slot, _) in numbered if k in sizes.sequences
        ]
        self._outputs = [
            (slot, entry, shape) for (slot, shape), (entry, _) in zip(slots.outputs, sizes.outputs, strict=True)
        ]
        self._errors: list[ShapedPlace] = [
            (slots.outputs[k][0], entry, shape) for k, (entry, shape) in sizes.errors.items()
        ]
        self._given = [slot for slot, _ in slots.outputs]
        self._given += [slot for slot, read in zip(slots.finals, slots.finals_read, strict=True) if read]
        self._sequence_errors: list[ShapedPlace] = [
            (slot, place[0], shape)
            for (slot, shape), place in zip(slots.sequences, sizes.sequence_errors, strict=False)
            if place is not None
        ]
        self._truncated = slots.truncated
        self._bind_states(whole, slots)
        self._input_errors = self._sequence_errors + self._initial_errors
        self._gradients = [(entry, shape) for entry, shape, _, _ in whole.gradients] if whole.plain else []
        self._sums = [] if whole.plain else whole.sum_shapes
        for entry, total in whole.sum_addresses:
            table[entry] = total
        table[places.held] = 0
        self._zeros: dict[int, Array] = {}
        self._values: list[Any] = []
        self._weights: list[Array] = []

    def _bind_states(self, whole: WholeCalls, slots: Slots) -> None:
        """Note the states that come from slots, and go there; those of all others are zero, or not wanted."""
        table = self._entries
        #: Of each state: its name, the slots before and after the pass (None: not read), the entries, and the shape.
        self._states: list[tuple[str, int | None, int | None, int, int, tuple[int, ...]]] = []
        #: Whether the last pass has carried states, and so set entries that others leave.
        self._carrying = False
        self._initial: list[Place] = []
        self._finals: list[ShapedPlace] = []
        self._final_errors: list[Place] = []
        self._initial_errors: list[ShapedPlace] = []
        named = zip(slots.states, slots.initial, slots.finals, slots.finals_read, whole.states, strict=True)
        for key, slot, final, read, (first, last, shape) in named:
            self._states.append((key, slot, final if read else None, first, last, shape))
            table[first] = table[last] = 0
            if slot is not None:
                self._initial.append((slot, first))
            if read:
                self._finals.append((final, last, shape))
        self._error_keys: list[str] = []
        wanted = zip(slots.states, slots.initial, slots.initial_wanted, slots.finals, slots.finals_read, strict=True)
        for (key, slot, needed, final, read), (last, first, shape) in zip(wanted, whole.state_errors, strict=False):
            table[first] = table[last] = 0
            if read:
                self._final_errors.append((final, last))
            if needed and slot is not None:
                self._initial_errors.append((slot, first, shape))
                self._error_keys.append(key)

    def load_weights(self, arrays: Mapping[str, Mapping[str, Array]]) -> bool:
        """Use these weights, from now on; returns whether to call it again before each pass."""
        self._values = self._whole.load_weights(arrays)
        first, stop = self._whole.sources
        self._entries[first:stop] = self._whole.table[first:stop]
        self._weights, copied = self._whole.weights()
        return copied or bool(self._values)

    def forward(self, slots: list[Any], run: RunContext) -> Saved:
        """Fill the slots of outputs and of the final states that are read; returns what ``backward`` needs."""
        table, dtype, empty, data, at = self._table, self._dtype, np.empty, pointer, OFFSET
        if self._draw is not None:
            self._draw(run)
        alive = []
        for slot, entry in self._sequences:
            array = slots[slot]
            if array.flags.num & SUITABLE != SUITABLE or array.dtype is not dtype:
                array = suitable(array, dtype)
            alive.append(array)
            table[entry] = data(id(array) + at).value
        carried = run.carried
        if carried is not None or self._carrying:
            self._carry(carried, slots, alive)
        elif self._initial:
            self._enter(self._initial, slots, alive)
        for slot, entry, shape in self._outputs:
            array = slots[slot] = empty(shape, dtype)
            table[entry] = data(id(array) + at).value
        if carried is None:
            for slot, entry, shape in self._finals:
                array = slots[slot] = empty(shape, dtype)
                table[entry] = data(id(array) + at).value
        self._forward(self._address)
        return alive, carried

    def backward(self, saved: Saved, errors: list[Any]) -> list[Array | None]:
        """Add to the errors of sequences and initial states; returns the gradients, in the order of ``keys``.

        Without any error, all of them are None.
        """
        for slot in self._given:
            if errors[slot] is not None:
                break
        else:
            return [None] * len(self.keys)
        table, dtype, empty, data, at = self._table, self._dtype, np.empty, pointer, OFFSET
        used: list[Array] = []
        for slot, entry, shape in self._errors:
            array = errors[slot]
            if array is None:
                array = self._zero(slot, shape)
            elif array.flags.num & SUITABLE != SUITABLE or array.dtype is not dtype:
                array = suitable(array, dtype)
            used.append(array)
            table[entry] = data(id(array) + at).value
        if self._final_errors:
            self._enter(self._final_errors, errors, used)
        made = []
        found: list[Array | None] = []
        for slot, entry, shape in self._input_errors:
            array = empty(shape, dtype)
            table[entry] = data(id(array) + at).value
            made.append((slot, array))
        for entry, shape in self._gradients:
            array = empty(shape, dtype)
            table[entry] = data(id(array) + at).value
            found.append(array)
        if self._sums:
            found = self._summed()
        else:
            self._backward(self._address)
        if self._truncated or saved[1] is not None:
            self._correct(made, saved[1])
        for slot, array in made:
            errors[slot] = array if errors[slot] is None else errors[slot] + array
        return found

    def _enter(self, places: Iterable[Place], slots: list[Any], alive: list[Array]) -> None:
        """Set the addresses of states, or of their errors; without an array, they are zero."""
        for slot, entry in places:
            array = slots[slot]
            if array is None:
                self._table[entry] = 0
            else:
                array = suitable(array, self._dtype)
                alive.append(array)
                self._table[entry] = address(array)

    def _carry(self, carried: Carried | None, slots: list[Any], alive: list[Array]) -> None:
        """Set the addresses of all states before and after a pass; without carried ones, as in all other passes."""
        table = self._table
        self._carrying = True  # if anything fails below
        for key, slot, final, first, last, shape in self._states:
            array = None if carried is None else carried.state.arrays.get(key)
            if array is None and slot is not None:
                array = slots[slot]
            table[first] = table[last] = 0
            if array is not None:
                array = suitable(array, self._dtype)
                alive.append(array)
                table[first] = address(array)
            if carried is not None:
                array = np.empty(shape, self._dtype)
                table[last] = address(array)
                carried.leave(key, array)
                if final is not None:
                    slots[final] = array
        self._carrying = carried is not None

    def _correct(self, made: list[tuple[int, Array]], carried: Carried | None) -> None:
        """Clear the errors of the first steps of sequences; drop those of states that were carried into the pass."""
        first = len(self._sequence_errors)
        if self._truncated:
            for _, array in made[:first]:
                array[: self._truncated] = 0
        if carried is not None:
            states = zip(self._error_keys, made[first:], strict=True)
            made[first:] = [pair for key, pair in states if key not in carried.state.arrays]

    def _summed(self) -> list[Array | None]:
        """Run backward into new sums; returns the gradients, which are views or functions of these."""
        sums = []
        for entry, shape in self._sums:
            total = np.empty(shape, self._dtype)
            self._table[entry] = address(total)
            sums.append(total)
        self._backward(self._address)
        by_key = gradients(self._whole.program, sums, self._values, self._dtype)
        return [by_key[key] for key in self.keys]

    def _zero(self, slot: int, shape: tuple[int, ...]) -> Array:
        """Zeros for an output without an error."""
        if slot not in self._zeros:
            self._zeros[slot] = np.zeros(shape, self._dtype)
        return self._zeros[slot]


def suitable(array: Array, dtype: np.dtype[Any]) -> Array:
    """The array, or a copy, without gaps, aligned and of a dtype."""
    return np.require(array, dtype, ["C_CONTIGUOUS", "ALIGNED"])
