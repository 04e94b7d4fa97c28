"""Checks of gradients, and of what an optimizer's or a regularizer's rule returns."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.core.checks import float_array, read_only
from graphnet.core.errors import RuleError, ShapeError


def fitting_gradient(where: str, gradient_tensor: npt.ArrayLike, weights: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The gradient, read-only, in the dtype and shape of the weights; a single number applies to every weight.

    Raises
    ------
    ShapeError
        If the gradient has any other shape.
    """
    gradient = float_array(where, "gradient_tensor", gradient_tensor)
    if gradient.shape not in ((), weights.shape):
        raise ShapeError(
            "the gradient does not have the shape of the weights",
            where=where,
            expected=weights.shape,
            received=gradient.shape,
            remedy="Pass the gradient of the loss with respect to these weights.",
        )
    gradient = gradient.astype(weights.dtype, copy=False)
    return read_only(gradient if gradient.shape == weights.shape else np.broadcast_to(gradient, weights.shape))


def rule_result(
    owner: object, rule: str, value: Any, weights: npt.NDArray[Any], *shapes: tuple[int, ...]
) -> npt.NDArray[Any]:
    """The array that a rule of ``owner`` returned: numbers with the shape of the weights or another allowed one.

    Raises
    ------
    RuleError
        If it does not.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind in "fiu" and array.shape in (weights.shape, *shapes):
        return array
    raise RuleError(
        f"{rule} returned an invalid value",
        where=repr(owner),
        expected=f"floats of shape {weights.shape}",
        received=f"{type(value).__name__} of dtype {array.dtype}, shape {array.shape}",
        remedy=f"Make {rule} return an array with the shape of the weights.",
    )


def penalty_rule(regularizer: Any) -> Any:
    """The regularizer's ``calculate``, or ``calculate_gradient`` where it has none."""
    return regularizer.calculate if hasattr(regularizer, "calculate") else regularizer.calculate_gradient


def penalty(regularizer: Any, weights: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The term that a regularizer adds to the gradient, checked.

    Raises
    ------
    RuleError
        If it has another shape than the weights.
    """
    return rule_result(regularizer, "calculate", penalty_rule(regularizer)(weights), weights, ())
