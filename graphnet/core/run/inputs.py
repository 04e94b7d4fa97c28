"""Reads the inputs of a pass: converted and checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from graphnet.core import dtypes
from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ConfigError, DataError, DtypeError, ShapeError, unknown
from graphnet.core.run.padding import RowEnds, ends_of

#: The floating dtypes by numpy's character for them.
FLOATS = {"f": "float32", "d": "float64"}
#: Shapes and dtypes that a reader remembers as valid.
MAX_KNOWN = 1024


INT64 = np.dtype(np.int64)


class Batch:
    """The inputs of one pass.

    Attributes
    ----------
    arrays : list of array or None
        In the graph's order; None for optional inputs that were left out.
    lengths : list of int array or None
        The row lengths of each input; None where all rows are whole.
    dtype : {'float32', 'float64'}
        Of the pass.
    shapes : tuple of (tuple of int or None)
    """

    __slots__ = ("arrays", "dtype", "ends", "lengths", "ragged", "shapes")

    def __init__(self, arrays: list[Array | None], lengths: list[Array | None], dtype: str, shapes: Any) -> None:
        self.arrays, self.lengths, self.dtype, self.shapes = arrays, lengths, dtype, shapes
        #: Whether any input has row lengths.
        self.ragged = False
        #: Where the rows of each input end; empty where all rows are whole.
        self.ends: list[RowEnds | None] = []

    def pad(self, lengths: list[Array | None]) -> None:
        """Let the rows have these lengths; arrays of ragged inputs become copies with zeros beyond the ends."""
        self.lengths = lengths
        steps = [None if array is None else array.shape[0] for array in self.arrays]
        self.ends = ends_of(lengths, steps)
        self.ragged = bool(self.ends)
        for slot, ends in enumerate(self.ends):
            array = self.arrays[slot]
            if ends is not None and array is not None:
                self.arrays[slot] = ends.zeroed(array)


class InputReader:
    """Reads the inputs of one graph.

    Arrays whose shapes and dtypes were valid before, and needed no conversion, are not checked again.
    """

    def __init__(self, graph: Graph, layers: Iterable[Layer]) -> None:
        self.graph, self.layers = graph, list(layers)
        self._names = list(graph.inputs)
        #: The numbers of the inputs that may have row lengths.
        self._slots = {name: slot for slot, name in enumerate(self._names) if _ragged(graph, name)}
        self._known: dict[Any, tuple[str, Any]] = {}

    def read(self, inputs: Mapping[str, Any], lengths: Any) -> Batch:
        """Check and convert the inputs of a pass.

        Raises
        ------
        ConfigError, ShapeError, DtypeError, DataError
        """
        signature, unconverted = self._signature(inputs)
        known = self._known.get(signature)
        if known is not None:
            batch = Batch(unconverted, [None] * len(unconverted), *known)
            if lengths is None:
                return batch
            counts = self._plain_lengths(lengths, unconverted)
            if counts is not None:
                batch.pad(counts)
                return batch
        arrays = checked_arrays(self.graph, inputs)
        dtype = common_dtype(arrays.values(), self.layers)
        counts = checked_lengths(self.graph, lengths, arrays)
        converted = convert(self.graph, arrays, dtype)
        shapes = tuple(None if a is None else a.shape for a in converted)
        if signature is not None and all(inputs[n] is a for n, a in zip(self._names, converted, strict=True)):
            self._remember(signature, dtype, shapes)
        batch = Batch(converted, counts, dtype, shapes)
        batch.pad(counts)
        return batch

    def _plain_lengths(self, lengths: Any, arrays: list[Any]) -> list[Array | None] | None:
        """The row lengths of each input if they are given by name as valid int64 arrays; else None.

        ``arrays`` fit their declarations.
        """
        if type(lengths) is not dict:
            return None
        counts: list[Array | None] = [None] * len(arrays)
        for name, given in lengths.items():
            slot = self._slots.get(name)
            if slot is None or type(given) is not np.ndarray or given.dtype is not INT64:
                return None
            steps, rows = arrays[slot].shape[:2]
            if given.shape != (rows,):
                return None
            values = given.tolist()
            least = min(values)
            if least < 0 or max(values) > steps:
                return None
            if least < steps:
                counts[slot] = given.copy()
        return counts

    def _signature(self, inputs: Mapping[str, Any]) -> tuple[Any, list[Any]]:
        """The shapes and dtypes, and the arrays; None where these alone do not decide whether inputs are valid."""
        signature: list[Any] = []
        arrays: list[Any] = []
        if type(inputs) is not dict or len(inputs) != len(self._names):
            return None, arrays
        floating = False
        for name in self._names:
            array = inputs.get(name)
            if type(array) is not np.ndarray:
                return None, arrays
            floating = floating or array.dtype.char in FLOATS
            arrays.append(array)
            signature += (array.shape, array.dtype)
        return tuple(signature) if floating else None, arrays  # without a float the layers decide the dtype

    def _remember(self, signature: Any, dtype: str, shapes: Any) -> None:
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known[signature] = dtype, shapes


def checked_arrays(graph: Graph, inputs: Mapping[str, Any]) -> dict[str, Array | None]:
    """The inputs in the graph's order, as arrays that fit their declarations."""
    if not isinstance(inputs, Mapping):
        raise ConfigError(
            "inputs must be a mapping",
            where=repr(graph),
            expected="a mapping of input name to array",
            received=type(inputs).__name__,
        )
    for name in inputs:
        if name not in graph.inputs:
            raise unknown("input", name, graph.inputs, where=repr(graph), error=ShapeError)
    arrays: dict[str, Array | None] = {}
    for name, spec in graph.inputs.items():
        if inputs.get(name) is None:
            if not spec.optional:
                raise ShapeError("an input is missing", where=repr(graph), expected=name)
            arrays[name] = None
            continue
        place = f"{graph.name}, input {name!r}"
        array = arrays[name] = dtypes.as_array(inputs[name], place, integer=spec.integer)
        if spec.shape is not None and not spec.shape.fits(array.shape):
            raise ShapeError(
                "the input does not fit its declared shape", where=place, expected=spec.shape, received=array.shape
            )
        if array.ndim == 0:
            raise ShapeError(
                "an input must have a batch axis",
                where=place,
                received="a number",
                remedy="Give an array whose axis 0 is the batch.",
            )
        if 0 in array.shape:
            raise DataError("an input is empty", where=place, expected="at least one row", received=array.shape)
    return arrays


