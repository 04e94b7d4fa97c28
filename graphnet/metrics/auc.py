"""The area under the curve of true against false positives (Hanley & McNeil 1982, Radiology 143)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from graphnet.losses.softmax import log_softmax
from graphnet.metrics.base import column_weights, columns
from graphnet.metrics.label_metric import LabelMetric

Array = npt.NDArray[Any]


@dataclass(eq=False)
class AUC(LabelMetric):
    """The probability that a positive example has a higher score than a negative one; a tie counts one half.

    Parameters
    ----------
    binary : bool, optional
        True: elements of logits and labels, as for :class:`~graphnet.losses.BinaryCrossEntropy`; the mean over the
        columns of the last axis. False: one class of several for each row of logits; the mean over the classes, each
        against all others by its softmax probability. None: as the loss of the training run, False outside one.

    Notes
    -----
    All scores are kept until ``reset``. A column or a class without positive, or without negative, examples does not
    count in the mean, where scikit-learn raises an error, because a training run must not end for that; the result is
    NaN if no column counts, or a score is NaN.

    Examples
    --------
    >>> metric = AUC(binary=True)
    >>> metric.update([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    >>> metric.result()
    0.75
    """

    binary: bool | None = None
    _scores: list[Array] = field(default_factory=list, init=False, repr=False)
    _truths: list[Array] = field(default_factory=list, init=False, repr=False)
    _shares: list[Array] = field(default_factory=list, init=False, repr=False)

    per_column: ClassVar[bool] = True
    name: ClassVar[str] = "auc"
    higher_is_better: ClassVar[bool] = True

    def reset(self) -> None:
        """Discard all batches."""
        self._scores, self._truths, self._shares = [], [], []
        super().reset()

    def accumulate(self, prediction: Array, target: Array, weights: Array | None) -> None:
        """Keep the scores of a batch."""
        if self.binary:
            scores, truth = columns(prediction).copy(), columns(target) >= 0.5
        else:
            scores = log_softmax(columns(prediction).astype(np.float64))[1]
            index = target.reshape(-1) if target.ndim < prediction.ndim else columns(target).argmax(axis=1)
            truth = index[:, None] == np.arange(scores.shape[1])
        self._scores.append(scores)
        self._truths.append(truth)
        self._shares.append(column_weights(weights, prediction))

    def result(self) -> float:
        """The area over all batches; StateError before the first one."""
        if not self._scores:
            raise self._no_result()
        scores, truths = np.concatenate(self._scores), np.concatenate(self._truths)
        shares = np.concatenate(self._shares)
        areas = [area(scores[:, k], truths[:, k], shares[:, k]) for k in range(scores.shape[1])]
        known = [value for value in areas if value is not None]
        return math.fsum(known) / len(known) if known else math.nan


def area(scores: Array, truth: Array, weights: Array) -> float | None:
    """The area under the curve of one score; None without a positive or without a negative example of weight above 0.

    Examples
    --------
    >>> area(np.array([1.0, 1.0]), np.array([True, False]), np.ones(2))
    0.5
    """
    positive, negative = weights * truth, weights * ~truth
    if not positive.sum() or not negative.sum():
        return None
    if np.isnan(scores[weights > 0]).any():
        return math.nan
    values, rank = np.unique(scores, return_inverse=True)
    above = np.bincount(rank, positive, len(values))
    below = np.bincount(rank, negative, len(values))
    # For each score: the negative weight below it, and half of that at the same score.
    beaten = np.cumsum(below) - 0.5 * below
    return float(above @ beaten / (positive.sum() * negative.sum()))
