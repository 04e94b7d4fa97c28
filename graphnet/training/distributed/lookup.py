"""Communicators by name."""

from __future__ import annotations

from typing import Any

from graphnet.core.errors import ConfigError, UnknownNameError
from graphnet.plugins.installing import OWN_PLUGINS, how_to_install
from graphnet.training.distributed.communicator import Communicator


def communicator_class(value: Any) -> type[Communicator]:
    """The class that a registered name stands for, or the class itself.

    Raises
    ------
    ConfigError
        For an unknown name, with the plugin to install if it is one of graphnet's own; for anything else.
    """
    if isinstance(value, type) and issubclass(value, Communicator):
        return value
    where, key = "DataParallel", ("communicator",)
    if not isinstance(value, str):
        raise ConfigError("not a communicator", where=where, expected="a name, or a subclass of Communicator",
                          received=repr(value)[:100], key_path=key)  # fmt: skip
    from graphnet.plugins import manager

    try:
        found: type[Communicator] = manager().registry.get("communicators", value).object  # type: ignore[assignment]
    except UnknownNameError as error:
        own = f"graphnet-{value.lower()}"
        remedy = f"Install {own} {how_to_install(own)}" if own in OWN_PLUGINS else error.remedy
        raise ConfigError(error.problem, where=where, expected=error.expected, remedy=remedy, key_path=key) from None
    return found
