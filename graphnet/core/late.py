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
