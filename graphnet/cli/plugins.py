"""``graphnet plugins``."""

from __future__ import annotations

import click

from graphnet.cli.columns import columns


@click.command("plugins")
def command() -> None:
    """List the plugins in the order in which they were loaded, and why one was not."""
    from graphnet.plugins import manager

    rows = [("plugin", "distribution", "version", "status", "import", "registered")]
    reasons = []
    for each in manager().plugins:
        took, count = f"{1000 * each.seconds:.0f} ms", str(len(each.entries))
        rows.append((each.name, each.distribution, each.version, each.status, took, count))
        if each.status == "failed":
            reasons.append(f"{each.name} of {each.distribution} failed: {each.reason}")
    click.echo("\n".join([columns(rows), *reasons]))
