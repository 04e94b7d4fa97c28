"""``graphnet plugins``."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import click

from graphnet.cli.columns import columns

if TYPE_CHECKING:
    from graphnet.plugins import Plugin


@click.command("plugins")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with tracebacks.")
@click.option(
    "--audit",
    is_flag=True,
    help="Load each plugin in a process of its own, and report what it changes there; exit status 1 if anything.",
)
@click.pass_context
def command(ctx: click.Context, as_json: bool, audit: bool) -> None:
    """List the plugins in the order of loading, with the reason for each that is not loaded."""
    if audit:
        _audit(ctx, as_json)
        return
    from graphnet.plugins import manager

    plugins = manager().plugins
    if as_json:
        click.echo(json.dumps([to_dict(plugin) for plugin in plugins], indent=2))
        return
    rows = [("plugin", "distribution", "version", "status", "import", "registered")]
    lines = []
    for plugin in plugins:
        duration, count = f"{1000 * plugin.seconds:.0f} ms", str(len(plugin.entries))
        rows.append((plugin.name, plugin.distribution, plugin.version, plugin.status, duration, count))
        if plugin.status == "failed":
            lines.append(f"{plugin.name} of {plugin.distribution} failed: {plugin.reason}")
        lines += [f"{plugin.name} of {plugin.distribution} {plugin.version}: {note}." for note in plugin.notes]
    click.echo("\n".join([columns(rows), *lines]))


def _audit(ctx: click.Context, as_json: bool) -> None:
    """Print what each plugin changes; exit with 1 if one changes anything."""
    from graphnet.plugins.isolation.audit import audit

    options = ctx.find_root().params
    allow = () if options.get("no_plugins") else options.get("plugins")
    results = []
    for result in audit(allow):
        results.append(result)
        if not as_json:
            title = f"{result.name} of {result.distribution} {result.version}"
            click.echo(f"{title}:" if result.findings else f"{title}: changes nothing")
            for finding in result.findings:
                click.echo(f"  {finding}")
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(result) for result in results], indent=2))
    if any(result.findings for result in results):
        ctx.exit(1)


def to_dict(plugin: Plugin) -> dict[str, Any]:
    """Return the record of a plugin as plain data."""
    fields = ("name", "distribution", "version", "status", "reason", "trace", "seconds", "notes")
    return {name: getattr(plugin, name) for name in fields} | {
        "registered": [{"kind": entry.kind, "id": entry.id} for entry in plugin.entries]
    }
