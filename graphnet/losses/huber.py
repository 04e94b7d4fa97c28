"""Huber's loss (Huber 1964, Annals of Mathematical Statistics 35)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.core.checks import number
from graphnet.core.dtypes import converted
from graphnet.losses.number_loss import NumberLoss

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Huber(NumberLoss):
    """``d**2 / 2`` where ``|d| <= delta``, else ``delta (|d| - delta / 2)``, for each ``d = x - t``.

    Its error is ``d``, clipped to ``[-delta, delta]``. Near 0 it is half the squared error, far away it grows like the
    absolute error, so outliers count less.

    Parameters
    ----------
    reduction : "mean" or "sum"
        Mean over all valid elements, or their sum.
    delta : float above 0, keyword only
        The difference from which on the loss is linear.

    Notes
    -----
    Targets and masks are as for :class:`~graphnet.losses.MeanSquaredError`. ``Huber(delta=b)`` is ``b`` times the
    smooth L1 loss of torch with ``beta=b``.

    Examples
    --------
    >>> Huber("sum").value_and_error([0.5, 3.0], [0.0, 0.0])
    (2.625, array([0.5, 1. ]))
    """

    delta: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "delta", number("Huber", "delta", self.delta, 0.0, above=True))

    def rule(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        """One loss for each element."""
        difference = prediction - converted(target, prediction.dtype, f"{type(self).__name__}, target")
        errors = np.clip(difference, -self.delta, self.delta)
        # With e the error: e (d - e / 2) is d**2 / 2 inside, and delta (|d| - delta / 2) outside.
        return errors * (difference - 0.5 * errors), errors
