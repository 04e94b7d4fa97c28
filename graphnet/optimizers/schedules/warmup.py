"""A linear rise before another schedule (Goyal et al. 2017, arXiv 1706.02677, section 2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from graphnet.core import late
from graphnet.core.checks import integer, number
from graphnet.core.errors import ConfigError
from graphnet.optimizers.schedules.base import Schedule


@dataclass(eq=False)
class Warmup(Schedule):
    """``start + (1 - start) p / length`` for the first ``length`` updates or epochs, then another schedule.

    Parameters
    ----------
    length : int, at least 1
    start : float in [0, 1]
        The first factor.
    then : Schedule, optional
        Its positions count from the end of the rise, and a length that it takes from the run is that of the rest. None:
        the factor stays 1.
    by : {'step', 'epoch'}, keyword only
        Also the unit of ``then``; a schedule that only looks at results (:class:`OnPlateau`) has none.

    Examples
    --------
    >>> from graphnet.optimizers.schedules import LinearDecay
    >>> schedule = Warmup(2, 0.0, LinearDecay(by="step"))
    >>> [schedule.factor(position, 6) for position in range(7)]
    [0.0, 0.5, 1.0, 0.75, 0.5, 0.25, 0.0]
    """

    length: int
    start: float = 0.1
    then: Schedule | None = None
    by: str = field(default="step", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.length = integer("Warmup", "length", self.length, 1)
        self.start = number("Warmup", "start", self.start, 0.0, 1.0)
        self.then = late.named("Warmup.then", "schedules", self.then)
        if self.then is not None and not isinstance(self.then, Schedule):
            raise ConfigError("then is not a schedule", where="Warmup", expected="a Schedule or None",
                              received=repr(self.then)[:80], key_path=("then",))  # fmt: skip
        if self.then is not None and self.then.by != self.by and not self.then.state_names:
            raise ConfigError("two units in one schedule", where="Warmup", expected=f"by={self.by!r} for both",
                              received=repr(self.then), key_path=("then",))  # fmt: skip

    @property
    def needs_total(self) -> bool:
        """Whether ``then`` takes its length from the run."""
        return self.then is not None and self.then.needs_total

    def factor(self, position: int, total: int | None) -> float:
        """The factor at a position."""
        if position < self.length:
            return self.start + (1.0 - self.start) * position / self.length
        if self.then is None:
            return 1.0
        return self.then.factor(position - self.length, None if total is None else max(1, total - self.length))

    def with_total(self, total: int) -> Self:
        """A copy with the length of ``then``."""
        changed = self.fresh()
        if changed.then is not None:
            changed.then = changed.then.with_total(max(1, total - self.length))
        return changed

    def observe(self, value: float, higher_is_better: bool) -> None:
        """Pass the figure on."""
        if self.then is not None:
            self.then.observe(value, higher_is_better)

    def state(self) -> dict[str, Any]:
        """The state of ``then``."""
        return {} if self.then is None else self.then.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a :meth:`state`."""
        if self.then is not None:
            self.then.load_state(state)
