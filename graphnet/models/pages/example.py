"""The first row of the example that a page shows."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.node import Input
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ConfigError, DataError, ShapeError
from graphnet.models.predict_file import LENGTHS

#: The axes of sequences whose axes are not declared.
SEQUENCES = Shape.parse("time, batch, feature")


def first_row(graph: Graph, example: Any, function: str) -> dict[str, Any]:
    """Return the first row of a batch, by input; an array alone belongs to the only input that is not optional.

    An array without the batch axis is one row. Of sequences of different lengths, as a list of arrays or with
    ``INPUT_lengths`` as in the files for ``graphnet predict`` (padded, or end to end), the first one is the row.

    Raises
    ------
    ConfigError
        If the example has no names and the graph needs several inputs; the message names ``function``.
    DataError
        If there is no row.
    ShapeError
        If an input is no array of numbers, or the lengths do not fit it.
    """
    if not isinstance(example, Mapping):
        needed = [name for name, declared in graph.inputs.items() if not declared.optional]
        if len(needed) != 1:
            raise ConfigError(
                "the example has no names", where=function, expected=f"arrays by input: {', '.join(graph.inputs)}"
            )
        example = {needed[0]: example}
    counts = {f"{name}{LENGTHS}": name for name in example if f"{name}{LENGTHS}" not in graph.inputs}
    lengths = {counts[key]: value for key, value in example.items() if key in counts}
    rows = {}
    for name, array in example.items():
        if name not in counts:
            where = f"{function}, input {name!r}"
            rows[name] = _row(graph.inputs.get(name), where, array, lengths.get(name))
    return rows


def _row(declared: Input | None, where: str, array: Any, lengths: Any) -> Any:
    value, alone = _array(array, where)
    shape = None if declared is None else declared.shape
    if lengths is not None:
        return _cut(value, shape or SEQUENCES, lengths, f"{where}, lengths")
    if shape is None or BATCH not in shape.names:
        return value[:, None] if alone else value
    axis = shape.names.index(BATCH)
    if value.ndim == shape.rank - 1:
        return np.expand_dims(value, axis)
    if value.ndim != shape.rank:
        return value
    if not value.shape[axis]:
        raise DataError("the example has no row", where=where, expected="at least one row", received=value.shape)
    return np.take(value, [0], axis=axis)


def _array(array: Any, where: str) -> tuple[Any, bool]:
    """The array, and whether it is the first one of several sequences."""
    try:
        value = np.asarray(array)
        if value.dtype != object:
            return value, False
        reason = "objects"
    except ValueError as error:  # sequences of different length
        reason = str(error)
    first = array[0] if isinstance(array, (list, tuple, np.ndarray)) and len(array) else None
    if isinstance(first, (list, tuple, np.ndarray)):
        with contextlib.suppress(ValueError):
            value = np.asarray(first)
            if value.dtype != object:
                return value, True
    raise ShapeError("not an array", where=where, expected="an array, or a list of sequences", received=reason)


def _cut(value: Any, shape: Shape, lengths: Any, where: str) -> Any:
    """The steps of the first sequence, as one row."""
    counts = np.ravel(lengths)
    padded = value.ndim == shape.rank
    time, batch = (shape.names.index(axis) if axis in shape.names else 0 for axis in (TIME, BATCH))
    most = 0 if not value.ndim else value.shape[time if padded else 0]
    if not counts.size or counts.dtype.kind not in "iu" or not 0 <= int(counts[0]) <= most or TIME not in shape.names:
        raise ShapeError(
            "the length of the first sequence does not fit",
            where=where,
            expected=f"an integer from 0 to {most}",
            received=repr(counts[:1].tolist()),
        )
    if not padded:
        return np.expand_dims(value[: int(counts[0])], batch)
    return np.take(np.take(value, [0], axis=batch), range(int(counts[0])), axis=time)
