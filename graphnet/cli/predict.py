"""``graphnet predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command("predict")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("inputs", metavar="INPUT.npz", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), help="A new .npz file; without it, JSON lines are printed.")
def command(run: Path, inputs: Path, output: Path | None) -> None:
    """Predict from the inputs in a file, whose keys are the model's inputs (and INPUT_lengths for sequences)."""
    from graphnet.models.predict_file import predict_file, predict_lines

    if output is None:
        for line in predict_lines(run, inputs):
            click.echo(line)
        return
    predictions = predict_file(run, inputs, output)
    shapes = ", ".join(f"{name}: {_shape(values)}" for name, values in predictions.items())
    click.echo(f"{output}: {shapes}")


def _shape(values: Any) -> str:
    return f"{len(values)} sequences" if isinstance(values, list) else str(values.shape)
