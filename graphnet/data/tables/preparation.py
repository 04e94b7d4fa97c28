"""What was learned from the training rows of a table, so that other tables are read in the same way."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnet.core.array_types import Array
from graphnet.core.errors import DataError, FileError, GraphnetError
from graphnet.data.tables import rows
from graphnet.data.tables.columns import Column, kind_of, refuse_missing, texts_of
from graphnet.data.tables.frames import is_frame, read_frame, require_columns
from graphnet.data.tables.schema import TableSchema
from graphnet.data.tables.vocabulary import Vocabulary

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "graphnet-data/1"


@dataclass(frozen=True)
class Preparation:
    """How tables become the inputs of a model: the schema, and what was learned from the training rows.

    Attributes
    ----------
    schema : TableSchema
    columns : tuple of Column
        Of the features, in order; empty with tokens.
    vocabulary : Vocabulary or None
    classes : tuple of str
        The names of the classes; empty if targets are numbers.
    per_step : bool
        Whether there is a target for each step of a sequence.
    target_mean, target_scale : tuple of float
        Of each target column in the training rows, for standardization; empty: the targets are left as they are.
    """

    schema: TableSchema
    columns: tuple[Column, ...] = ()
    vocabulary: Vocabulary | None = None
    classes: tuple[str, ...] = ()
    per_step: bool = False
    target_mean: tuple[float, ...] = ()
    target_scale: tuple[float, ...] = ()

    @property
    def features(self) -> list[str]:
        """The names of the features, in order."""
        return [name for column in self.columns for name in column.features]

    @property
    def standardization(self) -> tuple[list[float], list[float]] | None:
        """The mean and the scale of each feature; None if nothing is standardized."""
        if not any(column.scale != 1.0 or column.mean != 0.0 for column in self.columns):
            return None
        each = [column for column in self.columns for _ in column.features]
        return [column.mean for column in each], [column.scale for column in each]

    @property
    def target_standardization(self) -> tuple[list[float], list[float]] | None:
        """The mean and the scale of each number on the last axis of a target; None if nothing is standardized."""
        if not self.target_mean:
            return None
        repeats = self.schema.horizon if len(self.target_mean) == 1 else 1
        return list(self.target_mean) * repeats, list(self.target_scale) * repeats

    # ------------------------------------------------------------------ reading
    def inputs(self, source: Any) -> dict[str, Any]:
        """The inputs of the model from a table, by input name; targets and other columns are not needed.

        With ``window`` there is one example for each window, also for the last one, which nothing follows yet. No row
        is left out, also with ``missing='drop'``: a prediction belongs to a row by its position.

        Parameters
        ----------
        source : path or DataFrame

        Raises
        ------
        FileError, DataError
            If it cannot be read, a column or (unless ``missing='mean'``) a value is missing, or its values are not
            those of the training.
        """
        frame = read_frame(source, self.schema.separator, self.schema.decimal)
        where = "DataFrame" if is_frame(source) else str(source)
        names = [column.name for column in self.columns] or list(self.text_columns)
        order = [name for name in (self.schema.time, self.schema.group) if name is not None]
        require_columns(frame, [*names, *order], where, "inputs")
        layout = rows.layout(frame, self.schema, where, targets=False)
        return {self.schema.input: self.encoded(frame, layout, where)}

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The column whose text is read as tokens."""
        return (self.schema.inputs or ()) if self.vocabulary is not None else ()

    def encoded(self, frame: pd.DataFrame, layout: rows.Layout, where: str) -> Any:
        """The input of some examples: an array, or a list of arrays."""
        if self.vocabulary is not None:
            values = frame[self.text_columns[0]]
            refuse_missing(values.isna().to_numpy(), f"{where}, column {self.text_columns[0]!r}")
            texts = [str(text) for text in values.tolist()]
            return self.vocabulary.encode_all(texts[int(i)] for i in layout.order[layout.starts])
        return layout.inputs(self.matrix(frame, where))

    def matrix(self, frame: pd.DataFrame, where: str) -> Array:
        """The features of all rows, ``(rows, features)`` float64, not standardized."""
        fills = self.schema.missing == "mean"
        return np.concatenate([column.encode(frame[column.name], where, fills=fills) for column in self.columns], 1)

    def targets(self, frame: pd.DataFrame, where: str) -> Array:
        """The targets of all rows.

        Class numbers ``(rows,)`` int64; a single column of integers ``(rows,)`` int64; other numbers
        ``(rows, targets)`` float64.
        """
        names = self.schema.target
        if not self.classes:
            if len(names) == 1 and frame[names[0]].dtype.kind in "iu":
                return frame[names[0]].to_numpy(np.int64)
            columns = [Column(name, "number").encode(frame[name], f"{where}, target", fills=False) for name in names]
            return np.concatenate(columns, axis=1)
        values = frame[names[0]]
        refuse_missing(values.isna().to_numpy(), f"{where}, target {names[0]!r}")
        positions = {name: i for i, name in enumerate(self.classes)}
        texts = texts_of(values)
        for row, text in enumerate(texts):
            if text not in positions:
                expected = ", ".join(self.classes[:8])
                raise DataError("an unknown class", where=f"{where}, target {names[0]!r}, row {row}",
                                expected=expected, received=text)  # fmt: skip
        return np.array([positions[text] for text in texts], np.int64)

    # ------------------------------------------------------------------ as JSON
    def values(self) -> dict[str, Any]:
        """All of it as values of JSON."""
        return {
            "format": FORMAT,
            "schema": self.schema.values(),
            "columns": [dataclasses.asdict(column) for column in self.columns],
            "vocabulary": None if self.vocabulary is None else dataclasses.asdict(self.vocabulary),
            "classes": list(self.classes),
            "per_step": self.per_step,
            "target_mean": list(self.target_mean),
            "target_scale": list(self.target_scale),
        }

    @classmethod
    def of(cls, values: Any, where: str) -> Preparation:
        """The preparation with these values of JSON.

        Raises
        ------
        FileError
            If they are not those of a preparation.
        """
        if not isinstance(values, Mapping) or values.get("format") != FORMAT:
            received = repr(values.get("format") if isinstance(values, Mapping) else type(values).__name__)
            raise FileError("not a preparation of data", where=where, expected=FORMAT, received=received)
        try:
            vocabulary = values["vocabulary"]
            return cls(
                TableSchema.of(values["schema"]),
                tuple(_column(each) for each in values["columns"]),
                None if vocabulary is None else Vocabulary(str(vocabulary["level"]), _texts(vocabulary["tokens"])),
                _texts(values["classes"]),
                bool(values["per_step"]),
                _numbers(values["target_mean"]),
                _numbers(values["target_scale"]),
            )
        except (GraphnetError, KeyError, TypeError, ValueError) as error:
            received = f"{type(error).__name__}: {error}"[:200]
            raise FileError("a damaged preparation of data", where=where, expected=FORMAT, received=received) from None


