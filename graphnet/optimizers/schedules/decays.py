"""Factors that fall in steps, exponentially, or along a line."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from graphnet.core.checks import integer, number
from graphnet.core.errors import ConfigError
from graphnet.optimizers.schedules.base import Schedule


@dataclass(eq=False)
class StepDecay(Schedule):
    """``decay ** (p // every)`` after ``p`` epochs or updates.

    Parameters
    ----------
    every : int, at least 1
    decay : float in [0, 1]
    by : {'epoch', 'step'}, keyword only

    Examples
    --------
    >>> [StepDecay(2, 0.5).factor(position, None) for position in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    every: int
    decay: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.every = integer("StepDecay", "every", self.every, 1)
        self.decay = number("StepDecay", "decay", self.decay, 0.0, 1.0)

    def factor(self, position: int, total: int | None) -> float:
        """The factor at a position."""
        return float(self.decay ** (position // self.every))


@dataclass(eq=False)
class Milestones(Schedule):
    """``decay`` to the power of the number of milestones that have been reached.

    Parameters
    ----------
    at : sequence of int
        Increasing positions of at least 1.
    decay : float in [0, 1]
    by : {'epoch', 'step'}, keyword only

    Examples
    --------
    >>> [Milestones([1, 3], 0.5).factor(position, None) for position in range(5)]
    [1.0, 0.5, 0.5, 0.25, 0.25]
    """

    at: tuple[int, ...]
    decay: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.at, Iterable) or isinstance(self.at, str):
            raise self._not_positions()
        self.at = tuple(integer("Milestones", "at", position, 1) for position in self.at)
        if not self.at or any(b <= a for a, b in zip(self.at, self.at[1:], strict=False)):
            raise self._not_positions()
        self.decay = number("Milestones", "decay", self.decay, 0.0, 1.0)

    def _not_positions(self) -> ConfigError:
        return ConfigError("at is not a list of positions", where="Milestones", expected="increasing integers",
                           received=repr(self.at)[:80], key_path=("at",))  # fmt: skip

    def factor(self, position: int, total: int | None) -> float:
        """The factor at a position."""
        return float(self.decay ** bisect_right(self.at, position))


@dataclass(eq=False)
class ExponentialDecay(Schedule):
    """``decay ** p`` after ``p`` epochs or updates.

    Parameters
    ----------
    decay : float in [0, 1]
    by : {'epoch', 'step'}, keyword only

    Examples
    --------
    >>> ExponentialDecay(0.5).factor(3, None)
    0.125
    """

    decay: float

    def __post_init__(self) -> None:
        super().__post_init__()
        self.decay = number("ExponentialDecay", "decay", self.decay, 0.0, 1.0)

    def factor(self, position: int, total: int | None) -> float:
        """The factor at a position."""
        return float(self.decay**position)


@dataclass(eq=False)
class LinearDecay(Schedule):
    """``1 + (final - 1) min(p, n) / n`` after ``p`` of ``n`` epochs or updates.

    Parameters
    ----------
    length : int, at least 1, optional
        ``n``; None: the whole run.
    final : float in [0, 1]
        The last factor, which stays.
    by : {'epoch', 'step'}, keyword only

    Examples
    --------
    >>> [LinearDecay(2).factor(position, None) for position in range(4)]
    [1.0, 0.5, 0.0, 0.0]
    """

    length: int | None = None
    final: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.length = integer("LinearDecay", "length", self.length, 1, optional=True)
        self.final = number("LinearDecay", "final", self.final, 0.0, 1.0)

    @property
    def needs_total(self) -> bool:
        """Whether the length is that of the run."""
        return self.length is None

    def factor(self, position: int, total: int | None) -> float:
        """The factor at a position."""
        length = self._length(self.length, total)
        return 1.0 + (self.final - 1.0) * min(position, length) / length
