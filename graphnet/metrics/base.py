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
from graphnet.losses.base import Loss
from graphnet.losses.rows import checked_mask, valid

Array = npt.NDArray[Any]


@dataclass(eq=False)
class Metric:
    """Base of the metrics: the mean of a score over all batches since the last :meth:`reset`.

    Batches are weighted by their valid rows, so the result does not depend on the division of the data into batches. A
    subclass is a dataclass with a ``name``, implements :meth:`score`, and returns from :meth:`loss` the loss whose
    checks of targets and masks apply.
    """

    _total: float = field(default=0.0, init=False, repr=False)
    _count: int = field(default=0, init=False, repr=False)

    name: ClassVar[str] = "metric"
    higher_is_better: ClassVar[bool] = False

    def reset(self) -> None:
        """Discard all batches."""
        self._total, self._count = 0.0, 0

    def update(self, prediction: npt.ArrayLike, target: npt.ArrayLike, mask: npt.ArrayLike | None = None) -> None:
        """Add one batch; masked rows do not contribute, independent of their values.

        Raises
        ------
        ShapeError, DtypeError, DataError
            As the loss of the same targets; the metric is then unchanged.
        """
        where, loss = type(self).__name__, self.loss()
        array = float_array(where, "prediction", prediction)
        loss.check(array.shape, target, mask)
        loss.check_numbers(target, np.float64, mask)
        valid_mask = checked_mask(where, array.shape, mask, loss.row_axes)
        self.add(valid(array, valid_mask), valid(plain(target, f"{where}, target"), valid_mask))

    def add(self, prediction: Array, target: Array) -> None:
        """Add the valid rows of a batch, which have been checked."""
        with np.errstate(over="ignore", invalid="ignore"):
            scores = self.score(prediction, target)
            if scores.dtype == np.bool_:
                total = float(np.count_nonzero(scores))
            else:
                total = float(np.sum(scores, dtype=np.float64))
        self._total += total
        self._count += scores.size

    def result(self) -> float:
        """The metric over all batches.

        Raises
        ------
        StateError
            Before the first batch.
        """
        if self._count == 0:
            raise StateError("there is no result yet", where=type(self).__name__, expected="an update before result",
                             remedy="Call update with a batch first.")  # fmt: skip
        return self._total / self._count

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
