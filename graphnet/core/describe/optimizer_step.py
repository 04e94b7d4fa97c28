"""One step of the optimizers of some weights: all of the weights change, or none."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Iterable
from typing import Any

import numpy as np

from graphnet.core.describe.parameter import Array, Parameter
from graphnet.core.errors import GraphnetError, RuleError
from graphnet.core.finite import new_weights_not_finite


def copied(optimizer: Any) -> Any:
    """Return an independent optimizer of the same configuration, by its ``fresh`` (without state) where it has one."""
    return optimizer.fresh() if hasattr(optimizer, "fresh") else copy.deepcopy(optimizer)


def step(updates: Iterable[tuple[Parameter, float, str]]) -> None:
    """Do one optimizer step for each parameter, with its delta and its place for errors; all of them, or none.

    Raises
    ------
    RuleError, StateError
        See ``updated``; weights and optimizers are then as they were.
    """
    updates = list(updates)
    if not updates:
        return
    before = [(parameter.optimizer, optimizer_state(parameter.optimizer)) for parameter, _, _ in updates]
    try:
        values = [updated(parameter, delta, where) for parameter, delta, where in updates]
    except BaseException:
        for optimizer, state in before:
            put_optimizer_state(optimizer, state)
        raise
    for (parameter, _, _), value in zip(updates, values, strict=True):
        parameter.value = value


def takes_delta(optimizer: Any) -> bool:
    """Whether ``calculate_update`` is called with a delta first; that of later editions takes weights and gradient.

    Examples
    --------
    >>> class Descent:
    ...     def calculate_update(self, weight_tensor, gradient_tensor):
    ...         return weight_tensor - gradient_tensor
    >>> takes_delta(Descent())
    False
    """
    method = optimizer.calculate_update
    function = getattr(method, "__func__", None)
    return _counts_three(method) if function is None else _function_takes_delta(function)


@functools.lru_cache(maxsize=256)
def _function_takes_delta(function: Any) -> bool:
    return _counts_three(function.__get__(object(), object))


def _counts_three(method: Any) -> bool:
    """Whether a callable accepts three positional arguments; True if its signature is not known."""
    try:
        signature = inspect.signature(method)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(None, None, None)
    except TypeError:
        return False
    return True


def optimizer_state(optimizer: Any) -> dict[str, Any] | None:
    """Return an optimizer's attributes; its arrays are not copied, because steps replace them."""
    if not hasattr(optimizer, "__dict__"):
        return None
    return {name: dict(value) if isinstance(value, dict) else value for name, value in vars(optimizer).items()}


def put_optimizer_state(optimizer: Any, state: dict[str, Any] | None) -> None:
    """Put back what ``optimizer_state`` returned."""
    if state is not None:
        vars(optimizer).clear()
        vars(optimizer).update(
            {name: dict(value) if isinstance(value, dict) else value for name, value in state.items()}
        )


def updated(parameter: Parameter, delta: float, where: str) -> Array:
    """Return the weights after one step of the parameter's optimizer, checked; the parameter keeps its value.

    Raises
    ------
    RuleError
        If the optimizer returns anything but finite numbers of the weights' shape.
    GraphnetError
        Any other error of the optimizer, with the place.
    """
    optimizer = parameter.optimizer
    where = f"{where}, optimizer {type(optimizer).__name__}"
    try:
        arguments = parameter.value, parameter.known_gradient()
        new = optimizer.calculate_update(*((delta, *arguments) if takes_delta(optimizer) else arguments))
    except GraphnetError as error:
        raise error.at(where) from None
    array = np.asarray(new)
    if array.dtype.kind not in "biuf" or array.shape != parameter.value.shape:
        raise RuleError(
            "calculate_update returned an invalid value",
            where=where,
            expected=f"numbers of shape {parameter.value.shape}",
            received=f"{type(new).__name__} of shape {array.shape}",
        )
    with np.errstate(over="ignore"):
        array = array.astype(parameter.value.dtype)
    if not np.isfinite(array).all():
        raise new_weights_not_finite(array, where)
    return array
