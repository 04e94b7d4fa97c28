"""Half a cosine (Loshchilov & Hutter 2017, "SGDR", ICLR, equation 5), also with restarts."""

from __future__ import annotations

from dataclasses import dataclass

from graphnet.core.checks import integer, number
from graphnet.optimizers.schedules.base import Schedule, cosine


@dataclass(eq=False)
class Cosine(Schedule):
    """``final + (1 - final) (1 + cos(pi min(p, n) / n)) / 2`` after ``p`` of ``n`` epochs or updates.

    Parameters
    ----------
    length : int, at least 1, optional
        ``n``; None: the whole run.
    final : float in [0, 1]
        The last factor, which stays.
    by : {'epoch', 'step'}, keyword only

    Examples
    --------
    >>> [round(Cosine(4).factor(position, None), 3) for position in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """

    length: int | None = None
    final: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.length = integer("Cosine", "length", self.length, 1, optional=True)
        self.final = number("Cosine", "final", self.final, 0.0, 1.0)

    @property
    def needs_total(self) -> bool:
        """Whether the length is that of the run."""
        return self.length is None

    def factor(self, position: int, total: int | None) -> float:
        """The factor at a position."""
        length = self._length(self.length, total)
        return cosine(1.0, self.final, min(position, length) / length)


@dataclass(eq=False)
class CosineRestarts(Schedule):
    """:class:`Cosine` that starts again: first after ``first`` epochs or updates, then after ``growth`` times as many.

    Parameters
    ----------
    first : int, at least 1
        The length of the first period.
    growth : int, at least 1
        The ratio of the lengths of two successive periods.
    final : float in [0, 1]
        The factor that each period approaches.
    by : {'epoch', 'step'}, keyword only

    Examples
    --------
    >>> [round(CosineRestarts(2, 2).factor(position, None), 3) for position in range(7)]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]
    """

    first: int
    growth: int = 1
    final: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.first = integer("CosineRestarts", "first", self.first, 1)
        self.growth = integer("CosineRestarts", "growth", self.growth, 1)
        self.final = number("CosineRestarts", "final", self.final, 0.0, 1.0)

    def factor(self, position: int, total: int | None) -> float:
        """The factor at a position."""
        length = self.first
        if self.growth == 1:
            position %= length
        while position >= length:
            position, length = position - length, length * self.growth
        return cosine(1.0, self.final, position / length)
