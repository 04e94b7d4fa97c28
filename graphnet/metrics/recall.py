"""The share of what is of a class that is predicted as this class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from graphnet.metrics.label_metric import CountMetric, quotient


@dataclass(eq=False)
class Recall(CountMetric):
    """The share of what is of a class that is predicted as this class: ``tp / (tp + fn)``.

    Parameters
    ----------
    average : {'macro', 'micro', 'weighted'}
        See :class:`~graphnet.metrics.label_metric.CountMetric`.
    binary : bool, optional
        Whether each element is a yes-or-no label; None: as the loss of the training run, False outside one.

    Examples
    --------
    >>> metric = Recall(binary=True)
    >>> metric.update([2.0, 1.0, 3.0, -1.0], [1, 1, 0, 1])
    >>> round(metric.result(), 3)
    0.667
    """

    figure: ClassVar[str] = "recall"

    def ratio(self, hits: Any, predicted: Any, actual: Any) -> Any:
        """True positives by actual ones; 0 where that is 0 / 0."""
        return quotient(hits, actual)
