"""The coefficient of determination (Wright 1921, Journal of Agricultural Research 20)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from graphnet.losses.base import Loss
from graphnet.losses.mean_squared_error import MeanSquaredError
from graphnet.metrics.base import Metric, column_weights, columns

Array = npt.NDArray[Any]


@dataclass(eq=False)
class R2(Metric):
    """``1 - sum (x - t)**2 / sum (t - mean t)**2``, the mean over the columns of the last axis; 1 is the best.

    Notes
    -----
    Shapes are as for :class:`~graphnet.losses.MeanSquaredError`; all axes but the last number the rows. As in
    scikit-learn, a column whose targets are all equal counts 1 if they are predicted exactly, else 0, and the result is
    NaN for a single row.

    Examples
    --------
    >>> metric = R2()
    >>> metric.update([2.5, 0.0, 2.0, 8.0], [3.0, -0.5, 2.0, 7.0])
    >>> round(metric.result(), 3)
    0.949
    """

    _weight: Array = field(default_factory=lambda: np.zeros(0), init=False, repr=False)
    _mean: Array = field(default_factory=lambda: np.zeros(0), init=False, repr=False)
    _spread: Array = field(default_factory=lambda: np.zeros(0), init=False, repr=False)
    _residual: Array = field(default_factory=lambda: np.zeros(0), init=False, repr=False)

    per_column: ClassVar[bool] = True
    name: ClassVar[str] = "r2"
    higher_is_better: ClassVar[bool] = True

    def loss(self) -> Loss:
        """The loss that takes the same targets."""
        return MeanSquaredError()

    def reset(self) -> None:
        """Discard all batches."""
        self._weight = self._mean = self._spread = self._residual = np.zeros(0)
        super().reset()

    def accumulate(self, prediction: Array, target: Array, weights: Array | None) -> None:
        """Add a batch: means and squares are merged as by Chan, Golub & LeVeque (1979), which loses no digits."""
        shares = column_weights(weights, prediction)
        x, t = columns(prediction).astype(np.float64), columns(target).astype(np.float64)
        weight = shares.sum(axis=0)
        mean = (shares * t).sum(axis=0) / np.where(weight > 0, weight, 1.0)
        spread = (shares * np.square(t - mean)).sum(axis=0)
        residual = np.where(shares > 0, shares * np.square(x - t), 0.0).sum(axis=0)
        if self._count:
            total = self._weight + weight
            share = np.divide(weight, total, out=np.zeros_like(total), where=total > 0)
            spread = self._spread + spread + np.square(mean - self._mean) * self._weight * share
            residual = self._residual + residual
            mean, weight = self._mean + (mean - self._mean) * share, total
        self._weight, self._mean, self._spread, self._residual = weight, mean, spread, residual
        self._count += len(t)

    def result(self) -> float:
        """The figure over all batches; StateError before the first one."""
        if not self._count:
            raise self._no_result()
        if self._count < 2:
            return math.nan
        constant = self._spread == 0
        scores = 1.0 - self._residual / np.where(constant, 1.0, self._spread)
        scores = np.where(constant, np.where(self._residual == 0, 1.0, 0.0), scores)
        return float(scores.mean())
