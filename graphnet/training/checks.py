"""Checks of the single values of a TrainingConfig; each returns what is kept, or says what was expected."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from typing import Any, NoReturn

import numpy as np

from graphnet.core.errors import ConfigError, UnknownNameError, unknown
from graphnet.core.run import backends
from graphnet.losses import Loss
from graphnet.metrics import Metric
from graphnet.training.callbacks import Callback


def refuse(name: str, expected: str, received: object, remedy: str | None = None) -> NoReturn:
    """Raise the usual ConfigError for one field."""
    raise ConfigError(
        f"{name} cannot be used",
        where="TrainingConfig",
        expected=expected,
        received=repr(received),
        remedy=remedy,
        key_path=(name,),
    )


def whole(name: str, value: Any, low: int, *, optional: bool = False) -> int | None:
    """A whole number of at least ``low``."""
    if value is None and optional:
        return None
    if not isinstance(value, Integral) or isinstance(value, bool) or value < low:
        refuse(name, f"a whole number of at least {low}{', or None' if optional else ''}", value)
    return int(value)


def pair(name: str, value: Any) -> tuple[int, int] | None:
    """Two whole numbers of at least 1, or None."""
    if value is None:
        return None
    both = list(value) if isinstance(value, (tuple, list)) else []
    whole_ones = [n for n in both if isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n >= 1]
    if len(both) != 2 or len(whole_ones) != 2:
        refuse(name, "two whole numbers of at least 1, such as (50, 100), or None", value)
    return int(both[0]), int(both[1])


def real(
    name: str, value: Any, fits: Callable[[float], bool], expected: str, *, optional: bool = False
) -> float | None:
    """A finite number that fits, such as ``lambda x: x > 0``, told as ``above 0``."""
    if value is None and optional:
        return None
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not fits(value):
        refuse(name, f"a finite number {expected}{', or None' if optional else ''}", value)
    return float(value)


def truth(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        refuse(name, "True or False", value)
    return bool(value)


def text(name: str, value: Any) -> str | None:
    """Some text, or None."""
    if value is not None and (not isinstance(value, str) or not value.strip()):
        refuse(name, "a name or a path, or None", value)
    return value


def backend(name: str, value: Any) -> None:
    """The name of a backend, or None."""
    if value is None:
        return
    if not isinstance(value, str):
        refuse(name, "the name of a backend, or None", value)
    try:
        backends.find(value)
    except UnknownNameError as error:
        refuse(name, f"{error.expected}, or None", value, error.remedy)


def choice(name: str, value: Any, known: Iterable[str]) -> None:
    """One of a few names."""
    known = tuple(known)
    if value not in known:
        key_path = (name,)
        raise unknown(name, value, known, where="TrainingConfig", key_path=key_path, error=ConfigError)


def method(name: str, value: Any, needed: str) -> None:
    """Any object that has a certain method."""
    if isinstance(value, type) or not callable(getattr(value, needed, None)):
        remedy = f"Make an instance: {value.__name__}(...)." if isinstance(value, type) else None
        refuse(name, f"an object with a method {needed}", value, remedy)


def losses(value: Any) -> Loss | dict[str, Loss]:
    """A Loss, or a mapping of output names to Losses."""
    if isinstance(value, Loss):
        return value
    if not isinstance(value, Mapping) or not value:
        refuse("loss", "a Loss, or a mapping of output names to Losses", value)
    for output, loss in value.items():
        if not isinstance(output, str) or not isinstance(loss, Loss):
            refuse(f"loss of {output!r}", "a Loss", loss)
    return dict(value)


def metrics(value: Any) -> tuple[Metric, ...]:
    """A tuple of Metrics with names of their own."""
    found = (value,) if isinstance(value, Metric) else tuple(value) if isinstance(value, (list, tuple)) else None
    if found is None or not all(isinstance(metric, Metric) for metric in found):
        refuse("metrics", "Metrics", value)
    names = [metric.name for metric in found]
    if len(set(names)) < len(names):
        refuse("metrics", "metrics with names of their own", names)
    return found


def callbacks(value: Any) -> tuple[Callback, ...]:
    """A tuple of Callbacks."""
    found = (value,) if isinstance(value, Callback) else tuple(value) if isinstance(value, (list, tuple)) else None
    if found is None or not all(isinstance(callback, Callback) for callback in found):
        refuse("callbacks", "Callbacks", value)
    return found


def described(value: Any) -> Any:
    """What makes two settings equal: plain values themselves, objects by class and configuration."""
    if isinstance(value, Mapping):
        return {name: described(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(described(each) for each in value)
    configured = getattr(value, "config", None)
    return (type(value), described(configured())) if callable(configured) else value
