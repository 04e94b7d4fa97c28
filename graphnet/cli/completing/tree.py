"""The tree of all commands with their options, arguments and the names that these take, as plain data."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import click

from graphnet.cli.group import first_sentence, main
from graphnet.cli.paths import FilledPath, Names
from graphnet.core.errors import GraphnetError
from graphnet.core.run import backends
from graphnet.io import atomic, filesystem

#: The kinds of registered objects whose names options take.
KINDS = ("exporters", "datasets", "layers", "communicators")


def build() -> dict[str, Any]:
    """The tree; plugins are loaded for it."""
    from graphnet.core.compile import pipeline
    from graphnet.plugins import manager
    from graphnet.training.fingerprint import NAMES

    found = manager()
    registry = found.registry
    names = {kind: sorted({e.name for e in registry.entries(kind)}) for kind in KINDS}
    names["backends"] = sorted(backends.names())
    names["plugins"] = sorted({plugin.name for plugin in found.plugins})
    names["distributions"] = sorted({plugin.distribution for plugin in found.plugins})
    names["differences"] = list(NAMES)
    names["passes"] = list(pipeline.PASSES)
    context = click.Context(main, info_name="graphnet")
    return {"command": _command(main, context), "names": names}


def store(path: str, environment: str, tree: dict[str, Any]) -> None:
    """Write the tree for an environment; where that cannot be, it is built again each time."""
    with contextlib.suppress(OSError, GraphnetError):
        filesystem.make_folders(Path(path).parent, 0o700)
        atomic.write(path, json.dumps({"environment": environment, "tree": tree}).encode())


def _command(command: click.Command, context: click.Context) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = _found(command, context, name)
            if found is not None and not found.hidden:
                inner[name] = _command(found, click.Context(found, info_name=name, parent=context))
    parameters = _parameters(command, context)
    return {
        "help": first_sentence(command.help),
        "commands": inner,
        "options": [_option(p) for p in parameters if isinstance(p, click.Option) and not p.hidden],
        "arguments": [
            {"takes": _takes(p.type), "many": p.nargs != 1} for p in parameters if isinstance(p, click.Argument)
        ],
    }


def _found(group: click.Group, context: click.Context, name: str) -> click.Command | None:
    with contextlib.suppress(Exception):  # of a plugin
        return group.get_command(context, name)
    return None


def _parameters(command: click.Command, context: click.Context) -> list[click.Parameter]:
    own: click.Command = getattr(command, "own", command)  # that of a plugin
    with contextlib.suppress(Exception):
        return list(own.get_params(context))
    return []


def _option(option: click.Option) -> dict[str, Any]:
    takes = [] if option.is_flag or option.count else _takes(option.type) or [{"choices": []}]
    return {
        "names": [*option.opts, *option.secondary_opts],
        "help": first_sentence(option.help),
        "takes": takes,
        "many": option.multiple or option.count,
    }


def _takes(kind: click.ParamType) -> list[Any]:
    """What is completed for a value of a type: kinds that ``answer.values`` knows."""
    if isinstance(kind, (FilledPath, Names)) and kind.completes:
        return list(kind.completes)
    if isinstance(kind, click.Choice):
        return [{"choices": [str(choice) for choice in kind.choices]}]
    if isinstance(kind, click.Path):
        return ["file" if kind.file_okay else "folder"]
    return ["file"] if isinstance(kind, click.File) else []
