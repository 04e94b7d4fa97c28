"""``graphnet export``."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import click

from graphnet.cli.paths import Names, ReadPath, max_bytes, output


@click.command("export")
@click.argument("model", type=ReadPath())
@click.option(
    "--format",
    "form",
    type=Names("exporters"),
    help="Name of an exporter.  [default: by the ending of the output; mermaid without one]",
)
@click.option(
    "--recurrent",
    type=click.Choice(["scan", "operator"]),
    help="In an ONNX file: write cells as Scans, or as LSTM, GRU and RNN where they are exactly these.",
)
@click.option("--option", "pairs", multiple=True, metavar="NAME=VALUE", help="Another option of the exporter.")
@output("A new file, or - for standard output; without it, the text is printed.")
@max_bytes
def command(
    model: Path,
    form: str | None,
    recurrent: str | None,
    pairs: tuple[str, ...],
    output: Path | None,
    force: bool,
    max_bytes: int | None,
) -> None:
    """Convert a model for other programs, with an exporter of graphnet or of a plugin."""
    from graphnet.io import atomic
    from graphnet.models.exporting import DEFAULT, exporter_for
    from graphnet.models.loading import load

    options = dict(_pair(text) for text in pairs) | ({} if recurrent is None else {"recurrent": recurrent})
    printed = output is None or str(output) == "-"
    if form is None:
        form = DEFAULT if printed else exporter_for(output)  # type: ignore[arg-type]
    if output is not None and not printed:
        atomic.refuse_existing(output, force=force)
    exported = load(model, max_bytes=max_bytes).export(form, **options)
    if output is None and isinstance(exported, bytes) and sys.stdout.isatty():
        raise click.UsageError(f"{form} writes a binary file: pass -o FILE")
    if output is None or printed:
        click.echo(exported, nl=False)
        return
    atomic.write(output, exported.encode() if isinstance(exported, str) else exported)
    click.echo(f"wrote {output}")


def _pair(text: str) -> tuple[str, Any]:
    """The name and the value of an option: a number, True, False or None; otherwise text."""
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--option")
    words = {"true": True, "false": False, "none": None}
    if value.lower() in words:
        return name, words[value.lower()]
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value
