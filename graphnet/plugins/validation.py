"""Checks of the objects and names that plugins register; each says what is wrong, or returns None."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from graphnet.core.describe.composite import Composite
from graphnet.core.describe.layer import Layer

#: The commands of graphnet, in the order in which they are listed; a plugin cannot register one of these names.
COMMANDS = (
    "train",
    "sweep",
    "data",
    "evaluate",
    "predict",
    "runs",
    "verify",
    "clean",
    "show",
    "draw",
    "report",
    "trace",
    "watch",
    "explain",
    "profile",
    "export",
    "layers",
    "plugins",
    "doctor",
    "new-plugin",
    "check",
    "exercise",
    "weights",
    "completion",
)
#: The form of a command's name.
_COMMAND = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")

#: Returns what is wrong with an object; None for a valid one.
Check = Callable[[Any], str | None]


def is_function(thing: Any) -> str | None:
    """Check for something callable."""
    return None if callable(thing) else "an object that is not callable"


def methods(*names: str) -> Check:
    """Return the check for a class with methods of these names.

    Examples
    --------
    >>> methods("clear", "union")(list)
    'a class without union'
    """

    def check(thing: Any) -> str | None:
        if not isinstance(thing, type):
            return "an object that is not a class"
        missing = [name for name in names if not callable(getattr(thing, name, None))]
        return f"a class without {' and '.join(missing)}" if missing else None

    return check


def layer(thing: Any) -> str | None:
    """Check for a subclass of Layer with rules, or of Composite with ``build``."""
    if not isinstance(thing, type):
        return "an object that is not a class"
    if not issubclass(thing, Layer) or thing in (Layer, Composite):
        return "a class that is not a layer"
    if issubclass(thing, Composite):
        return "a Composite without build" if thing.build is Composite.build else None
    has_rules = thing.apply is not Layer.apply or thing.subgraph is not Layer.subgraph
    return None if has_rules else "a layer without apply"


def command(thing: Any) -> str | None:
    """Check for a click.Command whose name is free."""
    import click

    if not isinstance(thing, click.Command):
        return "an object that is not a click.Command"
    return f"a command named {thing.name!r}, which is a command of graphnet" if thing.name in COMMANDS else None


def is_identifier(name: str) -> bool:
    """Whether a name can be written in files and in code."""
    return name.isidentifier()


def is_command_name(name: str) -> bool:
    """Whether a name consists of lower-case words, joined by hyphens."""
    return bool(_COMMAND.match(name))
