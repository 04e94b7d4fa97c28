"""What an object must be to be registered under each kind."""

from __future__ import annotations

import re
from typing import Any

from graphnet.core.describe.composite import Composite
from graphnet.core.describe.layer import Layer

#: What each kind expects, in words.
EXPECTED = {
    "layers": "a subclass of graphnet.Layer with apply (or build, for a Composite)",
    "optimizers": "a class with calculate_update",
    "regularizers": "a class with calculate and norm",
    "initializers": "a class with initialize",
    "losses": "a class with value and error",
    "metrics": "a class with update and result",
    "datasets": "a function",
    "callbacks": "a subclass of graphnet.training.Callback",
    "backends": "a class with bind",
    "exporters": "a function",
    "commands": "a click.Command whose name no command of graphnet has",
    "cases": "a function",
}
METHODS = {
    "optimizers": ("calculate_update",),
    "regularizers": ("calculate", "norm"),
    "initializers": ("initialize",),
    "losses": ("value", "error"),
    "metrics": ("update", "result"),
    "callbacks": ("on_start", "on_batch_end", "on_epoch_end", "on_end"),
    "backends": ("bind",),
}
FUNCTIONS = ("datasets", "exporters", "cases")
#: Names of commands, as people type them.
_COMMAND = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")


def unfit(kind: str, thing: Any) -> str | None:
    """What is wrong with an object of a kind; None if nothing is."""
    if kind in FUNCTIONS:
        return None if callable(thing) else "something that cannot be called"
    if kind == "commands":
        return _unfit_command(thing)
    if not isinstance(thing, type):
        return "an object that is no class"
    if kind == "layers":
        return _unfit_layer(thing)
    missing = [name for name in METHODS[kind] if not callable(getattr(thing, name, None))]
    return f"a class without {' and '.join(missing)}" if missing else None


def _unfit_layer(thing: type) -> str | None:
    if not issubclass(thing, Layer) or thing in (Layer, Composite):
        return "a class that is no layer"
    if issubclass(thing, Composite):
        return "a Composite without build" if thing.build is Composite.build else None
    ruled = thing.apply is not Layer.apply or thing.subgraph is not Layer.subgraph
    return None if ruled else "a layer without apply"


def _unfit_command(thing: Any) -> str | None:
    import click

    from graphnet.cli.group import COMMANDS

    if not isinstance(thing, click.Command):
        return "something that is no click.Command"
    return f"a command called {thing.name!r}, which graphnet has" if thing.name in COMMANDS else None


def name_of(kind: str, thing: Any, name: str | None) -> str | None:
    """The name to register an object under; None where it has none that people can write."""
    given = name or getattr(thing, "name" if kind == "commands" else "__name__", None)
    if not isinstance(given, str):
        return None
    fits = _COMMAND.match(given) if kind == "commands" else given.isidentifier()
    return given if fits else None
