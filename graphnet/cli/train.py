"""``graphnet train``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from graphnet.cli.group import RUNNING
from graphnet.cli.paths import ReadPath, max_bytes

INTERRUPTED = 130


@click.command("train")
@click.argument("model", type=ReadPath())
@click.option("--data", help="Name of a data set, or path of an .npz file, instead of the model file's.")
@click.option("--output", type=click.Path(path_type=Path), help="Folder for the run, new or empty.")
@click.option(
    "--runs",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder for numbered runs.",
)
@click.option("--seed", type=int, help="Seed for weights, dropout and the order of examples.")
@click.option("--epochs", type=int, help="Number of passes over the training examples.")
@click.option("--batch-size", type=int, help="Examples in each update.")
@click.option("--drop-last", is_flag=True, default=None, help="Omit a smaller last batch.")
@click.option("--threads", type=int, help="Number of BLAS threads.")
@click.option("--backend", help="The backend: numpy, reference (node by node), or one of a plugin.")
@max_bytes
@click.pass_context
def command(
    ctx: click.Context,
    model: Path,
    data: str | None,
    output: Path | None,
    runs: Path,
    seed: int | None,
    epochs: int | None,
    batch_size: int | None,
    drop_last: bool | None,
    threads: int | None,
    backend: str | None,
    max_bytes: int | None,
) -> None:
    """Train the model in a file, and write a folder with weights, metrics and settings."""
    from graphnet.cli.progress import progress
    from graphnet.inspect.doctor import backend_line
    from graphnet.models.train_file import prepare, report_lines

    settings = {
        "seed": seed, "epochs": epochs, "batch_size": batch_size, "drop_last": drop_last, "threads": threads,
        "backend": backend,
    }  # fmt: skip
    shown = progress(sys.stdout)
    session = prepare(model, data=data, output=output, runs=runs, callbacks=[shown], max_bytes=max_bytes, **settings)
    ctx.meta[RUNNING] = True
    history = session.run()
    if history.stopped == "interrupted":
        click.echo("interrupted; the best weights so far were kept", err=True)
    for line in (
        f"run: {session.path}",
        f"backend: {backend_line(session.trainer.runner.backend)}",
        *report_lines(session.test),
    ):
        click.echo(line)
    if history.stopped == "interrupted":
        ctx.exit(INTERRUPTED)
