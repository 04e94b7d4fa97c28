"""The valid steps of the rows of padded arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphnet.core.errors import DataError, DtypeError, ShapeError, nearest
from graphnet.core.graph import Graph
from graphnet.core.parameter import Array
from graphnet.training.ports import input_ports


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
    named = dict(lengths) if isinstance(lengths, Mapping) else dict.fromkeys(padded, lengths)
    for name in named:
        if name not in padded:
            raise ShapeError(
                "lengths for an input that is no padded array of sequences",
                where=repr(graph),
                expected=", ".join(sorted(padded)) or "no lengths",
                received=str(name),
                remedy=nearest(str(name), padded) or None,
            )
    if not named:
        raise ShapeError(
            "lengths belong to a padded array",
            where=repr(graph),
            expected="no lengths: a list of sequences has its own, other inputs have none",
            received="lengths",
            remedy="Declare the input as 'time, batch, feature' to give it lengths.",
        )
    return {name: _checked(graph, name, value, np.shape(inputs[name])) for name, value in named.items()}


def _listed(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _checked(graph: Graph, name: str, value: Any, shape: tuple[int, ...]) -> Array:
    place = f"{graph.name}, lengths of {name!r}"
    counts = np.asarray(value)
    if counts.dtype.kind not in "iu":
        raise DtypeError("lengths are whole numbers", where=place, expected="integers", received=counts.dtype)
    if counts.shape != shape[1:2]:
        raise ShapeError("one length for each row", where=place, expected=shape[1:2], received=counts.shape)
    if counts.size and (counts.min() < 0 or counts.max() > shape[0]):
        received = f"{counts.min()} to {counts.max()}"
        raise DataError("a length outside the array", where=place, expected=f"0 to {shape[0]}", received=received)
    return counts.astype(np.int64)
