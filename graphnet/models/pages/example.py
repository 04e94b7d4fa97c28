"""The first row of the example that a page shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphnet.core.describe.axes import BATCH
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.node import Input
from graphnet.core.errors import ConfigError, DataError, ShapeError


def first_row(graph: Graph, example: Any, function: str) -> dict[str, Any]:
    """Return the first row of a batch, by input; an array alone belongs to the only input that is not optional.

    An array without the batch axis is one row.

    Raises
    ------
    ConfigError
        If the example has no names and the graph needs several inputs; the message names ``function``.
    DataError
        If there is no row.
    ShapeError
        If an input is a list of sequences of different length.
    """
    if not isinstance(example, Mapping):
        needed = [name for name, declared in graph.inputs.items() if not declared.optional]
        if len(needed) != 1:
            raise ConfigError(
                "the example has no names", where=function, expected=f"arrays by input: {', '.join(graph.inputs)}"
            )
        example = {needed[0]: example}
    return {name: _row(graph.inputs.get(name), f"{function}, input {name!r}", array) for name, array in example.items()}


def _row(declared: Input | None, where: str, array: Any) -> Any:
    try:
        value = np.asarray(array)
    except ValueError as error:
        raise ShapeError(
            "not an array", where=where, expected="one array: rows of equal length", received=str(error)
        ) from error
    if declared is None or declared.shape is None or BATCH not in declared.shape.names:
        return value
    axis = declared.shape.names.index(BATCH)
    if value.ndim == declared.shape.rank - 1:
        return np.expand_dims(value, axis)
    if value.ndim != declared.shape.rank:
        return value
    if not value.shape[axis]:
        raise DataError("the example has no row", where=where, expected="at least one row", received=value.shape)
    return np.take(value, [0], axis=axis)
