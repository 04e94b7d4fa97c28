"""What all metrics share: a running total over batches."""

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
    """Base of the metrics: the mean of a score over everything seen since the last :meth:`reset`.

    Batches of different size count by their valid rows, so the result does not depend on how the data were cut into
    batches. A subclass is a dataclass with a ``name``, implements :meth:`score`, and names the :meth:`loss` whose
    checks of targets and masks it shares.
    """

    _total: float = field(default=0.0, init=False, repr=False)
    _count: int = field(default=0, init=False, repr=False)

    name: ClassVar[str] = "metric"
    higher_is_better: ClassVar[bool] = False

    def reset(self) -> None:
        """Forget everything seen."""
        self._total, self._count = 0.0, 0

    def update(self, prediction: npt.ArrayLike, target: npt.ArrayLike, mask: npt.ArrayLike | None = None) -> None:
        """Add one batch; masked rows count nothing, whatever stands there.

        Raises
        ------
        ShapeError, DtypeError, DataError
            As the loss of the same targets; the metric is then as it was before.
        """
        where, loss = type(self).__name__, self.loss()
        given = float_array(where, "prediction", prediction)
        loss.check(given.shape, target, mask)
        loss.check_numbers(target, np.float64, mask)
        marked = checked_mask(where, given.shape, mask, loss.row_axes)
        with np.errstate(over="ignore", invalid="ignore"):
            scores = self.score(valid(given, marked), valid(plain(target, f"{where}, target"), marked))
            total = float(np.sum(scores, dtype=np.float64))
        self._total += total
        self._count += scores.size

    def result(self) -> float:
        """The metric over everything seen.

        Raises
        ------
        StateError
            Nothing was seen yet.
        """
        if self._count == 0:
            raise StateError("there is no result yet", where=type(self).__name__, expected="an update before result",
                             remedy="Call update with a batch first.")  # fmt: skip
        return self._total / self._count

    def loss(self) -> Loss:
        """The loss whose targets this metric takes."""
        raise self._missing("loss")

    def score(self, prediction: Array, target: Array) -> Array:
        """One number for each valid row or element."""
        raise self._missing("score")

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name, plain values for a file."""
        return {part.name: getattr(self, part.name) for part in dataclasses.fields(self) if part.init}

    def _missing(self, rule: str) -> RuleError:
        return RuleError(f"{type(self).__name__} has no {rule}", expected=f"a method {rule}", remedy="Write it.")
