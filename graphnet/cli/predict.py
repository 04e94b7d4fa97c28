"""``graphnet predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from graphnet.cli.paths import FilledPath, ReadPath, output


@click.command("predict")
@click.argument("run", type=FilledPath("runs"))
@click.argument("inputs", metavar="INPUT.npz", type=ReadPath())
@click.option(
    "--form",
    type=click.Choice(["outputs", "probabilities", "classes"]),
    default="outputs",
    show_default=True,
    help="Of outputs with a loss of classes: the outputs, probabilities, or the names (or numbers) of classes.",
)
@output("A new .npz file; without it, or as -, JSON lines are printed.")
def command(run: Path, inputs: Path, output: Path | None, force: bool, form: str) -> None:
    """Predict from the inputs in a file, whose keys are the model's inputs (and INPUT_lengths for sequences).

    INPUT.npz may be a pipe, or - for standard input.
    """
    from graphnet.io.atomic import is_special
    from graphnet.models.predict_file import predict_file, predict_lines

    if output is None or str(output) == "-":
        for line in predict_lines(run, inputs, form=form):
            click.echo(line)
        return
    predictions = predict_file(run, inputs, output, force=force, form=form)
    shapes = ", ".join(f"{name}: {_shape(values)}" for name, values in predictions.items())
    click.echo(f"{output}: {shapes}", err=is_special(output))


def _shape(values: Any) -> str:
    return f"{len(values)} sequences" if isinstance(values, list) else str(values.shape)
