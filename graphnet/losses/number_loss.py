"""What the losses of numbers share: the checks of their targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from graphnet.core.array_types import plain
from graphnet.core.dtypes import check_convertible
from graphnet.core.errors import DataError
from graphnet.losses.base import Loss

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class NumberLoss(Loss):
    """Base of the losses that compare a prediction with numbers, element by element; a subclass implements ``rule``.

    The target has the shape of the prediction, one axis or more; ``(n,)`` fits a prediction ``(n, 1)``, and nothing is
    broadcast. A mask may cover all axes.
    """

    row_axes: ClassVar[int] = 0

    def check_target(self, prediction_shape: tuple[int, ...], target: Array) -> None:
        """Check for numbers with the shape of the prediction."""
        self._same_shape(prediction_shape, target)

    def clean_target(self, prediction_shape: tuple[int, ...], target: Array) -> Array:
        """The target, with booleans as floats; raise a DataError unless it is finite."""
        values = target.astype(np.float16) if target.dtype == bool else target
        if not np.isfinite(values).all():
            raise DataError("the target is not finite", where=type(self).__name__, expected="finite numbers",
                            received="NaN or infinity", remedy="Drop or mask those rows.")  # fmt: skip
        return values

    def check_numbers(self, target: npt.ArrayLike, dtype: npt.DTypeLike, mask: npt.ArrayLike | None = None) -> None:
        """Raise a DataError for a valid target that ``dtype`` would round (an integer) or that would overflow."""
        where = f"{type(self).__name__}, target"
        values = plain(target, where)
        check_convertible(values if mask is None else values[np.asarray(mask)], dtype, where)
