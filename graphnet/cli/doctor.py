"""``graphnet doctor``."""

from __future__ import annotations

import json

import click


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Show backends, processor, threads, libraries and plugins, what is broken, and what would be faster.

    The exit code is 1 if something is broken.
    """
    from graphnet.inspect.doctor import diagnose

    diagnosis = diagnose()
    click.echo(json.dumps(diagnosis.to_dict(), indent=2) if as_json else str(diagnosis))
    if diagnosis.problems:
        ctx.exit(1)
