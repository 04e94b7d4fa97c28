"""What a table holds, and how a schema reads it, as lines of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphnet.core.errors import DataError
from graphnet.data.tables.columns import kind_of, texts_of
from graphnet.data.tables.frames import read_frame
from graphnet.data.tables.schema import TableSchema

if TYPE_CHECKING:
    import pandas as pd

    from graphnet.data.dataset import Dataset

#: Classes that are listed.
LISTED = 12


def columns_of(source: Any, schema: TableSchema) -> list[tuple[str, str, str, str, str]]:
    """A row for each column: name, kind, values, missing values, and what it is for; a heading first."""
    frame = read_frame(source, schema.separator, schema.decimal)
    result = [("column", "kind", "values", "missing", "use")]
    for name in frame.columns:
        values = frame[name]
        kind = _kind(values)
        missing = int(values.isna().sum())
        result.append((name, kind, _values(values, kind), str(missing), _use(name, schema, kind)))
    return result


def _kind(values: pd.Series[Any]) -> str:
    try:
        return kind_of(values, "")
    except DataError as error:
        return {"the column is empty": "empty", "a column of dates is not a feature": "date"}.get(error.problem, "text")


def _values(values: pd.Series[Any], kind: str) -> str:
    present = values.dropna()
    if kind == "empty":
        return ""
    if kind in ("number", "boolean"):
        return f"{float(present.min()):.6g} to {float(present.max()):.6g}, mean {float(present.mean()):.6g}"
    if kind == "date":
        return f"{present.min()} to {present.max()}"
    names = Counter(texts_of(present))
    shown = ", ".join(name if len(name) <= 24 else name[:23] + "…" for name, _ in names.most_common(3))
    return f"{len(names)} different: {shown}{', …' if len(names) > 3 else ''}"


def _use(name: str, schema: TableSchema, kind: str) -> str:
    roles = [
        role
        for role, used in (
            ("target", name in schema.target),
            ("time", name == schema.time),
            ("group", name == schema.group),
            ("split", name == schema.split_by),
            ("ignored", name in schema.ignore),
        )
        if used
    ]
    if schema.inputs is not None:
        roles += ["input"] if name in schema.inputs else []
    elif not roles or (roles == ["target"] and schema.window is not None):
        roles.append("input")
    return ", ".join(roles) or "not read"


def dataset_lines(data: Dataset) -> list[str]:
    """What a data set holds: splits, shapes, lengths, classes, and what a model of it declares."""
    lines = []
    for name, split in (("training", data.train), ("validation", data.validation), ("test", data.test)):
        if split is not None:
            lines.append(f"{name}: {len(split)} examples")
    lines += [f"input {name}: {_described(values)}" for name, values in data.train.inputs.items()]
    preparation = data.preparation
    if preparation is not None:
        names = preparation.features
        if names:
            lines.append(f"features: {_first(names)}")
        if preparation.vocabulary is not None:
            tokens = preparation.vocabulary.tokens
            lines.append(
                f"vocabulary: {len(tokens)} tokens: {', '.join(tokens[:LISTED])}{', …' * (len(tokens) > LISTED)}"
            )
    lines.append(f"target: {_target(data)}")
    lines += [f"declare the input as   {name}: {_declared(values)}" for name, values in data.train.inputs.items()]
    return lines


def _described(values: Any) -> str:
    if isinstance(values, np.ndarray):
        return f"{values.shape} {values.dtype}"
    lengths = np.array([len(each) for each in values])
    rest = "".join(f", {size}" for size in values[0].shape[1:])
    return (
        f"{len(values)} sequences (time{rest}), of {lengths.min()} to {lengths.max()} steps, mean {lengths.mean():.1f}"
    )


def _target(data: Dataset) -> str:
    targets = data.train.targets
    steps = isinstance(targets, list)
    values = np.concatenate(targets) if isinstance(targets, list) else targets
    each = ", one for each step" if steps else ""
    if data.classes and values.dtype.kind in "iu":
        counts = np.bincount(values.reshape(-1), minlength=len(data.classes))
        shares = [f"{name} {count / max(1, values.size):.0%}" for name, count in zip(data.classes, counts, strict=True)]
        return f"{len(data.classes)} classes{each}: {_first(shares)}"
    kind = "integers" if values.dtype.kind in "iu" else "numbers"
    shape = "" if values.ndim == 1 else f", {values.shape[1:]} for each example"
    return f"{kind}{each}, {values.min():.6g} to {values.max():.6g}{shape}"


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:LISTED]) + (", …" if len(names) > LISTED else "")


def _declared(values: Any) -> str:
    if isinstance(values, list):
        first = values[0]
        if first.ndim == 1 and first.dtype.kind in "iu":
            return "{axes: 'time, batch', integer: true}"
        return ", ".join(["time", "batch", *([f"feature={first.shape[1]}"] if first.ndim == 2 else [])])
    if values.ndim == 2:
        return f"batch, feature={values.shape[1]}"
    if values.ndim == 4:
        return f"batch, channel={values.shape[1]}, y={values.shape[2]}, x={values.shape[3]}"
    return ", ".join(["batch", *(f"axis{i}={size}" for i, size in enumerate(values.shape[1:], 1))])
