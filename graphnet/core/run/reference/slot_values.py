"""The values of a pass in which rows end early, in whatever form a step requires them."""

from __future__ import annotations

from typing import Any

from graphnet.core.compile import Shapes
from graphnet.core.describe.parameter import Array
from graphnet.core.run.context import RunContext
from graphnet.core.run.padding import Padding, RowEnds


class SlotValues:
    """The values of one pass by slot, with the form of each, and the conversions made so far."""

    def __init__(self, slots: list[Any], shapes: Shapes, run: RunContext) -> None:
        self.slots, self.origins, self.run = slots, shapes.lengths, run
        self.forms: dict[int, Padding] = {}
        self.converted: dict[tuple[int, Padding], Array] = {}

    def ends(self, slot: int) -> RowEnds | None:
        """Where the rows of a value end."""
        return self.run.ends_at(self.origins[slot])

    def get(self, slot: int, wanted: Padding, ends: RowEnds | None) -> Array:
        """A value as a step requires it whose own rows have ``ends``.

        A value whose rows end elsewhere than those of the step is zero from its own ends on.
        """
        array: Array = self.slots[slot]
        own, form = self.ends(slot), self.forms.get(slot, Padding.ZEROS)
        alike = own is ends or wanted is Padding.ZEROS
        needed = wanted if alike else Padding.ZEROS
        if own is not None and not form.serves(needed):
            key = (slot, needed)
            if key not in self.converted:
                self.converted[key] = own.repeated(array) if needed is Padding.REPEATED else own.zeroed(array)
            array = self.converted[key]
        if alike or ends is None or wanted is not Padding.REPEATED or len(array) != ends.steps:
            return array
        return ends.repeated(array)
