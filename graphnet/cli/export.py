"""``graphnet export``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("export")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--format", "form", default="mermaid", show_default=True, help="Name of an exporter.")
@click.option("--output", type=click.Path(path_type=Path), help="File to write, new; without it, the text is printed.")
def command(model: Path, form: str, output: Path | None) -> None:
    """Write a model as a file for other programs, with an exporter of graphnet or of a plugin."""
    from graphnet.models.loading import load

    made = load(model).export(form)
    if output is None:
        click.echo(made, nl=False)
        return
    from graphnet.core.errors import FileError
    from graphnet.io import atomic

    if output.exists():
        raise FileError("is already there", where=str(output), expected="a new file", remedy="Choose another name.")
    atomic.write(output, made.encode() if isinstance(made, str) else made)
    click.echo(f"wrote {output}")
