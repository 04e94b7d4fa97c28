"""Paths and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from graphnet.core.files.source import STDIN


class FilledPath(click.Path):
    """A path; an empty text, such as an unset variable of a shell, is not the working directory.

    ``completes`` says what a shell completes: ``file``, ``folder`` or ``runs``.
    """

    def __init__(self, *completes: str, **options: Any) -> None:
        super().__init__(path_type=Path, **options)
        self.completes = completes or ("file",)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if value == "":
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


class ReadPath(FilledPath):
    """The path of a file or folder to read; ``-`` is standard input."""

    def __init__(self) -> None:
        super().__init__(allow_dash=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        return Path(STDIN[0]) if value == "-" else super().convert(value, param, ctx)


class Names(click.ParamType):
    """Text for which a shell completes names: kinds of ``completing.tree``; with a comma, several of one kind."""

    name = "text"

    def __init__(self, *completes: str) -> None:
        self.completes = completes


def max_bytes(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option ``--max-bytes``."""
    return click.option(
        "--max-bytes",
        type=click.IntRange(1),
        metavar="N",
        help="Bytes that the weights of a model file may need.  [default: 128 MiB]",
    )(function)


def output(words: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options ``--output`` (``-o``) and ``--force``."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        function = click.option("--force", is_flag=True, help="Replace an existing file.")(function)
        path = FilledPath(allow_dash=True)
        return click.option("-o", "--output", type=path, metavar="FILE", help=words)(function)

    return add
