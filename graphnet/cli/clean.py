"""``graphnet clean``."""

from __future__ import annotations

from pathlib import Path

import click

from graphnet.cli.paths import FilledPath


@click.command("clean")
@click.argument("folder", type=FilledPath("folder"), default=Path("runs"))
@click.option("--dry-run", is_flag=True, help="List what would be removed, and remove nothing.")
def command(folder: Path, dry_run: bool) -> None:
    """Remove what killed processes have left in a folder of runs, or in one run.

    FOLDER is runs, unless it is given. Only files and folders that were never complete are removed, under the names
    that graphnet gives them: no run, no checkpoint, and nothing of a run that is going on.
    """
    from graphnet.io.run_list import clean

    removed = clean(folder, dry_run=dry_run)
    for path in removed:
        click.echo(f"{'would remove' if dry_run else 'removed'} {path}")
    if not removed:
        click.echo(f"{folder}: nothing to remove")
