"""The base of the schedules of the learning rate."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from graphnet.core.errors import ConfigError, RuleError


@dataclass(eq=False)
class Schedule:
    """Base of the schedules: a factor of the learning rate, for each epoch or for each update.

    A subclass is a dataclass whose fields are its configuration, and implements :meth:`factor`. One with a state lists
    its attributes in ``state_names``; a training run works on a copy (:meth:`fresh`), and checkpoints have its state.

    Parameters
    ----------
    by : {'epoch', 'step'}, keyword only
        What positions and lengths count: completed epochs, or completed updates of the weights.
    """

    by: str = field(default="epoch", kw_only=True)

    state_names: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        if self.by not in ("epoch", "step"):
            raise ConfigError("unknown unit", where=type(self).__name__, expected="'epoch' or 'step'",
                              received=repr(self.by), key_path=("by",))  # fmt: skip

    def factor(self, position: int, total: int | None) -> float:
        """The factor after ``position`` epochs or updates, of ``total`` in the whole run (None: not known).

        Raises
        ------
        ConfigError
            If it depends on the total, which is not known.
        """
        raise RuleError(f"{type(self).__name__} has no factor", expected="a method factor(position, total)",
                        remedy="Implement it; it returns a number of at least 0.")  # fmt: skip

    @property
    def needs_total(self) -> bool:
        """Whether the factors depend on the length of the whole run."""
        return False

    def with_total(self, total: int) -> Self:
        """A copy without state, whose length is given where it was that of a run of this ``total``."""
        changed = self.fresh()
        if self.needs_total and hasattr(changed, "length"):
            changed.length = total
        return changed

    def observe(self, value: float, higher_is_better: bool) -> None:
        """Take note of the figure that selects the best epoch, after each epoch."""

    def state(self) -> dict[str, Any]:
        """What the next factors depend on beside the position, as plain values."""
        return {name: getattr(self, name) for name in self.state_names}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a :meth:`state`."""
        for name in self.state_names:
            setattr(self, name, state[name])

    def fresh(self) -> Self:
        """A copy without state."""
        return copy.deepcopy(type(self)(**self.config()))

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name."""
        return {part.name: getattr(self, part.name) for part in dataclasses.fields(self) if part.init}

    def _length(self, length: int | None, total: int | None) -> int:
        """A length of the schedule; None: that of the whole run."""
        if length is None and total is None:
            raise ConfigError(
                "the number of updates of the run is not known",
                where=type(self).__name__,
                expected=f"a length in {self.by}s",
                remedy="Sequences in pieces, and streams, have no fixed number of updates: give the length.",
                key_path=("schedule",),
            )
        return max(1, length or total or 1)


def cosine(start: float, end: float, share: float) -> float:
    """Half a period of a cosine from ``start`` to ``end``, at a share of the way.

    Examples
    --------
    >>> cosine(1.0, 0.0, 0.5)
    0.5
    """
    return end + (start - end) * (1.0 + math.cos(math.pi * share)) / 2.0
