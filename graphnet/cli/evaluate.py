"""``graphnet evaluate``."""

from __future__ import annotations

from pathlib import Path

import click

from graphnet.cli.paths import FilledPath, Names


@click.command("evaluate")
@click.argument("run", type=FilledPath("runs"))
@click.option(
    "--data",
    type=Names("datasets", "file"),
    help="Name of a data set, or path of a file or folder, instead of the run's own.",
)
def command(run: Path, data: str | None) -> None:
    """Evaluate the weights of a run on the test split of its data."""
    from graphnet.models.train_file import evaluate_run, report_lines

    for line in report_lines(evaluate_run(run, data=data)):
        click.echo(line)
