"""``graphnet predict``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click


@click.command("predict")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("inputs", metavar="INPUT.npz", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), help="An .npz file; without it, JSON lines are printed.")
def command(run: Path, inputs: Path, output: Path | None) -> None:
    """Predict for the inputs in a file, whose keys are the model's inputs (and INPUT_lengths for sequences)."""
    from graphnet.training.prediction import predict_file

    found = predict_file(run, inputs, output)
    if output is None:
        for line in lines(found):
            click.echo(line)
    else:
        shapes = ", ".join(f"{name}: {_told(values)}" for name, values in found.items())
        click.echo(f"{output}: {shapes}")


def lines(outputs: dict[str, Any]) -> list[str]:
    """A JSON object an example."""
    count = min(len(values) for values in outputs.values())
    return [json.dumps({name: values[i].tolist() for name, values in outputs.items()}) for i in range(count)]


def _told(values: Any) -> str:
    return f"{len(values)} sequences" if isinstance(values, list) else str(values.shape)
