"""Checks of an optimizer's state: that a saved one is whole, and that the kept one fits the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.core.array_types import plain
from graphnet.core.errors import DtypeError, RuleError, ShapeError, StateError

Array = npt.NDArray[Any]


def checked_state(where: str, names: tuple[str, ...], state: Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
    """Copies of the arrays in ``state``, if they are a whole state with these ``names``, or empty.

    Raises
    ------
    StateError
        Other names, a ``step_count`` that is not one positive integer, or numbers that are not finite.
    ShapeError
        Two arrays differ in shape.
    DtypeError
        An array holds no floats.
    """
    if state and set(state) != set(names):
        raise StateError(
            "the saved state belongs to another kind of optimizer",
            where=where,
            expected=sorted(names) or "nothing",
            received=sorted(state),
            remedy="Load it into an optimizer of the class that saved it.",
        )
    arrays = {name: np.array(plain(value, f"{where}, {name}")) for name, value in state.items()}
    _check_count(where, arrays)
    _check_moments(where, {name: array for name, array in arrays.items() if name != "step_count"})
    check_finite(where, arrays)
    return arrays


def check_finite(where: str, state: Mapping[str, Array], gradient: Array | None = None) -> None:
    """Refuse a state that holds NaN or infinity: the weights it belongs to would never move again.

    Parameters
    ----------
    where : str
        The optimizer, and perhaps its weights.
    state : mapping of name to array
    gradient : array, optional
        Of the step that made this state; the message has its largest number.

    Raises
    ------
    StateError
    """
    for name, array in state.items():
        if array.dtype.kind == "f" and not all_finite(array):
            largest = "" if gradient is None or not gradient.size else f", gradients up to {_largest(gradient):.3g}"
            raise StateError(
                f"the {name.replace('_', ' ')} is not finite",
                where=where,
                expected=f"finite numbers of {array.dtype}",
                received=f"{'NaN' if np.isnan(array).any() else 'infinity'}{largest}",
                remedy="Look for an outlier in the data, clip the gradients (clip_norm), or compute in float64.",
            )


def check_weights(where: str, weights: Array) -> None:
    """Refuse new weights that hold NaN or infinity.

    Raises
    ------
    RuleError
    """
    if not all_finite(weights):
        raise RuleError(
            "the new weights are not finite",
            where=where,
            expected="finite numbers",
            received="NaN or infinity",
            remedy="Lower the learning rate, or clip the gradients.",
        )


def all_finite(array: Array) -> bool:
    """Whether an array of floats holds no NaN and no infinity."""
    flat = array.reshape(-1)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        # One pass without a temporary array, where no square overflows.
        return bool(np.isfinite(np.dot(flat, flat)) or np.isfinite(flat).all())


def _largest(gradient: Array) -> float:
    return float(np.max(np.abs(gradient)))


def check_fit(where: str, state: Mapping[str, Array], weights: Array) -> None:
    """Refuse weights of another shape than the moments kept from earlier steps.

    Raises
    ------
    ShapeError
        With both shapes: the instance has served another weight array.
    """
    for name, array in state.items():
        if name != "step_count" and array.shape != weights.shape:
            raise ShapeError(
                f"the {name.replace('_', ' ')} kept from earlier steps has another shape than these weights",
                where=where,
                expected=array.shape,
                received=weights.shape,
                remedy="One optimizer instance serves one weight array; give each its own copy: optimizer.fresh().",
            )


def _check_count(where: str, arrays: Mapping[str, Array]) -> None:
    count = arrays.get("step_count")
    if count is not None and (count.shape != () or count.dtype.kind not in "iu" or count < 1):
        raise StateError(
            "the saved step_count is no count of steps",
            where=where,
            expected="one integer of at least 1",
            received=repr(count),
            remedy="Save the state with the optimizer's state().",
        )


def _check_moments(where: str, arrays: Mapping[str, Array]) -> None:
    for name, array in arrays.items():
        if array.dtype.kind != "f":
            raise DtypeError(f"the saved {name} holds no floats", where=where, expected="floats", received=array.dtype,
                             remedy="Save the state with the optimizer's state().")  # fmt: skip
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        raise ShapeError("the saved arrays differ in shape", where=where, expected="one shape", received=shapes,
                         remedy="Load the state of one weight array.")  # fmt: skip
