"""A node of ONNX as a layer of one row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphnet import Layer, RuleError, Shape


class ChangedShapeError(RuleError):
    """An output has another shape than in the first run, so the graph that was built then does not fit."""


def row_shape(sizes: Sequence[int]) -> Shape:
    """Return the shape of an array as one row of a graph."""
    return Shape(("batch", *(f"axis{i}" for i in range(1, len(sizes) + 1))), (1, *sizes), False)


class NodeLayer(Layer):
    """Computes a node of ONNX in the forward direction.

    Parameters
    ----------
    operation : callable
        Returns the outputs for a list of arrays, without the axis of the row.
    ports : tuple of str
        The outputs.
    sizes : tuple of tuple of int
        Their shapes, without the axis of the row.
    label : str
        The node, for messages.

    Raises
    ------
    ChangedShapeError
        If an output has another shape.
    """

    operation: Callable[[list[Any]], Sequence[Any]]
    ports: tuple[str, ...]
    sizes: tuple[tuple[int, ...], ...]
    label: str = ""

    def output_ports(self) -> tuple[str, ...]:
        return self.ports

    def infer(self, *inputs: Shape) -> Shape | tuple[Shape, ...]:
        shapes = tuple(row_shape(sizes) for sizes in self.sizes)
        return shapes if len(shapes) > 1 else shapes[0]

    def apply(self, *inputs: Any) -> tuple[Any, Any]:
        arrays = [np.asarray(array)[0] for array in inputs]  # asarray: operators are not traced
        outputs = [np.asarray(output) for output in self.operation(arrays)]
        for output, sizes in zip(outputs, self.sizes, strict=True):
            if output.shape != sizes:
                raise ChangedShapeError(
                    "the shape depends on values", where=self.label, expected=sizes, received=output.shape
                )
        rows = tuple(output[None] for output in outputs)
        return (rows if len(rows) > 1 else rows[0]), None
