"""One rise and one long fall (Smith & Topin 2019, arXiv 1708.07120)."""

from __future__ import annotations

from dataclasses import dataclass, field

from graphnet.core.checks import integer, number
from graphnet.optimizers.schedules.base import Schedule, cosine


@dataclass(eq=False)
class OneCycle(Schedule):
    """Half a cosine from ``initial`` up to 1 in a share of the run, then half a cosine down to ``final``.

    The learning rate of the optimizer is the peak. With ``m = rise n - 1``, after ``p`` of ``n`` updates the factor is
    on the first cosine, at ``p / m``, up to ``p = m``, and then on the second one, at ``(p - m) / (n - 1 - m)``; the
    last update has ``final``. This is the ``OneCycleLR`` of torch with the same defaults, but momentum does not change.

    Parameters
    ----------
    length : int, at least 2, optional
        ``n``; None: the whole run.
    rise : float in (0, 1)
        The share of the rise.
    initial, final : float in [0, 1]
        The first and the last factor.
    by : {'step', 'epoch'}, keyword only

    Examples
    --------
    >>> [round(OneCycle(10).factor(position, None), 3) for position in (0, 1, 2, 9)]
    [0.04, 0.52, 1.0, 0.0]
    """

    length: int | None = None
    rise: float = 0.3
    initial: float = 0.04
    final: float = 4e-6
    by: str = field(default="step", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.length = integer("OneCycle", "length", self.length, 2, optional=True)
        self.rise = number("OneCycle", "rise", self.rise, 0.0, 1.0, above=True, below=True)
        self.initial = number("OneCycle", "initial", self.initial, 0.0, 1.0)
        self.final = number("OneCycle", "final", self.final, 0.0, 1.0)

    @property
    def needs_total(self) -> bool:
        """Whether the length is that of the run."""
        return self.length is None

    def factor(self, position: int, total: int | None) -> float:
        """The factor at a position."""
        length = self._length(self.length, total)
        top, last = self.rise * length - 1.0, length - 1.0
        if position <= top:
            return cosine(self.initial, 1.0, position / top if top > 0 else 1.0)
        return cosine(1.0, self.final, min(1.0, (position - top) / (last - top)) if last > top else 1.0)
