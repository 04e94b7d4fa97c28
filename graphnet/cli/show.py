"""``graphnet show``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("show")
@click.argument("model", type=click.Path(path_type=Path))
def command(model: Path) -> None:
    """Show the nodes of a model with shapes and numbers of parameters."""
    from graphnet.inspect.summary import summary
    from graphnet.models.loading import load

    graph = load(model).graph
    click.echo(f"{graph.name}\n\n{summary(graph)}")
