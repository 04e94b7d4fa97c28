"""Objects of users and plugins that a training run calls: one that fails is named, and the others still run."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Any

import numpy as np

from graphnet.core.errors import GraphnetError, RuleError


def owner(thing: object) -> str:
    """The class of an object with its module, as errors name it.

    Examples
    --------
    >>> owner(3)
    'builtins.int'
    """
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


class guarded:  # used like a function, and in each batch: a generator would cost three times as much
    """A context that turns an exception of an object's method into a RuleError that names the object.

    Parameters
    ----------
    kind : str
        What the object is: ``callback``, ``metric``, ``loss``.
    thing : object
    method : str

    Raises
    ------
    RuleError
        For any exception but graphnet's own, which get the place.
    """

    __slots__ = ("kind", "method", "thing")

    def __init__(self, kind: str, thing: object, method: str) -> None:
        self.kind, self.thing, self.method = kind, thing, method

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, Exception):
            return
        thing = self.thing
        where = f"{self.kind} {owner(thing)}, {self.method}"
        if isinstance(error, GraphnetError):
            raise (error if type(thing).__module__.startswith("graphnet.") else error.at(where)) from error.__cause__
        raise RuleError(
            f"the {self.kind} failed: {type(error).__name__}: {error}",
            where=where,
            remedy=f"Correct the {self.kind}, or leave it out.",
        ) from error


def figure(metric: Any) -> float:
    """The result of a metric as a Python float; NaN and infinity are results.

    Raises
    ------
    RuleError
        If the metric fails, or returns anything but a real number.
    """
    with guarded("metric", metric, "result"):
        value = metric.result()
    scalar = (
        value.item() if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0) else value
    )
    if isinstance(scalar, (bool, int, float)):
        try:
            return float(scalar)
        except OverflowError:
            return math.inf if scalar > 0 else -math.inf
    raise RuleError(
        "the metric returned an invalid value",
        where=f"metric {owner(metric)}, result",
        expected="a real number",
        received=f"{repr(value)[:200]} ({type(value).__name__})",
    )
