"""How often each class was predicted as each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.core import late
from graphnet.core.array_types import plain
from graphnet.core.checks import float_array
from graphnet.core.errors import ConfigError
from graphnet.losses.arguments import over
from graphnet.losses.base import Loss
from graphnet.losses.binary_cross_entropy import BinaryCrossEntropy
from graphnet.losses.cross_entropy import CrossEntropy
from graphnet.losses.rows import checked_mask, checked_weights, valid

Array = npt.NDArray[Any]


class ConfusionMatrix:
    """Counts of pairs of true and predicted class; rows are the true classes, columns the predicted ones.

    It is updated like a metric, but it is not a number, so it cannot be a metric of a training run; see
    :meth:`graphnet.Model.confusion_matrix`.

    Parameters
    ----------
    classes : sequence, optional
        The names of the classes in order; None: their numbers.
    binary : bool
        Whether predictions are single logits, positive above 0, with labels of the same shape.

    Attributes
    ----------
    counts : int array (classes, classes)
        float64 if weights were given.

    Examples
    --------
    >>> matrix = ConfusionMatrix(["cat", "dog"])
    >>> matrix.update([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]], [0, 1, 1])
    >>> print(matrix)
         cat  dog  <- predicted
    cat    1    0
    dog    1    1
    """

    def __init__(self, classes: Sequence[Any] | None = None, *, binary: bool = False) -> None:
        self.binary = binary
        self._names = None if classes is None else tuple(classes)
        self.counts: Array = np.zeros((0, 0), np.int64)

    @property
    def classes(self) -> tuple[Any, ...]:
        """The names of the classes, or their numbers."""
        return tuple(range(len(self.counts))) if self._names is None else self._names

    def update(
        self,
        prediction: npt.ArrayLike,
        target: npt.ArrayLike,
        mask: npt.ArrayLike | None = None,
        weights: npt.ArrayLike | None = None,
    ) -> None:
        """Add one batch, as :meth:`graphnet.metrics.Metric.update` does.

        Raises
        ------
        ShapeError, DtypeError, DataError
            As CrossEntropy, or with ``binary`` BinaryCrossEntropy.
        ConfigError
            If there is not one name for each class.
        """
        loss: Loss = BinaryCrossEntropy() if self.binary else CrossEntropy()
        array = float_array("ConfusionMatrix", "prediction", prediction)
        labels = loss.fitted(array.shape, plain(target, "ConfusionMatrix, target"))
        loss.check(array.shape, labels, mask)
        rows = checked_mask("ConfusionMatrix", array.shape, mask, loss.row_axes)
        scores, truth = valid(array, rows), valid(labels, rows)
        shares = None
        if weights is not None:
            shares = checked_weights("ConfusionMatrix", array.shape, weights, loss.row_axes)
            leading = array.shape[: array.ndim - loss.row_axes]
            shares = valid(np.broadcast_to(over(shares, np.empty(leading, bool)), leading), rows).reshape(-1)
        self._add(loss, scores, truth, 2 if self.binary else array.shape[-1], shares)

    def _add(self, loss: Loss, scores: Array, truth: Array, size: int, shares: Array | None) -> None:
        if self._names is not None and len(self._names) != size:
            raise ConfigError("there is not one name for each class", where="ConfusionMatrix",
                              expected=f"{size} names", received=", ".join(map(str, self._names)))  # fmt: skip
        if not self.counts.size:
            self.counts = np.zeros((size, size), np.int64)
        if self.binary:
            index = truth.reshape(-1) >= 0.5
        else:
            index = truth.argmax(axis=-1).reshape(-1) if truth.ndim == scores.ndim else truth.reshape(-1)
        pairs = index.astype(np.intp) * size + loss.predicted(scores).reshape(-1)
        self.counts = self.counts + np.bincount(pairs, shares, size * size).reshape(size, size)

    def normalized(self) -> Array:
        """The shares of each row, which sum to 1; a row without examples is 0."""
        totals = self.counts.sum(axis=1, keepdims=True, dtype=np.float64)
        return np.divide(self.counts, totals, out=np.zeros(self.counts.shape), where=totals > 0)

    def plot(self, *, normalized: bool = False, title: str = "") -> Any:
        """The matrix as a matplotlib Figure, with counts or, ``normalized``, percent of each row.

        See :func:`graphnet.inspect.figures.plot_confusion_matrix`, also for the errors.
        """
        return late.call("plot_confusion_matrix", self, normalized, title)

    def __repr__(self) -> str:
        return f"ConfusionMatrix(classes={self.classes!r}, counts={self.counts.tolist()!r})"

    def __str__(self) -> str:
        names = [str(name) for name in self.classes]
        cells = [[f"{count:g}" for count in row] for row in self.counts]
        width = max((len(text) for row in [names, *cells] for text in row), default=0)
        first = max(map(len, names), default=0)
        lines = [" " * first + "".join(f"  {name:>{width}}" for name in names) + "  <- predicted"]
        lines += [
            f"{name:<{first}}" + "".join(f"  {text:>{width}}" for text in row)
            for name, row in zip(names, cells, strict=True)
        ]
        return "\n".join(lines)
