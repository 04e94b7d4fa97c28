"""What all losses share: masks, dtypes and the reduction; a subclass adds checks of targets and one rule."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from graphnet.core.array_types import plain
from graphnet.core.checks import float_array, working_dtype
from graphnet.core.errors import ConfigError, DtypeError, RuleError, ShapeError
from graphnet.losses.rows import checked_mask, checked_size, valid

Array = npt.NDArray[Any]


class Case(NamedTuple):
    """A checked call: the whole prediction, the mask or None, and the valid part of both arrays."""

    prediction: Array
    mask: Array | None
    valid_prediction: Array
    valid_target: Array


@dataclass(frozen=True)
class Loss:
    """Base of the losses: a pure function of prediction and target, with its gradient.

    A subclass is a frozen dataclass whose fields are its configuration, and implements :meth:`check_target` and
    :meth:`rule`.

    Parameters
    ----------
    reduction : "mean" or "sum"
        What is done with the loss of each valid row (every axis but the last; for elementwise losses of each valid
        element).
    """

    reduction: str = "mean"

    #: How many trailing axes of a prediction make one row: a mask has at most the others.
    row_axes: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.reduction not in ("mean", "sum"):
            raise ConfigError(
                "unknown reduction",
                where=type(self).__name__,
                expected="'mean' or 'sum'",
                received=repr(self.reduction),
                remedy="Choose one of the two.",
                key_path=("reduction",),
            )

    def check(
        self, prediction_shape: tuple[int, ...], target: npt.ArrayLike, mask: npt.ArrayLike | None = None
    ) -> None:
        """Refuse a target or a mask that does not fit a prediction of this shape, before anything is computed.

        Targets of masked rows are not looked at, so padding may hold anything.

        Raises
        ------
        ShapeError
            The shapes of target, mask and prediction do not belong together.
        DtypeError
            Targets of a kind that means nothing here; a mask that is not boolean.
        DataError
            No valid row, or targets that mean nothing: NaN, an index that is no class, a one-hot row that is not.
        """
        self._valid_target(tuple(prediction_shape), target, mask)

    def check_numbers(self, target: npt.ArrayLike, dtype: npt.DTypeLike, mask: npt.ArrayLike | None = None) -> None:
        """Check that ``dtype``, that of a prediction, can hold the valid targets; only for losses that compare numbers.

        Raises
        ------
        DataError
            If an integer would be rounded, or a number would overflow.
        """

    def value(self, prediction: npt.ArrayLike, target: npt.ArrayLike, mask: npt.ArrayLike | None = None) -> float:
        """The loss as a Python float, summed in float64; see :meth:`value_and_error`."""
        case = self._case(prediction, target, mask)
        with np.errstate(over="ignore", invalid="ignore"):
            return self._reduce(self.rule(case.valid_prediction, case.valid_target)[0])

    def error(self, prediction: npt.ArrayLike, target: npt.ArrayLike, mask: npt.ArrayLike | None = None) -> Array:
        """The gradient of :meth:`value` with respect to the prediction; see :meth:`value_and_error`."""
        return self.value_and_error(prediction, target, mask)[1]

    def value_and_error(
        self, prediction: npt.ArrayLike, target: npt.ArrayLike, mask: npt.ArrayLike | None = None
    ) -> tuple[float, Array]:
        """The loss and its gradient with respect to the prediction, in one computation.

        Parameters
        ----------
        prediction : array or list, float or integer (which counts as float64)
        target : array or list
            What the class says.
        mask : boolean array, optional
            Over the leading axes, True where a row counts: ``(time, batch)`` for sequences of different length.
            Masked rows count nothing, and their error is exactly zero, whatever stands there.

        Returns
        -------
        value : float
            NaN or infinity where a valid prediction is not finite.
        error : array
            Shape and float dtype of the prediction. float16 is computed in float32.

        Raises
        ------
        ShapeError, DtypeError, DataError
            See :meth:`check`.
        """
        case = self._case(prediction, target, mask)
        with np.errstate(over="ignore", invalid="ignore"):
            losses, errors = self.rule(case.valid_prediction, case.valid_target)
            if self.reduction == "mean":
                errors = errors / losses.size
            return self._reduce(losses), self._spread(case, errors)

    def check_target(self, prediction_shape: tuple[int, ...], target: Array) -> None:
        """Raise ShapeError or DtypeError, unless the whole ``target`` fits a prediction of this shape."""
        raise self._missing("check_target")

    def clean_target(self, prediction_shape: tuple[int, ...], target: Array) -> Array:
        """What :meth:`rule` wants of a target, or a DataError; both hold valid rows only."""
        raise self._missing("clean_target")

    def rule(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        """Losses (one a row or element) and the gradient of their sum, for valid rows in the dtype to compute in."""
        raise self._missing("rule")

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name, plain values for a file."""
        return {part.name: getattr(self, part.name) for part in dataclasses.fields(self)}

    def _case(self, prediction: npt.ArrayLike, target: npt.ArrayLike, mask: npt.ArrayLike | None) -> Case:
        given = float_array(type(self).__name__, "prediction", prediction)
        marked, labels = self._valid_target(given.shape, target, mask)
        rows = valid(given, marked)
        return Case(given, marked, rows.astype(working_dtype(given.dtype), copy=False), labels)

    def _valid_target(
        self, shape: tuple[int, ...], target: npt.ArrayLike, mask: npt.ArrayLike | None
    ) -> tuple[Array | None, Array]:
        where = type(self).__name__
        checked_size(where, shape, self.row_axes)
        labels = plain(target, f"{where}, target")
        self.check_target(shape, labels)
        marked = checked_mask(where, shape, mask, self.row_axes)
        rows = shape if marked is None else (int(marked.sum()), *shape[marked.ndim :])
        return marked, self.clean_target(rows, valid(labels, marked))

    def _reduce(self, losses: Array) -> float:
        total = float(np.sum(losses, dtype=np.float64))
        if self.reduction == "sum":
            return total
        if np.isinf(total):  # the mean may be finite where the sum is not
            return float(np.sum(losses / losses.size, dtype=np.float64))
        return total / losses.size

    @staticmethod
    def _spread(case: Case, errors: Array) -> Array:
        dtype = case.prediction.dtype
        if case.mask is None:
            return errors.astype(dtype, copy=False)
        whole = np.zeros(case.prediction.shape, dtype)
        whole[case.mask] = errors
        return whole

    def _same_shape(self, prediction_shape: tuple[int, ...], target: Array) -> None:
        if target.dtype.kind not in "fiub":
            raise DtypeError("the target cannot be computed with", where=type(self).__name__, expected="floats",
                             received=f"dtype {target.dtype}", remedy="Convert it with astype(float).")  # fmt: skip
        if target.shape != prediction_shape:
            raise ShapeError(
                "target and prediction differ in shape",
                where=type(self).__name__,
                expected=prediction_shape,
                received=target.shape,
                remedy="Reshape the target; nothing is broadcast, because (n,) against (n, 1) would pair all with all.",
            )

    def _missing(self, rule: str) -> RuleError:
        return RuleError(f"{type(self).__name__} has no {rule}", expected=f"a method {rule}", remedy="Write it.")
