"""A data set from a table."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnet.core.arguments import explained
from graphnet.core.array_types import Array
from graphnet.core.errors import ConfigError, DataError
from graphnet.data.dataset import Dataset, Split
from graphnet.data.folds import Fold
from graphnet.data.tables import columns, rows, splits
from graphnet.data.tables.frames import is_frame, read_frame, require_columns
from graphnet.data.tables.preparation import Preparation, class_names
from graphnet.data.tables.schema import TableSchema
from graphnet.data.tables.vocabulary import Vocabulary

if TYPE_CHECKING:
    import pandas as pd


@explained
def table(source: Any, target: Any = None, **settings: Any) -> Dataset:
    """A data set from a CSV, TSV or Parquet file, or a pandas DataFrame.

    Parameters
    ----------
    source : path or DataFrame
        A CSV or TSV file has a first line with the names of the columns.
    target : str or several
        Columns of the target.
    **settings
        The other fields of :class:`TableSchema`: ``inputs``, ``time``, ``group``, ``window``, ``tokens``, …

    Raises
    ------
    FileError
        If a file cannot be read.
    ConfigError
        If a setting is invalid.
    DataError
        If a column is missing, or its values cannot be used; the message names the column and the row.
    PluginError
        If pandas is not installed.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"length": [1.0, 2.0, 3.0, 4.0], "colour": ["red", "blue", "red", "red"]})
    >>> data = table(frame.assign(kind=["a", "b", "b", "a"]), "kind", test=0.25)
    >>> data.classes, data.preparation.features
    (('a', 'b'), ['length', 'colour=blue', 'colour=red'])
    >>> data.train
    Split(x: (3, 3) float64; targets: (3,) int64)
    """
    schema = TableSchema.of({**({} if target is None else {"target": target}), **settings}, "table")
    return read_table(source, schema)


def read_table(
    source: Any,
    schema: TableSchema,
    folder: str | os.PathLike[str] = ".",
    preparation: Preparation | None = None,
    fold: Fold | None = None,
) -> Dataset:
    """The data set of a table with a schema; a path in ``schema.test`` is relative to ``folder``.

    With a preparation, nothing is learned from the table: it is read as the one that the preparation was learned from.
    With a fold, this part of the training rows is the test split, from which nothing is learned.
    """
    where = "DataFrame" if is_frame(source) else str(source)
    frame = read_frame(source, schema.separator, schema.decimal)
    if not schema.target:
        shown = ", ".join(frame.columns[:12]) + (", …" if len(frame.columns) > 12 else "")
        raise ConfigError("a table without a target", where=where, expected="target: COLUMN",
                          received=f"the columns {shown}", remedy="Name the column to predict.")  # fmt: skip
    frame = _usable(frame, schema, where)
    schema = _with_inputs(schema, frame, where)
    layout = rows.layout(frame, schema, where)
    held_out = None
    if isinstance(schema.test, str):
        path = Path(folder) / os.path.expanduser(schema.test)
        held_out = _usable(read_frame(path, schema.separator, schema.decimal), schema, str(path))
    sides = splits.sides(frame, layout, schema, where)
    if fold is not None:
        sides, held_out = splits.folded(sides, fold, frame, layout, schema, where), None
    if preparation is None:
        preparation = _fitted(frame, held_out, layout, sides, schema, where)
    parts = [
        _split(preparation, frame, layout.chosen(sides == part), where)
        for part in (splits.TRAINING, splits.VALIDATION, splits.TEST)
    ]
    if held_out is not None:
        parts[splits.TEST] = _split(preparation, held_out, rows.layout(held_out, schema, str(path)), str(path))
    return Dataset(
        name=where,
        train=parts[splits.TRAINING],
        test=parts[splits.TEST],
        validation=parts[splits.VALIDATION] if schema.validation else None,
        classes=preparation.classes,
        source=where,
        description=f"train: {parts[splits.TRAINING]!r}; test: {parts[splits.TEST]!r}",
        preparation=preparation,
    )


def read_all(source: Any, preparation: Preparation) -> Split:
    """All rows of a table, read as the one that a preparation was learned from.

    Raises
    ------
    FileError, DataError
        If it cannot be read, or lacks a column.
    """
    schema, where = preparation.schema, "DataFrame" if is_frame(source) else str(source)
    frame = _usable(read_frame(source, schema.separator, schema.decimal), schema, where)
    return _split(preparation, frame, rows.layout(frame, schema, where), where)


def _with_inputs(schema: TableSchema, frame: pd.DataFrame, where: str) -> TableSchema:
    """The schema with the columns of the features, if it names none."""
    used = {schema.time, schema.group, schema.split_by, *schema.ignore}
    if schema.window is None:
        used |= set(schema.target)
    names = schema.inputs if schema.inputs is not None else tuple(name for name in frame.columns if name not in used)
    if not names:
        raise DataError("the table has no columns of features", where=where, received=", ".join(frame.columns))
    if schema.tokens is not None and len(names) != 1:
        raise ConfigError("tokens come from one column of text", where=where, expected="inputs: COLUMN",
                          received=", ".join(names))  # fmt: skip
    overlap = set(names) & set(schema.target)
    if overlap and schema.window is None:
        raise ConfigError("a column is both input and target", where=where, received=", ".join(sorted(overlap)))
    return TableSchema(**{**_fields(schema), "inputs": names})


def _fields(schema: TableSchema) -> dict[str, Any]:
    return {name: getattr(schema, name) for name in schema.__dataclass_fields__}


def _usable(frame: pd.DataFrame, schema: TableSchema, where: str) -> pd.DataFrame:
    """The rows that are used: all, or those without missing values."""
    named = [*schema.target, *(schema.inputs or ()), *schema.ignore]
    named += [name for name in (schema.time, schema.group, schema.split_by) if name is not None]
    require_columns(frame, named, where, "training.data")
    if schema.missing != "drop":
        return frame
    used = [name for name in frame.columns if name not in schema.ignore]
    if schema.inputs is not None:
        used = [name for name in used if name in named]
    kept = frame.dropna(subset=used).reset_index(drop=True)
    if not len(kept):
        raise DataError("every row has a missing value", where=where, expected="complete rows", received="none")
    return kept


def _fitted(
    frame: pd.DataFrame, held_out: pd.DataFrame | None, layout: rows.Layout, sides: Array, schema: TableSchema,
    where: str,
) -> Preparation:  # fmt: skip
    """What is learned from the training rows; categories and classes are those of all rows."""
    training = layout.rows_of(sides == splits.TRAINING)
    every = frame
    if held_out is not None:
        import pandas

        every = pandas.concat([frame, held_out[[name for name in frame.columns if name in held_out]]])
        training = np.concatenate([training, np.zeros(len(held_out), bool)])
    classes = class_names(every, schema, where)
    assert schema.inputs is not None
    if schema.tokens is not None:
        texts = [text for text in frame[schema.inputs[0]][training[: len(frame)]].tolist() if isinstance(text, str)]
        return Preparation(schema, vocabulary=Vocabulary.fit(texts, schema.tokens, schema.vocabulary), classes=classes)
    fitted = tuple(
        columns.fit(
            every[name],
            training,
            f"{where}, column {name!r}",
            fills=schema.missing == "mean",
            standardize=schema.standardize,
        )
        for name in schema.inputs
    )
    per_step = schema.group is not None and schema.window is None and _per_step(frame, layout, schema)
    preparation = Preparation(schema, fitted, None, classes, per_step)
    if classes or not schema.standardize:
        return preparation
    values = preparation.targets(frame, where)[training[: len(frame)]].reshape(-1, len(schema.target))
    mean, scale = values.mean(axis=0), values.std(axis=0)
    constant = scale <= 1e-12 * np.maximum(1.0, np.abs(mean))
    mean, scale = np.where(constant, 0.0, mean), np.where(constant, 1.0, scale)
    return replace(preparation, target_mean=tuple(mean.tolist()), target_scale=tuple(scale.tolist()))


def _per_step(frame: pd.DataFrame, layout: rows.Layout, schema: TableSchema) -> bool:
    """Whether each step of a sequence has its own target."""
    if schema.per is not None:
        return schema.per == "step"
    values = frame[list(schema.target)].iloc[layout.order].reset_index(drop=True)
    changed = np.array((values != values.shift()).any(axis=1))
    changed[layout.starts] = False
    return bool(changed.any())


def _split(preparation: Preparation, frame: pd.DataFrame, layout: rows.Layout, where: str) -> Split:
    targets = layout.targets(preparation.targets(frame, where), per_step=preparation.per_step)
    if preparation.schema.per == "sequence":
        _check_constant(frame, layout, preparation.schema, where)
    return Split({preparation.schema.input: preparation.encoded(frame, layout, where)}, targets)


def _check_constant(frame: pd.DataFrame, layout: rows.Layout, schema: TableSchema, where: str) -> None:
    if _per_step(frame, layout, TableSchema(**{**_fields(schema), "per": None})):
        raise DataError("the target changes within a group", where=where, expected="one target for each sequence",
                        remedy="Set per: step.")  # fmt: skip
