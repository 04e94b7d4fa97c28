"""``graphnet export``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("export")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--format", "form", default="mermaid", show_default=True, help="Name of an exporter.")
@click.option("--output", type=click.Path(path_type=Path), help="A new file; without it, the text is printed.")
def command(model: Path, form: str, output: Path | None) -> None:
    """Convert a model for other programs, with an exporter of graphnet or of a plugin."""
    from graphnet.models.loading import load

    exported = load(model).export(form)
    if output is None:
        click.echo(exported, nl=False)
        return
    from graphnet.core.errors import FileError
    from graphnet.io import atomic

    if output.exists():
        raise FileError("the file exists", where=str(output), expected="a new file", remedy="Choose another name.")
    atomic.write(output, exported.encode() if isinstance(exported, str) else exported)
    click.echo(f"wrote {output}")
