"""The harmonic mean of precision and recall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from graphnet.metrics.label_metric import CountMetric, quotient


@dataclass(eq=False)
class F1(CountMetric):
    """The harmonic mean of precision and recall: ``2 tp / (2 tp + fp + fn)``.

    Parameters
    ----------
    average : {'macro', 'micro', 'weighted'}
        See :class:`~graphnet.metrics.label_metric.CountMetric`.
    binary : bool, optional
        Whether each element is a yes-or-no label; None: as the loss of the training run, False outside one.

    Examples
    --------
    >>> metric = F1(binary=True)
    >>> metric.update([2.0, 1.0, 3.0, -1.0], [1, 1, 0, 1])
    >>> round(metric.result(), 3)
    0.667
    """

    figure: ClassVar[str] = "f1"

    def ratio(self, hits: Any, predicted: Any, actual: Any) -> Any:
        """Twice the true positives by predicted and actual ones; 0 where that is 0 / 0."""
        return quotient(2.0 * hits, predicted + actual)
