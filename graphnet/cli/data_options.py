"""The options by which a table or a folder is read, for the commands ``train`` and ``data``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import click

from graphnet.cli.paths import Names

Command = Callable[..., Any]


def _listed(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str] | None:
    """Names separated by commas."""
    return None if value is None else [name.strip() for name in value.split(",") if name.strip()]


def _size(ctx: click.Context, param: click.Parameter, value: str | None) -> list[int] | None:
    """Height and width, as in 28x28."""
    if value is None:
        return None
    parts = value.lower().split("x")
    if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
        raise click.BadParameter("expected HEIGHTxWIDTH, such as 28x28", ctx, param)
    return [int(part) for part in parts]


#: Settings of :class:`graphnet.data.tables.TableSchema` and :class:`graphnet.data.folders.FolderSchema`.
OPTIONS = (
    click.option("--target", metavar="COLUMNS", callback=_listed, help="Of a table: columns to predict."),
    click.option("--inputs", metavar="COLUMNS", callback=_listed, help="Columns of features; default: all others."),
    click.option("--time", metavar="COLUMN", help="Column with the order of rows."),
    click.option("--group", metavar="COLUMN", help="Column whose equal values make one sequence."),
    click.option("--ignore", metavar="COLUMNS", callback=_listed, help="Columns that are not read."),
    click.option("--window", type=click.IntRange(1), help="Rows of each window of a series."),
    click.option("--horizon", type=click.IntRange(1), help="Rows after a window that are predicted."),
    click.option("--tokens", type=click.Choice(("words", "characters")), help="Read a text column as token ids."),
    click.option("--missing", type=click.Choice(("refuse", "drop", "mean")), help="What to do about missing values."),
    click.option("--labels/--numbers", "labels", default=None, help="Whether targets are class labels."),
    click.option("--standardize", is_flag=True, default=None, help="Scale numbers by mean and standard deviation."),
    click.option("--test", metavar="SHARE|FILE", type=Names("file"), help="Share of the test split, or another table."),
    click.option("--size", metavar="HxW", callback=_size, help="Of a folder of images: resize to this."),
)
#: The names of these settings.
NAMES = ("target", "inputs", "time", "group", "ignore", "window", "horizon", "tokens", "missing", "labels",
         "standardize", "test", "size")  # fmt: skip


def data_options(function: Command) -> Command:
    """Add the options."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


def settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that were given, as for ``training.data``."""
    given = {name: values[name] for name in NAMES if values.get(name) is not None}
    if "test" in given:
        with contextlib.suppress(ValueError):  # the path of a file
            given["test"] = float(given["test"])
    return given
