"""The share of correct predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from graphnet.metrics.label_metric import LabelMetric

Array = npt.NDArray[Any]


@dataclass(eq=False)
class Accuracy(LabelMetric):
    """The share of rows whose largest score is that of the target's class, from 0 to 1.

    Parameters
    ----------
    binary : bool, optional
        False: scores ``(batch, ..., classes)`` (logits or probabilities; the first of equal ones is chosen) and class
        indices or one-hot targets, as for :class:`~graphnet.losses.CrossEntropy`. True: each element is a *logit*,
        positive above 0, with a label of the same shape, positive from 0.5, as for
        :class:`~graphnet.losses.BinaryCrossEntropy`. None: as the loss of the training run; False outside a run.

    Notes
    -----
    A row with NaN counts as incorrect. For rows of probabilities as targets, the class is the most probable one.

    Examples
    --------
    >>> accuracy = Accuracy()
    >>> accuracy.update([[0.1, 2.0], [3.0, 1.0], [0.0, 1.0]], [1, 0, 0])
    >>> round(accuracy.result(), 3)
    0.667
    """

    binary: bool | None = None

    name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True

    def score(self, prediction: Array, target: Array) -> Array:
        """True at correct rows or elements."""
        if self.binary:
            correct: Array = ((prediction > 0) == (target >= 0.5)) & ~np.isnan(prediction)
            return correct
        classes = target if target.ndim < prediction.ndim else np.argmax(target, axis=-1)
        best: Array = np.argmax(prediction, axis=-1)
        rows = np.arange(0, prediction.size, prediction.shape[-1]).reshape(best.shape)
        largest = prediction.take(rows + best)  # the first NaN of a row counts as its largest number
        return (best == classes) & (largest == largest)
