"""``graphnet layers``."""

from __future__ import annotations

import inspect
import re

import click

from graphnet.cli.columns import columns


@click.command("layers")
def command() -> None:
    """List every layer with its distribution, version and description."""
    from graphnet.plugins import manager

    layers = [(entry.id, entry.version, first_line(entry.object)) for entry in manager().registry.entries("layers")]
    click.echo(columns([("layer", "version", "description"), *sorted(layers)]))


def first_line(described: object) -> str:
    """Return the first line of a docstring, without markup."""
    text = (inspect.getdoc(described) or "").strip()
    return re.sub(r":\w+:`([^`]*)`|`", r"\1", text.splitlines()[0]) if text else ""
