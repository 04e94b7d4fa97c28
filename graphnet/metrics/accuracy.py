"""The share of correct predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from graphnet.core.errors import ConfigError
from graphnet.losses.base import Loss
from graphnet.losses.binary_cross_entropy import BinaryCrossEntropy
from graphnet.losses.cross_entropy import CrossEntropy
from graphnet.metrics.base import Metric

Array = npt.NDArray[Any]


@dataclass(eq=False)
class Accuracy(Metric):
    """The share of rows whose largest score is that of the target's class, from 0 to 1.

    Parameters
    ----------
    binary : bool
        False: scores ``(batch, ..., classes)`` (logits or probabilities; the first of equal ones is chosen) and class
        indices or one-hot targets, as for :class:`~graphnet.losses.CrossEntropy`. True: each element is a *logit*,
        positive above 0, with a label of the same shape, positive from 0.5, as for
        :class:`~graphnet.losses.BinaryCrossEntropy`.

    Notes
    -----
    A row with NaN counts as incorrect.

    Examples
    --------
    >>> accuracy = Accuracy()
    >>> accuracy.update([[0.1, 2.0], [3.0, 1.0], [0.0, 1.0]], [1, 0, 0])
    >>> round(accuracy.result(), 3)
    0.667
    """

    binary: bool = False

    name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not isinstance(self.binary, bool):
            raise ConfigError("binary is not a boolean", where="Accuracy", expected="True or False",
                              received=repr(self.binary), key_path=("binary",))  # fmt: skip

    def loss(self) -> Loss:
        """The loss that takes the same targets."""
        return BinaryCrossEntropy() if self.binary else CrossEntropy()

    def remedy_with(self, loss: Loss) -> str | None:
        """``Accuracy(binary=True)`` goes with binary cross entropy, ``Accuracy()`` with cross entropy."""
        if isinstance(loss, BinaryCrossEntropy) != self.binary:
            return f"With {type(loss).__name__}, use Accuracy({'' if self.binary else 'binary=True'})."
        return None

    def score(self, prediction: Array, target: Array) -> Array:
        """True at correct rows or elements."""
        if self.binary:
            correct: Array = ((prediction > 0) == (target >= 0.5)) & ~np.isnan(prediction)
            return correct
        classes = target if target.ndim < prediction.ndim else np.argmax(target, axis=-1)
        best: Array = np.argmax(prediction, axis=-1)
        # The first NaN of a row counts as its largest number.
        largest = np.take_along_axis(prediction, best[..., np.newaxis], -1)[..., 0]
        return (best == classes) & (largest == largest)
