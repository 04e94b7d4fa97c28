"""The valid steps of the rows of padded arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphnet.core.describe.graph import Graph
from graphnet.core.describe.parameter import Array
from graphnet.core.dtypes import as_array
from graphnet.core.errors import DataError, DtypeError, ShapeError, unknown
from graphnet.data.ports import input_ports
from graphnet.data.sources import is_list


def checked_lengths(graph: Graph, inputs: Mapping[str, Any], lengths: Any) -> dict[str, Array]:
    """Lengths by input name, from one array for all padded sequences, or a mapping.

    Raises
    ------
    ShapeError
        If they name an input without axes (time, batch, …), belong to a list (which has its own lengths), or there is
        not one for each row.
    DtypeError, DataError
        If they are not integers from 0 to the steps of the array.
    """
    if lengths is None:
        return {}
    padded = {n for n, port in input_ports(graph).items() if port.sequence and n in inputs and not is_list(inputs[n])}
    named = by_input(graph, padded, lengths, "lengths")
    return {name: _checked(graph, name, value, np.shape(inputs[name])) for name, value in named.items()}


def by_input(graph: Graph, padded: set[str], value: Any, what: str) -> dict[str, Any]:
    """An argument for padded sequences by input name, from one value for all of them, or a mapping.

    Raises
    ------
    ShapeError
        If it names another input, or there is no padded sequence.
    """
    named = dict(value) if isinstance(value, Mapping) else dict.fromkeys(padded, value)
    for name in named:
        if name not in padded:
            raise unknown(
                what,
                name,
                sorted(padded),
                where=repr(graph),
                problem=f"{what} for {name!r}, which is not an input with padded sequences",
                error=ShapeError,
            )
    if not named:
        raise ShapeError(
            f"{what} without a padded array",
            where=repr(graph),
            expected=f"no {what}: a list of sequences has its own lengths, other inputs have none",
            received=what,
            remedy=f"Declare the input as 'time, batch, feature' to give it {what}.",
        )
    return named


def _checked(graph: Graph, name: str, value: Any, shape: tuple[int, ...]) -> Array:
    where = f"{graph.name}, lengths of {name!r}"
    counts = as_array(value, where)
    if counts.dtype.kind not in "iu":
        raise DtypeError("lengths must be integers", where=where, expected="an integer dtype", received=counts.dtype)
    if counts.shape != shape[1:2]:
        raise ShapeError("one length for each row is needed", where=where, expected=shape[1:2], received=counts.shape)
    if counts.size and (counts.min() < 0 or counts.max() > shape[0]):
        received = f"{counts.min()} to {counts.max()}"
        raise DataError("a length is out of range", where=where, expected=f"0 to {shape[0]}", received=received)
    return counts.astype(np.int64)
