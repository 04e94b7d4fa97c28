"""``graphnet new-plugin``."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

import click

from graphnet.cli.paths import FilledPath


@click.command("new-plugin")
@click.argument("name")
@click.option(
    "--output",
    metavar="FOLDER",
    type=FilledPath(),
    help="The folder to write: new, or empty.  [default: graphnet-NAME]",
)
@click.option(
    "--author", metavar="TEXT", help="The holder of the copyright.  [default: The graphnet-NAME contributors]"
)
def command(name: str, output: Path | None, author: str | None) -> None:
    """Write a package with three layers, their tests and metadata, ready to install.

    NAME is the name of the plugin: fancy, or graphnet-fancy.
    """
    from graphnet.cli.scaffold import Names, render, write

    names = Names.of(name)
    files = render(names, author)
    names.require_free()
    folder = Path(names.distribution) if output is None else output
    write(folder, files)
    click.echo(f"wrote {folder}")
    click.echo("\n".join(tree(files)))
    click.echo("\nNext:")
    for line in (
        f"cd {shlex.quote(os.fspath(folder))}",
        "python -m pip install pytest",
        "python -m pip install --no-deps -e .",
        "python -m pytest",
        f"graphnet check {names.distribution}",
    ):
        click.echo(f"  {line}")


def tree(paths: Iterable[str]) -> list[str]:
    """Return paths as indented lines, one for each folder and file.

    Examples
    --------
    >>> print("\\n".join(tree(["a/b/c.py", "a/d.py", "e.py"])))
      a/
        b/
          c.py
        d.py
      e.py
    """
    lines: dict[str, str] = {}  # by path, so that each folder is listed once
    for path in sorted(paths):
        parts = path.split("/")
        for depth, part in enumerate(parts):
            parent = "/".join(parts[: depth + 1])
            lines.setdefault(parent, "  " * (depth + 1) + part + ("" if parent == path else "/"))
    return list(lines.values())
