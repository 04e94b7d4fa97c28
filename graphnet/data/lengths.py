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


def checked_lengths(graph: Graph, inputs: Mapping[str, Any], lengths: Any) -> dict[str, Array]:
    """Lengths by input name, from one array for all padded sequences, or a mapping.

    Raises
    ------
    ShapeError
        If they name no input with axes (time, batch, …), belong to a list (which has its own), or are not one a row.
    DtypeError, DataError
        If they are not whole numbers from 0 to the steps of the array.
    """
    if lengths is None:
        return {}
    padded = {n for n, p in input_ports(graph).items() if p.sequence and n in inputs and not _listed(inputs[n])}
    named = by_input(graph, padded, lengths, "lengths")
    return {name: _checked(graph, name, value, np.shape(inputs[name])) for name, value in named.items()}


def by_input(graph: Graph, padded: set[str], value: Any, what: str) -> dict[str, Any]:
    """What was given for padded sequences, by input name: one value for all of them, or a mapping.

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
            f"{what} for no padded array",
            where=repr(graph),
            expected=f"no {what}: a list of sequences has its own lengths, other inputs have none",
            received=what,
            remedy=f"Declare the input as 'time, batch, feature' to give it {what}.",
        )
    return named


def _listed(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _checked(graph: Graph, name: str, value: Any, shape: tuple[int, ...]) -> Array:
    place = f"{graph.name}, lengths of {name!r}"
    counts = as_array(value, place)
    if counts.dtype.kind not in "iu":
        raise DtypeError("lengths are whole numbers", where=place, expected="integers", received=counts.dtype)
    if counts.shape != shape[1:2]:
        raise ShapeError("one length for each row", where=place, expected=shape[1:2], received=counts.shape)
    if counts.size and (counts.min() < 0 or counts.max() > shape[0]):
        received = f"{counts.min()} to {counts.max()}"
        raise DataError("a length outside the array", where=place, expected=f"0 to {shape[0]}", received=received)
    return counts.astype(np.int64)
