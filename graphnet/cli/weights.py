"""``graphnet weights``."""

from __future__ import annotations

from pathlib import Path

import click

from graphnet.cli.group import RUNNING
from graphnet.cli.paths import ReadPath, max_bytes


@click.group("weights")
def command() -> None:
    """Take over weights from other frameworks."""


@command.command("import")
@click.argument("weights", type=ReadPath())
@click.option("--from", "framework", type=click.Choice(["torch", "keras"]), required=True, help="What wrote the file.")
@click.option("--model", type=ReadPath(), required=True, help="The model file, or the folder of a model.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A new folder for the model with these weights.")
@click.option("--map", "pairs", multiple=True, metavar="NODE=NAME", help="The layer of the file for a node.")
@click.option("--skip", multiple=True, metavar="NAME", help="A layer of the file, or a pattern, that is left out.")
@click.option("--partial", is_flag=True, help="Nodes that the file has no weights for keep their own.")
@max_bytes
@click.pass_context
def import_command(
    ctx: click.Context,
    weights: Path,
    framework: str,
    model: Path,
    output: Path | None,
    pairs: tuple[str, ...],
    skip: tuple[str, ...],
    partial: bool,
    max_bytes: int | None,
) -> None:
    """Read the weights of the same model in torch (a safetensors file) or Keras (a file .weights.h5).

    Prints which layer goes to which node. Without -o, nothing is written.
    """
    from graphnet.models.loading import load
    from graphnet.models.weight_import import import_weights

    names = dict(_pair(text) for text in pairs)
    loaded = load(model, max_bytes=max_bytes)
    ctx.meta[RUNNING] = True
    click.echo(str(import_weights(loaded, weights, framework, names=names, skip=skip, partial=partial)))
    if output is None:
        click.echo("nothing was written: pass -o FOLDER")
    else:
        loaded.save(output)
        click.echo(f"wrote {output}")


def _pair(text: str) -> tuple[str, str]:
    node, sign, name = text.partition("=")
    if not sign or not node or not name:
        raise click.BadParameter(f"{text!r} is not NODE=NAME", param_hint="--map")
    return node, name
