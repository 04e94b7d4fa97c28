"""The base of all metrics: a running mean over batches."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from graphnet.core.array_types import plain
from graphnet.core.checks import float_array
from graphnet.core.errors import RuleError, StateError
from graphnet.losses.arguments import over
from graphnet.losses.base import Loss
from graphnet.losses.rows import checked_mask, checked_weights, valid

Array = npt.NDArray[Any]


@dataclass(eq=False)
class Metric:
    """Base of the metrics: the mean of a score over all batches since the last :meth:`reset`.

    Batches are weighted by their valid rows, so the result does not depend on the division of the data into batches. A
    subclass is a dataclass with a ``name``, implements :meth:`score`, and returns from :meth:`loss` the loss whose
    checks of targets and masks apply. A metric that is not a mean of scores overrides :meth:`accumulate`, ``reset`` and
    ``result`` instead.
    """

    _total: float = field(default=0.0, init=False, repr=False)
    _count: float = field(default=0.0, init=False, repr=False)

    #: Whether :meth:`accumulate` needs whole rows, because each column of the last axis has a figure of its own.
    per_column: ClassVar[bool] = False
    name: ClassVar[str] = "metric"
    higher_is_better: ClassVar[bool] = False

    def reset(self) -> None:
        """Discard all batches."""
        self._total, self._count = 0.0, 0.0

    def update(
        self,
        prediction: npt.ArrayLike,
        target: npt.ArrayLike,
        mask: npt.ArrayLike | None = None,
        weights: npt.ArrayLike | None = None,
    ) -> None:
        """Add one batch; masked rows do not contribute, independent of their values.

        Parameters
        ----------
        prediction, target, mask
            As for the loss of the same targets.
        weights : array, optional
            Over the leading axes, at least 0: how much each row counts; None: all count 1.

        Raises
        ------
        ShapeError, DtypeError, DataError
            As the loss of the same targets; the metric is then unchanged.
        """
        where, loss = type(self).__name__, self.loss()
        array = float_array(where, "prediction", prediction)
        labels = loss.fitted(array.shape, plain(target, f"{where}, target"))
        loss.check(array.shape, labels, mask)
        loss.check_numbers(labels, np.float64, mask)
        valid_mask = checked_mask(where, array.shape, mask, loss.row_axes)
        shares = None if weights is None else checked_weights(where, array.shape, weights, loss.row_axes)
        if shares is not None and valid_mask is not None and shares.ndim < valid_mask.ndim:
            shares = np.broadcast_to(over(shares, valid_mask), valid_mask.shape)
        if valid_mask is not None and self.per_column and valid_mask.ndim == array.ndim:
            # Columns must stay whole: a mask of elements becomes weights.
            shares = valid_mask * (1.0 if shares is None else shares)
            array, labels = (np.where(valid_mask, part, part.dtype.type(0)) for part in (array, labels))
            valid_mask = None
        elif shares is not None:
            shares = valid(shares, valid_mask)
        with np.errstate(over="ignore", invalid="ignore"):
            self.accumulate(valid(array, valid_mask), valid(labels, valid_mask), shares)

    def accumulate(self, prediction: Array, target: Array, weights: Array | None) -> None:
        """Add checked, valid rows; a metric that is not a mean of scores overrides this, ``reset`` and ``result``."""
        scores = self.score(prediction, target)
        if weights is None:
            boolean = scores.dtype == np.bool_
            total = float(np.count_nonzero(scores) if boolean else np.sum(scores, dtype=np.float64))
            count = float(scores.size)
        else:
            shares = np.broadcast_to(over(weights, scores), scores.shape)
            total, count = float(np.sum(scores * shares, dtype=np.float64)), float(shares.sum())
        self._total += total
        self._count += count

    def result(self) -> float:
        """The metric over all batches.

        Raises
        ------
        StateError
            Before the first batch.
        """
        if self._count == 0:
            raise self._no_result()
        return self._total / self._count

    def partial(self) -> tuple[float, float] | None:
        """The sum of the scores since the last ``reset`` and their number, for :meth:`merge`.

        None for a metric that is not a mean of scores: it overrides ``update``, ``accumulate`` or ``reset``.
        """
        own = type(self)
        methods = (own.update, own.accumulate, own.reset)
        return (self._total, self._count) if methods == (Metric.update, Metric.accumulate, Metric.reset) else None

    def merge(self, partial: tuple[float, float]) -> None:
        """Add the batches of another object of the same metric, from its :meth:`partial`."""
        self._total += partial[0]
        self._count += partial[1]

    def adapted(self, loss: Loss) -> Metric:
        """The metric for a model that is trained with ``loss``: itself, unless a setting was left to the loss."""
        return self

    def remedy_with(self, loss: Loss) -> str | None:
        """What to do if a model is trained with a loss whose targets this metric refuses; None if nothing is known."""
        return None

    def loss(self) -> Loss:
        """The loss that takes the same targets."""
        raise self._missing("loss")

    def score(self, prediction: Array, target: Array) -> Array:
        """One number for each valid row or element; the metric is their mean."""
        raise self._missing("score")

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name, as plain values."""
        return {part.name: getattr(self, part.name) for part in dataclasses.fields(self) if part.init}

    def _missing(self, rule: str) -> RuleError:
        return RuleError(f"{type(self).__name__} has no {rule}", expected=f"a method {rule}", remedy="Implement it.")

    def _no_result(self) -> StateError:
        return StateError("there is no result yet", where=type(self).__name__, expected="an update before result",
                          remedy="Call update with a batch first.")  # fmt: skip


def columns(array: Array) -> Array:
    """An array as (rows, columns): all axes but the last are rows; one axis is one column.

    Examples
    --------
    >>> columns(np.zeros((2, 3, 4))).shape, columns(np.zeros(5)).shape
    ((6, 4), (5, 1))
    """
    return array.reshape(-1, array.shape[-1] if array.ndim > 1 else 1)


def column_weights(weights: Array | None, prediction: Array) -> Array:
    """The weight of each element of :func:`columns`; ones if there are no weights."""
    if weights is None:
        return np.ones(columns(prediction).shape)
    return columns(np.broadcast_to(over(weights, prediction), prediction.shape))
