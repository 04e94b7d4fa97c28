"""What the metrics of classes share: one of several classes for each row, or yes or no for each element."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from graphnet.core.errors import ConfigError
from graphnet.losses.base import Loss
from graphnet.losses.binary_cross_entropy import BinaryCrossEntropy
from graphnet.losses.cross_entropy import CrossEntropy
from graphnet.metrics.base import Metric, column_weights, columns

Array = npt.NDArray[Any]

AVERAGES = ("macro", "micro", "weighted")


class LabelMetric(Metric):
    """Base of the metrics of classes and of yes-or-no labels; a subclass declares the field ``binary``.

    Attributes
    ----------
    binary : bool, optional
        False: scores ``(batch, ..., classes)`` against one class for each row, as for
        :class:`~graphnet.losses.CrossEntropy`. True: each element is a *logit*, positive above 0, with a label of the
        same shape, as for :class:`~graphnet.losses.BinaryCrossEntropy`. None: as the loss of the training run; False
        outside a run.
    """

    binary: bool | None

    def __post_init__(self) -> None:
        if self.binary is not None and not isinstance(self.binary, bool):
            raise ConfigError("binary is not a boolean", where=type(self).__name__, expected="True, False or None",
                              received=repr(self.binary), key_path=("binary",))  # fmt: skip

    def loss(self) -> Loss:
        """The loss that takes the same targets."""
        return BinaryCrossEntropy() if self.binary else CrossEntropy()

    def adapted(self, loss: Loss) -> Self:
        """The metric with ``binary`` as the loss takes it, unless it was set."""
        if self.binary is not None or loss.task != "labels":
            return self
        changed = copy.copy(self)
        changed.binary = True
        return changed

    def remedy_with(self, loss: Loss) -> str | None:
        """``binary=True`` goes with losses of labels, ``binary=False`` with losses of classes."""
        if loss.task == "numbers" or (loss.task == "labels") == bool(self.binary):
            return None
        name = type(self).__name__
        return f"With {type(loss).__name__}, use {name}({'' if self.binary else 'binary=True'})."


@dataclass(eq=False)
class CountMetric(LabelMetric):
    """Base of the metrics of true and false positives, counted for each class; a subclass implements :meth:`ratio`.

    Parameters
    ----------
    average : {'macro', 'micro', 'weighted'}
        How the figures of the classes become one. ``'macro'``: their mean; ``'weighted'``: their mean, weighted by the
        rows of each class; ``'micro'``: from the counts of all classes together, which for one class a row is the
        accuracy.
    binary : bool, optional
        Whether each element is a yes-or-no label; None: as the loss of the training run, False outside one.

    Notes
    -----
    As in scikit-learn, a class that occurs neither in the targets nor in the predictions does not count in the mean of
    one class a row, a figure whose denominator is 0 is 0, and with ``binary`` the figures are those of the positive
    label: of each column of the last axis (all columns count), or of all elements if there is one axis. A row with NaN
    is predicted as no class.
    """

    average: str = "macro"
    binary: bool | None = None
    _hits: Array = field(default_factory=lambda: np.zeros(0), init=False, repr=False)
    _predicted: Array = field(default_factory=lambda: np.zeros(0), init=False, repr=False)
    _actual: Array = field(default_factory=lambda: np.zeros(0), init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.average not in AVERAGES:
            raise ConfigError("unknown average", where=type(self).__name__, expected=" or ".join(map(repr, AVERAGES)),
                              received=repr(self.average), key_path=("average",))  # fmt: skip

    @property
    def name(self) -> str:  # type: ignore[override]
        """The figure, with the average unless that is the default."""
        return self.figure if self.average == "macro" else f"{self.average}_{self.figure}"

    figure: ClassVar[str] = "figure"
    per_column: ClassVar[bool] = True
    higher_is_better: ClassVar[bool] = True

    def reset(self) -> None:
        """Discard all batches."""
        self._hits = self._predicted = self._actual = np.zeros(0)
        super().reset()

    def accumulate(self, prediction: Array, target: Array, weights: Array | None) -> None:
        """Add the counts of a batch."""
        yes, truth = (self._labels if self.binary else self._classes)(prediction, target)
        shares = column_weights(weights, prediction)
        counts = [(shares * part).sum(axis=0) for part in (yes & truth, yes, truth)]
        if not self._count:
            self._hits, self._predicted, self._actual = counts
        elif len(self._hits) != len(counts[0]):
            raise self._other_columns(len(counts[0]))
        else:
            pairs = zip((self._hits, self._predicted, self._actual), counts, strict=True)
            self._hits, self._predicted, self._actual = (old + new for old, new in pairs)
        self._count += float(len(yes))

    @staticmethod
    def _classes(prediction: Array, target: Array) -> tuple[Array, Array]:
        """Whether each row is predicted as, and is of, each class."""
        classes = prediction.shape[-1]
        scores = prediction.reshape(-1, classes)
        numbers = np.arange(classes)
        best = np.where(np.isnan(scores).any(axis=1), -1, scores.argmax(axis=1))
        index = target.reshape(-1) if target.ndim < prediction.ndim else target.reshape(-1, classes).argmax(axis=1)
        return best[:, None] == numbers, index[:, None] == numbers

    @staticmethod
    def _labels(prediction: Array, target: Array) -> tuple[Array, Array]:
        """Whether each label is predicted, and is, positive."""
        return columns(prediction) > 0, columns(target) >= 0.5

    def result(self) -> float:
        """The figure over all batches; StateError before the first one."""
        if not self._count:
            raise self._no_result()
        if self.average == "micro":
            return float(self.ratio(self._hits.sum(), self._predicted.sum(), self._actual.sum()))
        figures = self.ratio(self._hits, self._predicted, self._actual)
        if self.average == "weighted":
            total = self._actual.sum()
            return float(figures @ self._actual / total) if total else 0.0
        present = np.ones(len(figures), bool) if self.binary else (self._predicted + self._actual) > 0
        return float(figures[present].mean()) if present.any() else 0.0

    def ratio(self, hits: Any, predicted: Any, actual: Any) -> Any:
        """The figure from the true positives, and the rows that are predicted as, and are of, each class."""
        raise self._missing("ratio")

    def _other_columns(self, received: int) -> ConfigError:
        return ConfigError("the number of classes has changed", where=type(self).__name__, expected=len(self._hits),
                           received=received, remedy="Call reset first.")  # fmt: skip


def quotient(above: Any, below: Any) -> Any:
    """``above / below``, and 0 where ``below`` is 0.

    Examples
    --------
    >>> quotient(np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    array([0.5, 0. ])
    """
    below = np.asarray(below, np.float64)
    return np.divide(above, below, out=np.zeros_like(below), where=below != 0)
