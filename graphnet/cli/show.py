"""``graphnet show``."""

from __future__ import annotations

from pathlib import Path

import click

from graphnet.cli.paths import ReadPath


@click.command("show")
@click.argument("model", type=ReadPath())
def command(model: Path) -> None:
    """Show the nodes of a model with shapes and numbers of parameters."""
    from graphnet.inspect.summary import summary
    from graphnet.models.loading import read_file

    graph = read_file(model).graph
    click.echo(f"{graph.name}\n\n{summary(graph)}")
