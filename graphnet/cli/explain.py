"""``graphnet explain``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from graphnet.cli.paths import Names, ReadPath, max_bytes


@click.command("explain")
@click.argument("model", type=ReadPath())
@click.option("--batch", type=click.IntRange(1), default=32, show_default=True, help="Rows, if the model does not say.")
@click.option("--steps", type=click.IntRange(1), default=50, show_default=True, help="Steps, if it does not say.")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
@click.option("--passes", type=Names("passes,"), help="Only these of the compiler's passes, separated by commas.")
@max_bytes
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(
    model: Path, batch: int, steps: int, dtype: str, passes: str | None, as_json: bool, max_bytes: int | None
) -> None:
    """Show how a model was compiled, pass by pass, and why parts of it were not."""
    from graphnet.models.loading import load

    chosen = None if passes is None else [name.strip() for name in passes.split(",") if name.strip()]
    explanation = load(model, max_bytes=max_bytes).graph.explain(batch=batch, steps=steps, dtype=dtype, passes=chosen)
    click.echo(json.dumps(explanation.to_dict(), indent=2) if as_json else str(explanation))
