"""The share of what is predicted as a class that is of this class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from graphnet.metrics.label_metric import CountMetric, quotient


@dataclass(eq=False)
class Precision(CountMetric):
    """The share of what is predicted as a class that is of this class: ``tp / (tp + fp)``.

    Parameters
    ----------
    average : {'macro', 'micro', 'weighted'}
        See :class:`~graphnet.metrics.label_metric.CountMetric`.
    binary : bool, optional
        Whether each element is a yes-or-no label; None: as the loss of the training run, False outside one.

    Examples
    --------
    >>> metric = Precision(binary=True)
    >>> metric.update([2.0, 1.0, 3.0, -1.0], [1, 1, 0, 1])
    >>> round(metric.result(), 3)
    0.667
    """

    figure: ClassVar[str] = "precision"

    def ratio(self, hits: Any, predicted: Any, actual: Any) -> Any:
        """True positives by predicted ones; 0 where that is 0 / 0."""
        return quotient(hits, predicted)
