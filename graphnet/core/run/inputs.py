"""What comes in from users, converted and checked before anything runs; and what goes out to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from graphnet.core import dtypes
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.parameter import Array
from graphnet.core.describe.shapes import BATCH, TIME, Shape
from graphnet.core.errors import ConfigError, DataError, DtypeError, ShapeError, unknown
from graphnet.core.run.row_masks import mask, owner

#: The floating dtypes by numpy's character for them.
FLOATS = {"f": "float32", "d": "float64"}


def arrays(graph: Graph, inputs: Mapping[str, Any]) -> dict[str, Array | None]:
    """The inputs in the graph's order, as arrays that fit their declarations."""
    if not isinstance(inputs, Mapping):
        raise ConfigError(
            "inputs go by name",
            where=repr(graph),
            expected="a mapping of input name to array",
            received=type(inputs).__name__,
        )
    for name in inputs:
        if name not in graph.inputs:
            raise unknown("input", name, graph.inputs, where=repr(graph), error=ShapeError)
    arrays: dict[str, Array | None] = {}
    for name, given in graph.inputs.items():
        if inputs.get(name) is None:
            if not given.optional:
                raise ShapeError("an input is missing", where=repr(graph), expected=name)
            arrays[name] = None
            continue
        place = f"{graph.name}, input {name!r}"
        array = arrays[name] = dtypes.as_array(inputs[name], place, integer=given.integer)
        if given.shape is not None and not given.shape.fits(array.shape):
            raise ShapeError("does not fit", where=place, expected=given.shape, received=array.shape)
        if array.ndim == 0:
            raise ShapeError(
                "a single number has no batch axis",
                where=place,
                received="a number",
                remedy="Give an array whose axis 0 is the batch.",
            )
        if 0 in array.shape:
            raise DataError("an empty array", where=place, expected="at least one row", received=array.shape)
    return arrays


def dtype(arrays: Mapping[str, Array | None], layers: Iterable[Layer]) -> str:
    """float64 if any input is, else float32 if any is, else that of the weights."""
    found = {FLOATS.get(a.dtype.char, "") for a in arrays.values() if a is not None} - {""}
    found = found or {str(layer.dtype) for layer in layers if hasattr(layer, "dtype")}
    return "float32" if found == {"float32"} else "float64"


def converted(
    graph: Graph, arrays: Mapping[str, Array | None], counts: list[Array | None], dtype: str
) -> list[Array | None]:
    """The arrays in the dtype of the run, with zeros after the rows' ends."""
    found: list[Array | None] = []
    for (name, array), lengths in zip(arrays.items(), counts, strict=True):
        if array is not None and not graph.inputs[name].integer:
            array = dtypes.converted(array, dtype, f"{graph.name}, input {name!r}")
        found.append(array if array is None or lengths is None else mask(array, lengths))
    return found


def lengths(graph: Graph, lengths: Any, arrays: Mapping[str, Array | None]) -> list[Array | None]:
    """The row lengths of each input, checked; None where all rows are whole."""
    named = lengths if isinstance(lengths, Mapping) else None
    if lengths is not None and named is None:
        named = {n: lengths for n, a in arrays.items() if a is not None and _ragged(graph, n)}
    if lengths is not None and not named:
        raise ShapeError(
            "no input has axes (time, batch, …)",
            where=repr(graph),
            received="lengths",
            remedy="Declare the input as 'time, batch, feature'.",
        )
    for name in named or {}:
        if name not in graph.inputs or not _ragged(graph, name):
            ragged = [n for n in graph.inputs if _ragged(graph, n)]
            raise unknown(
                "lengths",
                name,
                ragged,
                where=repr(graph),
                problem=f"lengths for {name!r}, which is not an input with axes (time, batch, …)",
                remedy="Declare the input as 'time, batch, feature'.",
                error=ShapeError,
            )
    return [_counts(graph, name, array, (named or {}).get(name)) for name, array in arrays.items()]


def _ragged(graph: Graph, name: str) -> bool:
    shape = graph.inputs[name].shape
    return shape is not None and shape.names[:2] == (TIME, BATCH)


def _counts(graph: Graph, name: str, array: Array | None, lengths: Any) -> Array | None:
    if array is None or lengths is None:
        return None
    place = f"{graph.name}, lengths of {name!r}"
    counts = dtypes.as_array(lengths, place)
    if counts.dtype.kind not in "iu":
        raise DtypeError("lengths are whole numbers", where=place, expected="integers", received=counts.dtype)
    if counts.shape != array.shape[1:2]:
        raise ShapeError("one length for each row", where=place, expected=array.shape[1:2], received=counts.shape)
    if counts.min() < 0 or counts.max() > len(array):
        raise DataError(
            "a length outside the array",
            where=place,
            expected=f"0 to {len(array)}",
            received=f"{counts.min()} to {counts.max()}",
        )
    return None if counts.min() == len(array) else counts.astype(np.int64)


# ---------------------------------------------------------------------- going out
def masked(array: Array, origin: int | None, counts: list[Array | None]) -> Array:
    """``array`` with zeros after the rows' ends, where it has row lengths (those of the input ``origin``)."""
    lengths = None if origin is None else counts[origin]
    return array if lengths is None else mask(array, lengths)


def apart(output: Array, inputs: Sequence[Array | None]) -> Array:
    """The output; a copy where it is the caller's own input, or a view of it."""
    memory = owner(output)
    return output.copy() if any(x is not None and owner(x) is memory for x in inputs) else output


def closed(shape: Shape) -> bool:
    """Whether every axis but time and batch has a size."""
    return all(size is not None or name in (TIME, BATCH) for name, size in zip(shape.names, shape.sizes, strict=True))


def opened(shape: Shape) -> Shape:
    """The shape with time and batch left free."""
    sizes = (None if name in (TIME, BATCH) else size for name, size in zip(shape.names, shape.sizes, strict=True))
    return Shape(shape.names, tuple(sizes))
