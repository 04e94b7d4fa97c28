"""Perplexity of predicted classes (Jelinek et al. 1977, JASA 62)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from graphnet.losses.base import Loss
from graphnet.losses.cross_entropy import CrossEntropy
from graphnet.metrics.base import Metric

Array = npt.NDArray[Any]


@dataclass(eq=False)
class Perplexity(Metric):
    """``exp(mean -log softmax(x)_t)`` over all valid rows, as of a language model over its tokens; 1 is the best.

    The number of equally probable classes with the same uncertainty. Shapes are as for
    :class:`~graphnet.losses.CrossEntropy`; the exponential is taken once, at the end.

    Examples
    --------
    >>> metric = Perplexity()
    >>> metric.update([[0.0, 0.0, 0.0, 0.0]], [2])
    >>> round(metric.result(), 6)
    4.0
    """

    name: ClassVar[str] = "perplexity"

    def loss(self) -> Loss:
        """The loss that takes the same targets."""
        return CrossEntropy()

    def score(self, prediction: Array, target: Array) -> Array:
        """The cross entropy of each row, in float64."""
        loss = CrossEntropy()
        rows = prediction.astype(np.float64)
        return loss.rule(rows, loss.clean_target(rows.shape, target))[0]

    def result(self) -> float:
        """The exponential of the mean over all batches; StateError before the first one."""
        mean = super().result()
        return math.exp(mean) if mean < 709.0 else math.inf if mean >= 709.0 else mean
