"""Conversion between the arrays of a caller and those of a recurrent layer's graph: axes, masks, one sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from graphnet import Graph, GraphnetError, ShapeError
from graphnet.authoring import as_array
from graphnet.data.sequences import Packing, lengths_or_packing


@dataclass(frozen=True)
class Layout:
    """The form in which the sequences of one ``forward`` came; ``backward`` returns errors in the same form.

    Attributes
    ----------
    names : tuple of str
        The inputs that were passed, in order.
    rows : int
        The batch size; 1 for one sequence.
    single : bool
        Whether the input was one sequence, without a batch axis.
    batch_major : bool
        Whether the sequences were ``(batch, time, …)``.
    packing : Packing or None
        The steps that a mask with gaps leaves.
    """

    names: tuple[str, ...]
    rows: int
    single: bool = False
    batch_major: bool = False
    packing: Packing | None = None

    def to_graph(self, array: np.ndarray, what: str) -> np.ndarray:
        """Return a caller's sequences as the graph reads them: ``(time, batch, …)``, without missing steps."""
        array = array.swapaxes(0, 1) if self.batch_major else array
        # A Runner knows the lengths and ignores what lies beyond the end of a row, so it need not be cleared.
        return array if self.packing is None else self.packing.pack(array, what, clean=False)

    def to_caller(self, array: np.ndarray) -> np.ndarray:
        """Return sequences of the graph in the caller's form, with zeros at missing steps."""
        array = array if self.packing is None else self.packing.unpack(array, clean=False)  # zeros follow each row
        return array.swapaxes(0, 1) if self.batch_major else array


class SequenceAdapter:
    """Converts the arrays of a caller for one graph over sequences, and checks them.

    Parameters
    ----------
    graph : Graph
        Its first input is a sequence with declared axes.
    layer : object
        Its ``repr`` is the place in error messages.

    Attributes
    ----------
    sequences : frozenset of str
        The inputs of the graph with the axes ``(time, batch, …)``.
    """

    def __init__(self, graph: Graph, layer: object) -> None:
        self.graph = graph
        self.layer = layer
        self._first = next(iter(graph.inputs))
        #: Shape, dtype, ``batch_major`` and layout of the last input that was an array alone.
        self._known: tuple[tuple[int, ...], np.dtype[Any], bool, Layout] | None = None
        self.sequences = frozenset(
            name
            for name, spec in graph.inputs.items()
            if spec.shape is not None and spec.shape.names[:2] == ("time", "batch")
        )

    @cached_property
    def single_graph(self) -> Graph:
        """The graph whose first input is one sequence, without a batch axis; its layers are the same objects."""
        name, spec = next(iter(self.graph.inputs.items()))
        shape = None if spec.shape is None else spec.shape.without("batch")
        return replace(self.graph, inputs={**self.graph.inputs, name: replace(spec, shape=shape)})

    def read(
        self, x: Any, others: Mapping[str, Any], *, lengths: Any, mask: Any, batch_major: bool
    ) -> tuple[dict[str, Any], Any, Layout]:
        """Return the inputs of a Runner, the lengths of the rows, and the form in which the sequences came.

        Raises
        ------
        ShapeError, DtypeError, ConfigError
            If an array, or the mask, does not fit.
        """
        alone = lengths is None and mask is None and not others and type(x) is np.ndarray
        known, given = self._known, x
        if alone and known is not None and x.shape == known[0] and x.dtype is known[1] and batch_major is known[2]:
            return {self._first: x.swapaxes(0, 1) if known[3].batch_major else x}, None, known[3]
        x, single = self._checked_input(x, batch_major)
        given_major, batch_major = batch_major, batch_major and not single
        axes = x.shape[1::-1] if batch_major else x.shape[:2]
        lengths, packing = self._lengths(lengths, mask, axes, single, batch_major)
        inputs = {next(iter(self.graph.inputs)): x, **self._checked_others(others)}
        layout = Layout(tuple(inputs), 1 if single else axes[1], single, batch_major, packing)
        arrays = {
            name: layout.to_graph(value, name) if name in self.sequences else value for name, value in inputs.items()
        }
        if alone and x is given:
            self._known = x.shape, x.dtype, given_major, layout
        return arrays, lengths, layout

    def input_error(self, name: str, error: np.ndarray | None, layout: Layout) -> np.ndarray | None:
        """Return a copy of the error for an input, in the form in which the input came."""
        if error is None:
            return None
        error = np.array(error)
        return layout.to_caller(error) if name in self.sequences else error

    def as_array(self, value: Any, what: str, *, integer: bool = False) -> np.ndarray:
        """Return ``value`` as an array of numbers; the layer's ``repr`` is computed only for an error.

        Raises
        ------
        DtypeError, ShapeError
        """
        try:
            return as_array(value, what, integer=integer)
        except GraphnetError as error:
            raise error.at(repr(self.layer)) from None

    # ------------------------------------------------------------------ checks
    def _checked_input(self, value: Any, batch_major: bool) -> tuple[np.ndarray, bool]:
        """The first input as an array whose rank and width fit, and whether it is one sequence."""
        spec = next(iter(self.graph.inputs.values()))
        x = self.as_array(value, "input", integer=spec.integer)
        shape = spec.shape
        assert shape is not None  # the first input is always declared
        single = x.ndim == 2 and shape.rank == 3
        width = shape.sizes[-1] if shape.rank > 2 else None
        if (x.ndim != shape.rank and not single) or (width is not None and x.shape[-1] != width):
            features = [str(n if s is None else s) for n, s in zip(shape.names[2:], shape.sizes[2:], strict=True)]
            axes = ["batch", "time"] if batch_major else ["time", "batch"]
            or_single = f" or ({', '.join(['time', *features])})" if shape.rank == 3 else ""
            expected = f"({', '.join([*axes, *features])}){or_single}"
            raise ShapeError("the input does not fit", where=repr(self.layer), expected=expected, received=x.shape)
        return x, single

    def _checked_others(self, others: Mapping[str, Any]) -> dict[str, Any]:
        """Further inputs; those that are sequences as arrays."""
        first, *names = self.graph.inputs
        for name in others:
            if name not in names:
                expected = ", ".join(names) or f"no input besides {first}"
                raise ShapeError("no such input", where=repr(self.layer), expected=expected, received=name)
        return {
            name: self.as_array(value, name, integer=self.graph.inputs[name].integer)
            if name in self.sequences
            else value
            for name, value in others.items()
        }

    def _lengths(
        self, lengths: Any, mask: Any, axes: tuple[int, ...], single: bool, batch_major: bool
    ) -> tuple[Any, Packing | None]:
        """The number of valid steps of each row, and how to pack rows with missing steps."""
        if mask is None:
            return lengths, None
        where = repr(self.layer)
        if single:
            raise ShapeError(
                "a mask needs a batch of sequences",
                where=where,
                expected="(time, batch, …)",
                received="one sequence",
                remedy="Leave out the missing steps instead.",
            )
        valid = as_array(mask, f"{where}, mask")
        return lengths_or_packing(lengths, valid.T if batch_major else valid, axes, where)
