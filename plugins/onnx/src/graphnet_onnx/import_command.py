"""``graphnet import``."""

from __future__ import annotations

from pathlib import Path

import click

from graphnet.cli.group import RUNNING
from graphnet.cli.paths import FilledPath


@click.command("import")
@click.argument("file", type=FilledPath())
@click.option("-o", "--output", type=FilledPath("folder"), metavar="FOLDER", help="Default: the name of the file.")
@click.option("--force", is_flag=True, help="Replace a model that is already in the folder.")
@click.option("--batch", metavar="AXIS", help="The axis of the batch: its name in the file, or its position.")
@click.option("--max-bytes", type=click.IntRange(1), metavar="N", help="The largest file.  [default: 2 GiB]")
@click.pass_context
def command(
    ctx: click.Context, file: Path, output: Path | None, force: bool, batch: str | None, max_bytes: int | None
) -> None:
    """Read an ONNX model, and write it as a folder that graphnet loads and trains.

    Prints what became of each node.
    """
    from graphnet import FileError
    from graphnet_onnx.reading import load_with_report

    folder = Path(file.name).with_suffix("") if output is None else output
    if folder.exists() and not force and (not folder.is_dir() or any(folder.iterdir())):
        raise FileError("something is there already", where=str(folder), expected="a new folder",
                        received="a folder with files" if folder.is_dir() else "a file",
                        remedy="Pass another folder by -o, or --force to replace the model in it.")  # fmt: skip
    axis: str | int | None = int(batch) if batch is not None and batch.lstrip("-").isdecimal() else batch
    model, report = load_with_report(file, batch=axis, max_bytes=max_bytes)
    ctx.meta[RUNNING] = True
    click.echo(str(report))
    model.save(folder, overwrite=force)
    click.echo(f"wrote {folder}")
