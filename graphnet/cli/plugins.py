"""``graphnet plugins``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from graphnet.cli.columns import columns

if TYPE_CHECKING:
    from graphnet.plugins import Plugin


@click.command("plugins")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with tracebacks.")
def command(as_json: bool) -> None:
    """List the plugins in the order in which they were loaded, and why one was not."""
    from graphnet.plugins import manager

    found = manager().plugins
    if as_json:
        click.echo(json.dumps([told(each) for each in found], indent=2))
        return
    rows = [("plugin", "distribution", "version", "status", "import", "registered")]
    lines = []
    for each in found:
        took, count = f"{1000 * each.seconds:.0f} ms", str(len(each.entries))
        rows.append((each.name, each.distribution, each.version, each.status, took, count))
        if each.status == "failed":
            lines.append(f"{each.name} of {each.distribution} failed: {each.reason}")
        lines += [f"{each.name} of {each.distribution} {each.version}: {note}." for note in each.notes]
    click.echo("\n".join([columns(rows), *lines]))


def told(plugin: Plugin) -> dict[str, Any]:
    """One plugin as plain data."""
    fields = ("name", "distribution", "version", "status", "reason", "trace", "seconds", "notes")
    return {name: getattr(plugin, name) for name in fields} | {
        "registered": [{"kind": entry.kind, "id": entry.id} for entry in plugin.entries]
    }
