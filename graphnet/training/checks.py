"""Checks of the fields of a TrainingConfig; each returns the value to store, or raises a ConfigError."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

import numpy as np

from graphnet.core import checks
from graphnet.core.checks import is_integer
from graphnet.core.errors import ConfigError, UnknownNameError, unknown
from graphnet.core.run import backends
from graphnet.losses import Loss
from graphnet.metrics import Metric
from graphnet.training.callbacks import Callback

WHERE = "TrainingConfig"
#: Names of the other figures of an epoch, in histories and files.
RESERVED = frozenset({"epoch", "loss", "learning_rate", "gradient_norm", "seconds", "examples", "best"})


def refuse(name: str, expected: str, received: object, remedy: str | None = None) -> NoReturn:
    """Raise the usual ConfigError for one field."""
    raise ConfigError(
        f"{name} must be {expected}", where=WHERE, received=repr(received), remedy=remedy, key_path=(name,)
    )


def integer(name: str, value: Any, low: int, *, optional: bool = False) -> int | None:
    """An integer of at least ``low``, or None where it is ``optional``."""
    return checks.integer(WHERE, name, value, low, optional=optional)


def integer_pair(name: str, value: Any) -> tuple[int, int] | None:
    """Two positive integers, or None."""
    if value is None:
        return None
    numbers = list(value) if isinstance(value, (tuple, list)) else []
    if len(numbers) != 2 or not all(is_integer(number, 1) for number in numbers):
        refuse(name, "two positive integers, such as (50, 100), or None", value)
    return int(numbers[0]), int(numbers[1])


def real(
    name: str, value: Any, allowed: Callable[[float], bool], expected: str, *, optional: bool = False
) -> float | None:
    """A finite number for which ``allowed`` is true; ``expected`` describes the range, as in ``above 0``."""
    if value is None and optional:
        return None
    is_number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    try:
        number = float(value) if is_number else math.nan
    except OverflowError:  # an integer of hundreds of digits
        number = math.inf
    if not math.isfinite(number) or not allowed(number):
        refuse(name, f"a finite number {expected}{', or None' if optional else ''}", value)
    return number


def boolean(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        refuse(name, "True or False", value)
    return bool(value)


def text(name: str, value: Any) -> str | None:
    """A string that is not blank, or None."""
    if value is not None and (not isinstance(value, str) or not value.strip()):
        refuse(name, "a name or a path, or None", value)
    return value


def data(name: str, value: Any) -> Any:
    """A name or a path, a mapping of names to plain values, or None."""
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value) or not _plain(value):
            refuse(name, "settings by name: text, numbers, lists and mappings", value)
        return dict(value)
    return text(name, value)


def _plain(value: Any) -> bool:
    """Whether a value consists of what a model file can hold."""
    if isinstance(value, Mapping):
        return all(map(_plain, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_plain, value))
    return value is None or isinstance(value, (str, bool, int, float))


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
        raise unknown(name, value, known, where=WHERE, key_path=(name,), error=ConfigError)


def has_method(name: str, value: Any, method: str) -> None:
    """An object with a method of this name."""
    if isinstance(value, type) or not callable(getattr(value, method, None)):
        remedy = f"Make an instance: {value.__name__}(...)." if isinstance(value, type) else None
        refuse(name, f"an object with a method {method}", value, remedy)


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


def loss_weights(value: Any, loss: Any) -> dict[str, float] | None:
    """Factors of at least 0 by output, for outputs that have a loss; or None."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or not isinstance(loss, Mapping):
        refuse("loss_weights", "a mapping of output names to numbers, with a mapping of losses", value)
    for name in value:
        if name not in loss:
            raise unknown("output", name, loss, where=f"{WHERE}.loss_weights", key_path=("loss_weights",),
                          error=ConfigError)  # fmt: skip
    return {name: checks.number(WHERE, "loss_weights", factor, 0.0) for name, factor in value.items()}


def adapted(values: tuple[Metric, ...], loss: Loss | Mapping[str, Loss]) -> tuple[Metric, ...]:
    """The metrics with what they leave to the first loss."""
    main = loss if isinstance(loss, Loss) else next(iter(loss.values()))
    return tuple(metric.adapted(main) for metric in values)


