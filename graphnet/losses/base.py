"""The base of all losses: masks, dtypes and the reduction; a subclass adds checks of targets and one rule."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from graphnet.core.array_types import plain
from graphnet.core.checks import float_array, working_dtype
from graphnet.core.errors import ConfigError, DtypeError, RuleError, ShapeError
from graphnet.losses.rows import checked_mask, checked_size, valid

Array = npt.NDArray[Any]


class CheckedArguments(NamedTuple):
    """Checked arguments: the whole prediction, the mask or None, and the valid part of both arrays."""

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
        Whether the result is the mean or the sum over all valid rows (all axes but the last), or over all valid
        elements for elementwise losses.
    """

    reduction: str = "mean"

    #: The number of trailing axes of a prediction that form one row; a mask covers at most the other axes.
    row_axes: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.reduction not in ("mean", "sum"):
            raise ConfigError(
                "unknown reduction",
                where=type(self).__name__,
                expected="'mean' or 'sum'",
                received=repr(self.reduction),
                key_path=("reduction",),
            )

    def check(
        self, prediction_shape: tuple[int, ...], target: npt.ArrayLike, mask: npt.ArrayLike | None = None
    ) -> None:
        """Check that a target and a mask fit a prediction of this shape, before anything is computed.

        Targets of masked rows are not checked, so padding may have any value.

        Raises
        ------
        ShapeError
            If the shapes of target, mask and prediction do not match.
        DtypeError
            If the dtype of the target is not suitable, or the mask is not boolean.
        DataError
            If no row is valid, or a target is invalid: NaN, an index out of range, a row that is not one-hot.
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
        arguments = self._checked(prediction, target, mask)
        with np.errstate(over="ignore", invalid="ignore"):
            return self._reduce(self.rule(arguments.valid_prediction, arguments.valid_target)[0])

    def error(self, prediction: npt.ArrayLike, target: npt.ArrayLike, mask: npt.ArrayLike | None = None) -> Array:
        """The gradient of :meth:`value` with respect to the prediction; see :meth:`value_and_error`."""
        return self.value_and_error(prediction, target, mask)[1]

    def value_and_error(
        self, prediction: npt.ArrayLike, target: npt.ArrayLike, mask: npt.ArrayLike | None = None
    ) -> tuple[float, Array]:
        """The loss and its gradient with respect to the prediction, in one computation.

        Parameters
        ----------
        prediction : array or list, float or integer (converted to float64)
        target : array or list
            See the class.
        mask : boolean array, optional
            Over the leading axes, True at valid rows: ``(time, batch)`` for sequences of different length. Masked rows
            do not contribute, and their error is exactly zero, independent of their values.

        Returns
        -------
        value : float
            NaN or infinity if a valid prediction is not finite.
        error : array
            With the shape and float dtype of the prediction. float16 is computed in float32.

        Raises
        ------
        ShapeError, DtypeError, DataError
            See :meth:`check`.
        """
        arguments = self._checked(prediction, target, mask)
        with np.errstate(over="ignore", invalid="ignore"):
            losses, errors = self.rule(arguments.valid_prediction, arguments.valid_target)
            if self.reduction == "mean":
                errors = errors / losses.size
            return self._reduce(losses), self._spread(arguments, errors)

    def check_target(self, prediction_shape: tuple[int, ...], target: Array) -> None:
        """Raise a ShapeError or DtypeError unless the whole ``target`` fits a prediction of this shape."""
        raise self._missing("check_target")

    def clean_target(self, prediction_shape: tuple[int, ...], target: Array) -> Array:
        """The valid rows of a target in the form that :meth:`rule` takes; raise a DataError for invalid values."""
        raise self._missing("clean_target")

    def rule(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        """One loss for each valid row or element, and the gradient of their sum, in the dtype of computation."""
        raise self._missing("rule")

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name, as plain values."""
        return {part.name: getattr(self, part.name) for part in dataclasses.fields(self)}

    def _checked(
        self, prediction: npt.ArrayLike, target: npt.ArrayLike, mask: npt.ArrayLike | None
    ) -> CheckedArguments:
        array = float_array(type(self).__name__, "prediction", prediction)
        valid_mask, valid_target = self._valid_target(array.shape, target, mask)
        rows = valid(array, valid_mask).astype(working_dtype(array.dtype), copy=False)
        return CheckedArguments(array, valid_mask, rows, valid_target)

    def _valid_target(
        self, shape: tuple[int, ...], target: npt.ArrayLike, mask: npt.ArrayLike | None
    ) -> tuple[Array | None, Array]:
        where = type(self).__name__
        checked_size(where, shape, self.row_axes)
        array = plain(target, f"{where}, target")
        self.check_target(shape, array)
        valid_mask = checked_mask(where, shape, mask, self.row_axes)
        valid_shape = shape if valid_mask is None else (int(valid_mask.sum()), *shape[valid_mask.ndim :])
        return valid_mask, self.clean_target(valid_shape, valid(array, valid_mask))

    def _reduce(self, losses: Array) -> float:
        total = float(np.add.reduce(losses, axis=None, dtype=np.float64))
        if self.reduction == "sum":
            return total
        if math.isinf(total):  # the mean may be finite although the sum is not
            return float(np.sum(losses / losses.size, dtype=np.float64))
        return total / losses.size

    @staticmethod
    def _spread(arguments: CheckedArguments, errors: Array) -> Array:
        dtype = arguments.prediction.dtype
        if arguments.mask is None:
            return errors.astype(dtype, copy=False)
        whole = np.zeros(arguments.prediction.shape, dtype)
        whole[arguments.mask] = errors
        return whole

    def _same_shape(self, prediction_shape: tuple[int, ...], target: Array) -> None:
        if target.dtype.kind not in "fiub":
            raise DtypeError("the target must hold numbers", where=type(self).__name__, expected="floats",
                             received=f"dtype {target.dtype}", remedy="Convert it with astype(float).")  # fmt: skip
        if target.shape != prediction_shape:
            raise ShapeError(
                "target and prediction differ in shape",
                where=type(self).__name__,
                expected=prediction_shape,
                received=target.shape,
                remedy="Reshape the target; it is not broadcast, because (n,) against (n, 1) would give (n, n).",
            )

    def _missing(self, rule: str) -> RuleError:
        return RuleError(f"{type(self).__name__} has no {rule}", expected=f"a method {rule}", remedy="Implement it.")
