"""``graphnet trace``."""

from __future__ import annotations

from pathlib import Path

import click

from graphnet.cli.paths import FilledPath, ReadPath, output


@click.command("trace")
@click.argument("model", type=FilledPath())
@output("A new file.  [default: NAME-trace.html, after the model]")
@click.option("--node", metavar="PATH", help="A recurrent layer of the model.  [default: the first one]")
@click.option(
    "--example", type=ReadPath(), help="An .npz file of inputs: run its first row.  [default: random numbers]"
)
@click.option("--steps", type=click.IntRange(1, 200), default=6, show_default=True, help="Time steps.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the random numbers.")
def command(
    model: Path, output: Path | None, force: bool, node: str | None, example: Path | None, steps: int, seed: int
) -> None:
    """Write a page of HTML that steps through a recurrent cell, forward and backward, with the numbers on its edges.

    The page is one file that loads nothing from elsewhere. Values of --example are in it.
    """
    from graphnet.data.datasets.npz_file import load_arrays
    from graphnet.io import atomic
    from graphnet.models.pages import trace

    printed = str(output) == "-"
    target = Path(f"{model.resolve().name.removesuffix('.yaml')}-trace.html") if output is None else output
    if not printed:
        atomic.refuse_existing(target, force=force)
    values = None if example is None else load_arrays(example)
    text = trace(model, node=node, example=values, steps=steps, seed=seed)
    if printed:
        click.echo(text, nl=False)
        return
    atomic.write(target, text.encode())
    click.echo(f"wrote {target}")