def _column(values: Mapping[str, Any]) -> Column:
    column = Column(**{**values, "categories": _texts(values["categories"])})
    numbers = [column.mean, column.scale, *([] if column.fill is None else [column.fill])]
    if column.kind not in ("number", "boolean", "category") or not all(np.isfinite(number) for number in numbers):
        raise ValueError(f"column {column.name!r}")
    return column


def _numbers(values: Any) -> tuple[float, ...]:
    numbers = tuple(float(each) for each in values)
    if not np.isfinite(numbers).all():
        raise ValueError("a number that is not finite")
    return numbers


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, (list, tuple)) or not all(isinstance(each, str) for each in values):
        raise TypeError("a list of text is expected")
    return tuple(values)


def class_names(frame: pd.DataFrame, schema: TableSchema, where: str) -> tuple[str, ...]:
    """The names of the classes in the target column, sorted; numbers in their order. Empty: targets are numbers.

    Raises
    ------
    DataError
        If there is one class only, or several target columns of which one is text.
    """
    kinds = [kind_of(frame[name], f"{where}, target {name!r}") for name in schema.target]
    labels = any(kind != "number" for kind in kinds) if schema.labels is None else schema.labels
    if not labels:
        if "category" in kinds:
            raise DataError("a target of text has no numbers", where=where, expected="numbers, or labels: true")
        return ()
    if len(schema.target) != 1:
        raise DataError("class labels are in one column", where=where, expected="one target", received=len(kinds))
    values = frame[schema.target[0]].dropna()
    names = set(texts_of(values))
    if len(names) < 2:
        raise DataError("all targets are the same class", where=where, expected="two classes", received=str(names))
    if kinds[0] == "number":
        return tuple(sorted(names, key=float))
    return tuple(sorted(names))