def common_dtype(arrays: Iterable[Array | None], layers: Iterable[Layer]) -> str:
    """float64 if any input is, else float32 if any is, else that of the weights."""
    names = {FLOATS.get(a.dtype.char, "") for a in arrays if a is not None} - {""}
    names = names or {str(layer.dtype) for layer in layers if hasattr(layer, "dtype")}
    return "float32" if names == {"float32"} else "float64"


def convert(graph: Graph, arrays: Mapping[str, Array | None], dtype: str) -> list[Array | None]:
    """The arrays in the dtype of the pass."""
    converted: list[Array | None] = []
    for name, array in arrays.items():
        if array is not None and not graph.inputs[name].integer:
            array = dtypes.converted(array, dtype, f"{graph.name}, input {name!r}")
        converted.append(array)
    return converted


def checked_lengths(graph: Graph, lengths: Any, arrays: Mapping[str, Array | None]) -> list[Array | None]:
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
        raise DtypeError("lengths must be integers", where=place, expected="integers", received=counts.dtype)
    if counts.shape != array.shape[1:2]:
        raise ShapeError(
            "lengths must have one entry for each row", where=place, expected=array.shape[1:2], received=counts.shape
        )
    if counts.min() < 0 or counts.max() > len(array):
        raise DataError(
            "a length is out of range",
            where=place,
            expected=f"0 to {len(array)}",
            received=f"{counts.min()} to {counts.max()}",
        )
    return None if counts.min() == len(array) else counts.astype(np.int64)
