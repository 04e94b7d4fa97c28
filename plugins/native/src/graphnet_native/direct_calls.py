"""Passes of whole rows whose arrays come from the slots of a plan and go there, one native call a direction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnet.core.run.numpy_backend.packing import gradients
from graphnet.core.run.numpy_backend.whole_pass import Slots
from graphnet_native.addresses import SUITABLE, address

if TYPE_CHECKING:
    from graphnet_native.whole_calls import WholeCalls

Array = Any


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
    """

    def __init__(
        self, whole: WholeCalls, table: Array, functions: Sequence[Callable[[int], None]], slots: Slots
    ) -> None:
        places, sizes = whole.places, whole.sizes
        self._whole, self._table, self._address = whole, table, address(table)
        self._forward, self._backward = functions
        self._dtype, self.keys = whole.dtype, [(path, name) for _, _, path, name in whole.gradients]
        # A program for passes forward has no errors, and none needs to read all its sequences.
        numbered = enumerate(slots.sequences)
        self._sequences = [(slot, sizes.sequences[k][0]) for k, (slot, _) in numbered if k in sizes.sequences]
        self._outputs = [
            (slot, entry, shape) for (slot, shape), (entry, _) in zip(slots.outputs, sizes.outputs, strict=True)
        ]
        self._errors = [(slots.outputs[k][0], entry, shape) for k, (entry, shape) in sizes.errors.items()]
        self._given = [slot for slot, _ in slots.outputs] + slots.finals
        self._sequence_errors = [
            (slot, place[0], shape)
            for (slot, shape), place in zip(slots.sequences, sizes.sequence_errors, strict=False)
            if place is not None
        ]
        self._truncated = slots.truncated
        self._states(whole, slots)
        self._gradients = [(entry, shape) for entry, shape, _, _ in whole.gradients] if whole.plain else []
        self._sums = [] if whole.plain else whole.sum_shapes
        for entry, total in whole.sum_addresses:
            table[entry] = total
        table[places.held] = 0
        self._zeros: dict[int, Array] = {}
        self._values: list[Any] = []
        self._weights: list[Array] = []

    def _states(self, whole: WholeCalls, slots: Slots) -> None:
        """Note the states that come from slots, and go there; those of all others are zero, or not wanted."""
        table = self._table
        self._initial, self._finals = [], []
        for slot, final, read, (first, last, shape) in zip(
            slots.initial, slots.finals, slots.finals_read, whole.states, strict=True
        ):
            table[first] = table[last] = 0
            if slot is not None:
                self._initial.append((slot, first))
            if read:
                self._finals.append((final, last, shape))
        self._final_errors, self._initial_errors = [], []
        for slot, final, wanted, (last, first, shape) in zip(
            slots.initial, slots.finals, slots.initial_wanted, whole.state_errors, strict=False
        ):
            table[first] = table[last] = 0
            self._final_errors.append((final, last))
            if wanted:
                self._initial_errors.append((slot, first, shape))

    def load_weights(self, arrays: Mapping[str, Mapping[str, Array]]) -> bool:
        """Use these weights, from now on; returns whether to call it again before each pass."""
        self._values = self._whole.load_weights(arrays)
        first, stop = self._whole.sources
        self._table[first:stop] = self._whole.table[first:stop]
        self._weights, copied = self._whole.weights()
        return copied or bool(self._values)

    def forward(self, slots: list[Any]) -> list[Array]:
        """Fill the slots of outputs and of the final states that are read; returns what must stay for ``backward``."""
        table, dtype, empty = self._table, self._dtype, np.empty
        alive = []
        for slot, entry in self._sequences:
            array = slots[slot]
            if array.flags.num & SUITABLE != SUITABLE or array.dtype is not dtype:
                array = suitable(array, dtype)
            alive.append(array)
            table[entry] = address(array)
        for slot, entry in self._initial:
            array = slots[slot]
            if array is None:
                table[entry] = 0
                continue
            array = suitable(array, dtype)
            alive.append(array)
            table[entry] = address(array)
        for slot, entry, shape in self._outputs:
            array = slots[slot] = empty(shape, dtype)
            table[entry] = address(array)
        for slot, entry, shape in self._finals:
            array = slots[slot] = empty(shape, dtype)
            table[entry] = address(array)
        self._forward(self._address)
        return alive

    def backward(self, alive: list[Array], errors: list[Any]) -> list[Array | None]:
        """Add to the errors of sequences and initial states; returns the gradients, in the order of ``keys``.

        ``alive`` is what ``forward`` has returned. Without any error, all gradients are None.
        """
        for slot in self._given:
            if errors[slot] is not None:
                break
        else:
            return [None] * len(self.keys)
        table, dtype, empty = self._table, self._dtype, np.empty
        used: list[Any] = [alive]
        for slot, entry, shape in self._errors:
            array = errors[slot]
            if array is None:
                array = self._zero(slot, shape)
            elif array.flags.num & SUITABLE != SUITABLE or array.dtype is not dtype:
                array = suitable(array, dtype)
            used.append(array)
            table[entry] = address(array)
        for slot, entry in self._final_errors:
            array = errors[slot]
            if array is None:
                table[entry] = 0
                continue
            array = suitable(array, dtype)
            used.append(array)
            table[entry] = address(array)
        made = []
        for slot, entry, shape in self._sequence_errors:
            array = empty(shape, dtype)
            table[entry] = address(array)
            made.append((slot, array))
        found: list[Array | None] = []
        for entry, shape in self._gradients:
            array = empty(shape, dtype)
            table[entry] = address(array)
            found.append(array)
        states = []
        for slot, entry, shape in self._initial_errors:
            array = empty(shape, dtype)
            table[entry] = address(array)
            states.append((slot, array))
        if self._sums:
            found = self._summed()
        else:
            self._backward(self._address)
        for slot, array in made:
            if self._truncated:
                array[: self._truncated] = 0
            errors[slot] = array if errors[slot] is None else errors[slot] + array
        for slot, array in states:
            errors[slot] = array if errors[slot] is None else errors[slot] + array
        return found

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