def patterns(name: str, value: Any) -> tuple[str, ...]:
    """Patterns of paths, alone or in a list."""
    values = (value,) if isinstance(value, str) else value
    if not isinstance(values, (list, tuple)) or not all(isinstance(part, str) and part for part in values):
        refuse(name, "names of nodes, or patterns such as 'encoder/*'", value)
    return tuple(values)


def metrics(value: Any) -> tuple[Metric, ...]:
    """A tuple of Metrics with different names."""
    values = _as_tuple(value, Metric)
    if values is None:
        refuse("metrics", "Metrics", value)
    names = [metric.name for metric in values]
    for metric, name in zip(values, names, strict=True):
        if not isinstance(name, str) or not name.strip() or name in RESERVED or name.startswith("validation_"):
            raise ConfigError(
                f"a metric cannot be called {name!r}",
                where=f"{WHERE}, metric {type(metric).__name__}",
                expected=f"text, other than {', '.join(sorted(RESERVED))} and validation_…",
                received=repr(name),
                remedy="Give the class another name = '…'.",
                key_path=("metrics",),
            )
    if len(set(names)) < len(names):
        refuse("metrics", "Metrics with different names", names)
    return values


def callbacks(value: Any) -> tuple[Callback, ...]:
    """A tuple of Callbacks."""
    values = _as_tuple(value, Callback)
    if values is None:
        given = value if isinstance(value, (list, tuple)) else [value]
        wrong = next((item for item in given if not isinstance(item, Callback)), None)
        remedy = "Derive a class from graphnet.callbacks.Callback, and pass an instance."
        if isinstance(wrong, type):
            remedy = f"Make an instance: {wrong.__name__}(…)."
        elif callable(wrong):
            remedy = "A function is not a callback: put it into a method on_epoch_end(self, trainer, record) of one."
        refuse("callbacks", "Callbacks, alone or in a list", value, remedy)
    return values


def _as_tuple(value: Any, kind: type) -> tuple[Any, ...] | None:
    """One object, a list or a tuple of objects of a class as a tuple; None for anything else."""
    values = (value,) if isinstance(value, kind) else tuple(value) if isinstance(value, (list, tuple)) else None
    return values if values is not None and all(isinstance(item, kind) for item in values) else None


def comparable(value: Any) -> Any:
    """A form of a field by which two are compared: plain values as they are, objects by class and configuration."""
    if isinstance(value, Mapping):
        return {name: comparable(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(comparable(item) for item in value)
    config = getattr(value, "config", None)
    return (type(value), comparable(config())) if callable(config) else value


def parameter_groups(value: Any, optimizer: Any) -> dict[str, dict[str, Any]]:
    """The setting ``parameter_groups``, with settings that the optimizer has.

    Raises
    ------
    ConfigError
        If it is not a mapping from patterns to settings, or a setting is unknown or invalid.
    """
    if not isinstance(value, Mapping) or not all(
        isinstance(pattern, str) and isinstance(given, Mapping) for pattern, given in value.items()
    ):
        raise _wrong("not a mapping from patterns to settings", "{'*/bias': {'weight_decay': 0.0}}", value)
    config = getattr(optimizer, "config", None)
    known = dict(config()) if callable(config) else dict(getattr(optimizer, "__dict__", {}))
    for given in value.values():
        for name in given:
            if name != "regularize" and name not in known:
                raise _wrong(f"{type(optimizer).__name__} has no setting {name!r}",
                             ", ".join(["regularize", *known]), name)  # fmt: skip
        changed = {name: part for name, part in given.items() if name != "regularize"}
        if not isinstance(given.get("regularize", True), bool):
            raise _wrong("regularize must be True or False", "True or False", given["regularize"])
        if callable(config) and changed:
            type(optimizer)(**{**known, **changed})  # raises a ConfigError for an invalid value
    return {pattern: dict(given) for pattern, given in value.items()}


def _wrong(problem: str, expected: str, received: Any) -> ConfigError:
    return ConfigError(problem, where=f"{WHERE}.parameter_groups", expected=expected,
                       received=repr(received)[:100], key_path=("parameter_groups",))  # fmt: skip
