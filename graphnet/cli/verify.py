"""``graphnet verify``."""

from __future__ import annotations

from pathlib import Path

import click

from graphnet.cli.group import RUNNING
from graphnet.cli.paths import FilledPath


@click.command("verify")
@click.argument("path", metavar="RUN|MODEL", type=FilledPath("runs"))
@click.option("--verbose", is_flag=True, help="Name each file that was checked.")
@click.pass_context
def command(ctx: click.Context, path: Path, verbose: bool) -> None:
    """Check a run, a saved model or a model file: sizes, checksums, headers, shapes, and that all weights are finite.

    Nothing is loaded or allocated. The exit status is 1 if something is damaged.
    """
    from graphnet.io.verify import verify

    checked = problems = 0
    for finding in verify(path):
        ctx.meta[RUNNING] = True
        checked += 1
        if finding.problem is not None:
            problems += 1
            click.echo(f"damaged: {finding.problem}")
        elif verbose:
            click.echo(f"ok: {finding.path}")
    click.echo(f"{path}: {checked} files checked, {problems or 'none'} damaged")
    if problems:
        ctx.exit(1)
