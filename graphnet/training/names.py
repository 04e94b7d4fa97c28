"""Registered objects by their names, as model files have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphnet.core.errors import ConfigError, GraphnetError, UnknownNameError


def named(field: str, kind: str, value: Any) -> Any:
    """A setting in which each name stands for an object of a kind with default settings; anything else is unchanged.

    Parameters
    ----------
    field : str
        The setting, for errors.
    kind : str
        ``losses``, for example.
    value : object
        A name or an object, a list or tuple of them, or a mapping to them.

    Raises
    ------
    ConfigError
        If a name is unknown, or an object cannot be made without settings.
    PluginError
        If several plugins have a name.

    Examples
    --------
    >>> named("loss", "losses", "cross_entropy").label_smoothing
    0.0
    """
    if isinstance(value, str):
        return _made(field, kind, value)
    if isinstance(value, (list, tuple)) and any(isinstance(part, str) for part in value):
        return tuple(_made(field, kind, part) if isinstance(part, str) else part for part in value)
    if isinstance(value, Mapping) and any(isinstance(part, str) for part in value.values()):
        return {name: _made(field, kind, part) if isinstance(part, str) else part for name, part in value.items()}
    return value


def _made(field: str, kind: str, name: str) -> Any:
    return named_at(f"TrainingConfig.{field}", kind, name)


def named_at(where: str, kind: str, name: str) -> Any:
    """The object that a name stands for, with default settings; see :func:`named`.

    Parameters
    ----------
    where : str
        The class and the argument, ``Warmup.then``, for errors.
    kind, name : str
    """
    from graphnet.plugins import manager

    field = where.rpartition(".")[2]
    try:
        entry = manager().registry.get(kind, name)
    except UnknownNameError as error:
        raise ConfigError(
            error.problem, where=where, expected=error.expected, remedy=error.remedy, key_path=(field,)
        ) from None
    try:
        return entry.object()
    except GraphnetError as error:
        raise ConfigError(
            f"{entry.name} cannot be made by its name alone: {error.problem}",
            where=where,
            expected=error.expected,
            received=repr(name),
            remedy=f"Pass an object: {entry.name}(...).",
            key_path=(field,),
        ) from error
    except TypeError as error:
        raise ConfigError(
            f"{entry.name} cannot be made by its name alone: {error}",
            where=where,
            received=repr(name),
            remedy=f"Pass an object: {entry.name}(...).",
            key_path=(field,),
        ) from error
