"""The base of all losses: masks, dtypes and the reduction; a subclass adds checks of targets and one rule."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from graphnet.core.errors import ConfigError, DtypeError, RuleError, ShapeError
from graphnet.core.operations import Operations
from graphnet.losses.arguments import CheckedArguments, checked_arguments, over, valid_part

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Loss:
    """Base of the losses: a pure function of prediction and target, with its gradient.

    A subclass is a frozen dataclass whose fields are its configuration, and implements :meth:`check_target` and
    :meth:`rule`.

    Parameters
    ----------
    reduction : "mean" or "sum"
        Whether the result is the mean or the sum over all valid rows (all axes but the last), or over all valid
        elements for elementwise losses. With weights ``w`` the mean is ``sum(w l) / sum(w)``, the sum ``sum(w l)``.

    Attributes
    ----------
    task : str, of the class
        What a target is: ``"numbers"``; ``"classes"``, one of several for each row; ``"labels"``, yes or no for each
        element.
    """

    reduction: str = "mean"

    task: ClassVar[str] = "numbers"

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
        valid_part(self, tuple(prediction_shape), target, mask, None)

    def check_numbers(self, target: npt.ArrayLike, dtype: npt.DTypeLike, mask: npt.ArrayLike | None = None) -> None:
        """Check that ``dtype``, that of a prediction, can hold the valid targets; only for losses that compare numbers.

        Raises
        ------
        DataError
            If an integer would be rounded, or a number would overflow.
        """

    def value(
        self,
        prediction: npt.ArrayLike,
        target: npt.ArrayLike,
        mask: npt.ArrayLike | None = None,
        weights: npt.ArrayLike | None = None,
    ) -> float:
        """The loss as a Python float, summed in float64; see :meth:`value_and_error`."""
        arguments = checked_arguments(self, prediction, target, mask, weights)
        with np.errstate(over="ignore", invalid="ignore"):
            losses = self.rule(arguments.valid_prediction, arguments.valid_target)[0]
            if arguments.valid_weights is not None:
                losses = losses * over(arguments.valid_weights, losses)
            return self._reduce(losses, self._terms(arguments.valid_target, arguments.valid_weights, losses))

    def error(
        self,
        prediction: npt.ArrayLike,
        target: npt.ArrayLike,
        mask: npt.ArrayLike | None = None,
        weights: npt.ArrayLike | None = None,
    ) -> Array:
        """The gradient of :meth:`value` with respect to the prediction; see :meth:`value_and_error`."""
        return self.value_and_error(prediction, target, mask, weights)[1]

    def value_and_error(
        self,
        prediction: npt.ArrayLike,
        target: npt.ArrayLike,
        mask: npt.ArrayLike | None = None,
        weights: npt.ArrayLike | None = None,
        operations: Operations | None = None,
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
        weights : array, optional
            Over the leading axes as well, at least 0: how much each row counts. The mean is divided by the sum of the
            weights, not by their number, so it does not depend on their scale; it is 0 if all of them are 0.
        operations : mapping, optional
            What a backend offers in place of numpy: see :mod:`graphnet.core.operations`.

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
        arguments = checked_arguments(self, prediction, target, mask, weights)
        with np.errstate(over="ignore", invalid="ignore"):
            losses, errors = self.computed(arguments.valid_prediction, arguments.valid_target, operations)
            row_weights = arguments.valid_weights
            if row_weights is not None:
                losses = losses * over(row_weights, losses)
                errors = errors * over(row_weights, errors)
            terms = self._terms(arguments.valid_target, row_weights, losses)
            if self.reduction == "mean":
                errors = errors / terms if terms else np.zeros_like(errors)
            return self._reduce(losses, terms), self._spread(arguments, errors)

    def terms(
        self,
        prediction_shape: tuple[int, ...],
        target: npt.ArrayLike,
        mask: npt.ArrayLike | None = None,
        weights: npt.ArrayLike | None = None,
    ) -> float:
        """The number that the mean is divided by: that of the valid terms, or the sum of their weights.

        Means of several batches, weighted by it, give the mean over all of them.

        Raises
        ------
        ShapeError, DtypeError, DataError
            As :meth:`check`.
        """
        shape = tuple(prediction_shape)
        valid_mask, valid_target, row_weights = valid_part(self, shape, target, mask, weights)
        leading = shape[: len(shape) - self.row_axes]
        if valid_mask is not None:
            leading = (int(valid_mask.sum()), *leading[valid_mask.ndim :])
        return self._terms(valid_target, row_weights, np.broadcast_to(np.float64(0.0), leading))

    @property
    def ignore_index(self) -> int | None:
        """The target that stands for "no target", of losses that have this setting; else None."""
        return None

    @property
    def per_column(self) -> bool:
        """Whether :meth:`rule` needs whole rows: a mask of elements is then passed to it as weights."""
        return False

    @property
    def weighted(self) -> bool:
        """Whether the mean is weighted by the targets themselves, as with the weights of classes."""
        return False

    def predicted(self, prediction: npt.ArrayLike) -> Array:
        """The class of each row or element of a prediction, as an integer; only for losses of classes or labels.

        Raises
        ------
        ConfigError
            For a loss of numbers.
        """
        raise self._no_classes("classes")

    def probabilities(self, prediction: npt.ArrayLike) -> Array:
        """The probability of each class or label, with the shape of the prediction.

        Raises
        ------
        ConfigError
            If the loss does not define probabilities.
        """
        raise self._no_classes("probabilities")

    def fitted(self, prediction_shape: tuple[int, ...], target: Array) -> Array:
        """``target`` with an axis of size 1 added or removed at its end, where it then has the prediction's shape.

        A target ``(n,)`` fits a prediction ``(n, 1)``, and ``(n, 1)`` fits ``(n,)``: nothing is broadcast.
        """
        shape = target.shape
        if shape == (*prediction_shape, 1) or (shape == prediction_shape[:-1] and prediction_shape[-1] == 1):
            return target.reshape(prediction_shape)
        return target

    def kept(self, prediction_shape: tuple[int, ...], target: npt.ArrayLike, mask: Array | None) -> Array | None:
        """The mask without the targets that stand for "no target"; the same mask if there are none."""
        if self.ignore_index is None:
            return mask
        array = self.fitted(prediction_shape, np.asarray(target))
        ignored = self.ignored(prediction_shape, array)
        if ignored is None:
            return mask
        return ~ignored if mask is None else ~ignored & over(mask, ignored)

    def ignored(self, prediction_shape: tuple[int, ...], target: Array) -> Array | None:
        """True at the targets that stand for "no target", over the axes that a mask may have; None if there are none.

        ``target`` is :meth:`fitted`.
        """
        return None

    def target_weights(self, target: Array) -> Array | None:
        """The weights over which the mean is taken, one for each loss of :meth:`rule`, which contains them already.

        None: all are 1. Overridden by a loss whose classes have weights; ``target`` is as for :meth:`rule`.
        """
        return None

    def check_target(self, prediction_shape: tuple[int, ...], target: Array) -> None:
        """Raise a ShapeError or DtypeError unless the whole ``target`` fits a prediction of this shape."""
        raise self._missing("check_target")

    def clean_target(self, prediction_shape: tuple[int, ...], target: Array) -> Array:
        """The valid rows of a target in the form that :meth:`rule` takes; raise a DataError for invalid values."""
        raise self._missing("clean_target")

    def rule(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        """One loss for each valid row or element, and the gradient of their sum, in the dtype of computation."""
        raise self._missing("rule")

    def computed(self, prediction: Array, target: Array, operations: Operations | None) -> tuple[Array, Array]:
        """What :meth:`rule` returns, by an operation of the backend where it offers one."""
        return self.rule(prediction, target)

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name, as plain values."""
        return {part.name: getattr(self, part.name) for part in dataclasses.fields(self)}

    def _terms(self, target: Array, row_weights: Array | None, losses: Array) -> float:
        own = self.target_weights(target)
        if own is None and row_weights is None:
            return losses.size
        weights = np.ones(losses.shape) if own is None else own.astype(np.float64)
        if row_weights is not None:
            weights = weights * over(row_weights, losses)
        return float(weights.sum())

    def _reduce(self, losses: Array, terms: float) -> float:
        total = float(np.add.reduce(losses, axis=None, dtype=np.float64))
        if self.reduction == "sum":
            return total
        if math.isinf(total) and terms:  # the mean may be finite although the sum is not
            return float(np.sum(losses / terms, dtype=np.float64))
        return total / terms if terms else total

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

    def _no_classes(self, what: str) -> ConfigError:
        return ConfigError(f"{type(self).__name__} has no {what}", where=type(self).__name__,
                           expected="a loss of classes, such as CrossEntropy", received=repr(self),
                           remedy="Read the outputs themselves.")  # fmt: skip
