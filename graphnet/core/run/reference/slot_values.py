"""The values of a pass in which rows end early, converted to the padding that each step requires."""

from __future__ import annotations

from typing import Any

from graphnet.core.compile import Shapes
from graphnet.core.describe.parameter import Array
from graphnet.core.run.context import RunContext
from graphnet.core.run.padding import Padding, RowEnds


class SlotValues:
    """The values of one pass by slot, the padding of each, and a cache of conversions.

    Attributes
    ----------
    slots : list
    padding : dict of int to Padding
        Of the slots whose padding is not zeros.
    """

    def __init__(self, slots: list[Any], shapes: Shapes, run: RunContext) -> None:
        self.slots, self.origins, self.run = slots, shapes.lengths, run
        self.padding: dict[int, Padding] = {}
        self._converted: dict[tuple[int, Padding], Array] = {}

    def ends(self, slot: int) -> RowEnds | None:
        """Where the rows of a value end."""
        return self.run.ends_at(self.origins[slot])

    def get(self, slot: int, padding: Padding, ends: RowEnds | None) -> Array:
        """A value with the required padding, for a step whose rows end at ``ends``.

        A value whose rows end elsewhere than the step's is zero from its own ends on.
        """
        array: Array = self.slots[slot]
        own, present = self.ends(slot), self.padding.get(slot, Padding.ZEROS)
        if own is ends and (present is padding or own is None or present.serves(padding)):
            return array
        alike = own is ends or padding is Padding.ZEROS
        needed = padding if alike else Padding.ZEROS
        if own is not None and not present.serves(needed):
            key = (slot, needed)
            if key not in self._converted:
                self._converted[key] = own.repeated(array) if needed is Padding.REPEATED else own.zeroed(array)
            array = self._converted[key]
        if alike or ends is None or padding is not Padding.REPEATED or len(array) != ends.steps:
            return array
        return ends.repeated(array)
