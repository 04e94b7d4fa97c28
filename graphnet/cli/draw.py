"""``graphnet draw``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from graphnet.cli.paths import ReadPath, max_bytes, output

#: Endings of files, and the exporters that write them.
ENDINGS = {".svg": "svg", ".png": "png", ".mmd": "mermaid", ".mermaid": "mermaid", ".dot": "dot", ".gv": "dot"}


@click.command("draw")
@click.argument("model", type=ReadPath())
@click.option("--depth", type=click.IntRange(0), help="How far composites are opened.  [default: down to each gate]")
@click.option(
    "--zoom",
    type=click.FloatRange(0.05, 16),
    help="Pixels for each unit, in a PNG.  [default: up to 2]",
)
@output("A new file: .svg, .png, .mmd (Mermaid) or .dot (Graphviz); or - for an SVG on standard output.")
@max_bytes
def command(
    model: Path, depth: int | None, zoom: float | None, output: Path | None, force: bool, max_bytes: int | None
) -> None:
    """Draw a model, with what is inside its layers, down to each gate."""
    from graphnet.io import atomic
    from graphnet.models.loading import load

    if output is None:
        raise click.UsageError("name a file: -o model.svg")
    printed = str(output) == "-"
    form = "svg" if printed else ENDINGS.get(output.suffix.lower(), "")
    if not form:
        raise click.UsageError(f"{output}: expected a file that ends in {', '.join(ENDINGS)}")
    if zoom is not None and form != "png":
        raise click.UsageError(f"--zoom is for PNG files; {form} has no pixels")
    given = {"depth": depth, "zoom": zoom}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if not printed:
        atomic.refuse_existing(output, force=force)
    picture = load(model, max_bytes=max_bytes).export(form, **options)
    if printed:
        click.echo(picture, nl=False)
        return
    atomic.write(output, picture.encode() if isinstance(picture, str) else picture)
    click.echo(f"wrote {output}")
