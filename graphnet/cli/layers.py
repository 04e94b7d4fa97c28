"""``graphnet layers``."""

from __future__ import annotations

import inspect
import re

import click

from graphnet.cli.columns import columns


@click.command("layers")
def command() -> None:
    """List every layer, where it comes from, and what it does."""
    from graphnet.plugins import manager

    found = [(entry.id, entry.version, first_line(entry.object)) for entry in manager().registry.entries("layers")]
    click.echo(columns([("layer", "version", "what it does"), *sorted(found)]))


def first_line(described: object) -> str:
    """The first line of a docstring, without the marks of code."""
    text = (inspect.getdoc(described) or "").strip()
    return re.sub(r":\w+:`([^`]*)`|`", r"\1", text.splitlines()[0]) if text else ""
