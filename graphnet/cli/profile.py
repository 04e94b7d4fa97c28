"""``graphnet profile``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from graphnet.cli.paths import ReadPath, max_bytes


@click.command("profile")
@click.argument("model", type=ReadPath())
@click.option("--batch", type=click.IntRange(1), default=32, show_default=True, help="Rows, if the model does not say.")
@click.option("--steps", type=click.IntRange(1), default=50, show_default=True, help="Steps, if it does not say.")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
@click.option("--repeat", type=click.IntRange(1), default=5, show_default=True, help="Passes; medians are shown.")
@max_bytes
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(model: Path, batch: int, steps: int, dtype: str, repeat: int, as_json: bool, max_bytes: int | None) -> None:
    """Show the time and bytes of every node of a model, forward and backward, on random numbers."""
    from graphnet.inspect.profile import profile
    from graphnet.models.loading import load

    result = profile(load(model, max_bytes=max_bytes).graph, batch=batch, steps=steps, dtype=dtype, repeat=repeat)
    click.echo(json.dumps(result.to_dict(), indent=2) if as_json else str(result))
