"""``graphnet export``."""

from __future__ import annotations

from pathlib import Path

import click

from graphnet.cli.paths import Names, ReadPath, max_bytes, output


@click.command("export")
@click.argument("model", type=ReadPath())
@click.option(
    "--format", "form", type=Names("exporters"), default="mermaid", show_default=True, help="Name of an exporter."
)
@output("A new file, or - for standard output; without it, the text is printed.")
@max_bytes
def command(model: Path, form: str, output: Path | None, force: bool, max_bytes: int | None) -> None:
    """Convert a model for other programs, with an exporter of graphnet or of a plugin."""
    from graphnet.io import atomic
    from graphnet.models.loading import load

    if output is not None and str(output) != "-":
        atomic.refuse_existing(output, force=force)
    exported = load(model, max_bytes=max_bytes).export(form)
    if output is None or str(output) == "-":
        click.echo(exported, nl=False)
        return
    atomic.write(output, exported.encode() if isinstance(exported, str) else exported)
    click.echo(f"wrote {output}")
