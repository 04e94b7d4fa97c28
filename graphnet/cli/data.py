"""``graphnet data``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from graphnet.cli.columns import columns
from graphnet.cli.data_options import data_options, settings
from graphnet.cli.paths import Names


@click.command("data")
@click.argument("data", metavar="FILE|FOLDER|NAME", type=Names("datasets", "file"))
@data_options
def command(data: str, **options: Any) -> None:
    """Show how a file, a folder or a data set is understood: columns, shapes, classes, lengths, missing values.

    The options are settings of training.data in a model file, and options of graphnet train.
    """
    for line in lines(data, settings(options)):
        click.echo(line)


def lines(data: str, given: Mapping[str, Any]) -> list[str]:
    """Lines of text about the data at a path, or of a name; without a target, only about the columns of a table."""
    from graphnet.data.tables.frames import ENDINGS
    from graphnet.data.tables.overview import columns_of, dataset_lines
    from graphnet.data.tables.schema import TableSchema
    from graphnet.models.dataset_lookup import open_dataset

    result = []
    path = Path(os.path.expanduser(data))
    if path.suffix.lower() in ENDINGS and not path.is_dir():
        schema = TableSchema.of(given, data)
        result += columns(columns_of(path, schema)).splitlines()
        if not schema.target:
            return [*result, "To see the examples, name the column to predict: --target COLUMN"]
        result.append("")
    return result + dataset_lines(open_dataset({"path": data, **given}))
