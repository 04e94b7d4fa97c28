"""Functions of later packages that earlier ones call, by name; ``graphnet/__init__`` says where they are.

The core cannot import the registry of plugins, and the Trainer cannot import the writer of files: both come after it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

_places: dict[str, tuple[str, str]] = {}


def provide(places: Mapping[str, tuple[str, str]]) -> None:
    """Say which module has which function; it is imported at the first call."""
    _places.update(places)


def call(name: str, *arguments: Any) -> Any:
    """Call a function that has been provided."""
    module, function = _places[name]
    return getattr(importlib.import_module(module), function)(*arguments)


def named(where: str, kind: str, value: Any) -> Any:
    """The registered object that a name stands for, with default settings; anything but text is returned unchanged.

    Raises
    ------
    ConfigError
        If the name is unknown, or the object cannot be made without settings.
    """
    return call("named_at", where, kind, value) if isinstance(value, str) else value
