"""The logarithm of the softmax, and weights for classes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.core.checks import number
from graphnet.core.errors import ConfigError, ShapeError

Array = npt.NDArray[Any]


def log_softmax(scores: Array) -> tuple[Array, Array]:
    """``log softmax(x)`` and ``softmax(x)`` along the last axis; no exponential exceeds 1.

    Examples
    --------
    >>> logs, shares = log_softmax(np.array([[0.0, 0.0]]))
    >>> shares
    array([[0.5, 0.5]])
    """
    shifted = scores - scores.max(axis=-1, keepdims=True)
    powers = np.exp(shifted)
    total = powers.sum(axis=-1, keepdims=True)
    return shifted - np.log(total), powers / total


def sigmoid(scores: Array) -> Array:
    """``1 / (1 + exp(-x))``; no exponential exceeds 1.

    Examples
    --------
    >>> sigmoid(np.array([0.0, -1e4]))
    array([0.5, 0. ])
    """
    power = np.exp(-np.abs(scores))
    return np.where(scores >= 0, 1.0, power) / (1.0 + power)


def checked_class_weights(where: str, name: str, value: Any) -> tuple[float, ...] | None:
    """One weight of at least 0 for each class as a tuple of floats, at least one of them above 0; None stays None.

    Raises
    ------
    ConfigError
        For anything else.
    """
    if value is None:
        return None
    if isinstance(value, (str, bytes, dict)) or not isinstance(value, Iterable) or np.ndim(value) != 1:  # type: ignore[arg-type]
        raise ConfigError(f"{name} must be a list of numbers", where=where, expected="one weight for each class",
                          received=repr(value)[:80], key_path=(name,))  # fmt: skip
    weights = tuple(number(where, name, weight, 0.0) for weight in value)
    if not any(weights):
        raise ConfigError(f"every number of {name} is 0", where=where, expected="a weight above 0",
                          received=repr(weights)[:80], key_path=(name,))  # fmt: skip
    return weights


def check_class_count(where: str, name: str, weights: tuple[float, ...] | None, classes: int) -> None:
    """Raise a ShapeError unless there is one weight for each class; None passes."""
    if weights is not None and len(weights) != classes:
        raise ShapeError(f"{name} does not have one number for each class", where=where,
                         expected=f"{classes} numbers", received=f"{len(weights)} numbers",
                         remedy="List them in the order of the classes.")  # fmt: skip


def checked_ignore_index(where: str, value: Any) -> int | None:
    """The integer that stands for "no target"; None stays None.

    Raises
    ------
    ConfigError
        For anything else.
    """
    if value is None or (isinstance(value, (int, np.integer)) and not isinstance(value, bool)):
        return None if value is None else int(value)
    raise ConfigError("ignore_index must be an integer or None", where=where, expected="an integer, such as -1",
                      received=repr(value), key_path=("ignore_index",))  # fmt: skip
