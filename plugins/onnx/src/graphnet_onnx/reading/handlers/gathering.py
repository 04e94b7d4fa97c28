"""Splits, and positions that are gathered."""

from __future__ import annotations

import numpy as np

from graphnet import Embedding, FileError
from graphnet_onnx.reading import layout
from graphnet_onnx.reading.dims import Dim, Span
from graphnet_onnx.reading.generic import generic
from graphnet_onnx.reading.handlers.dense import floats, weight_name
from graphnet_onnx.reading.handlers.parts import last_or_first, sliced
from graphnet_onnx.reading.handlers.registry import handles
from graphnet_onnx.reading.handlers.shapes import checked_axis, moved
from graphnet_onnx.reading.node import NodeView
from graphnet_onnx.reading.scope import Scope
from graphnet_onnx.reading.values import Filled, Known, Term, new_atom


@handles("Split")
def split(scope: Scope, node: NodeView) -> None:
    """Parts of one axis."""
    term = scope.term(node, 0)
    axis = checked_axis(node, node.get("axis", 0), len(term.groups))
    size = scope.conversion.value(term.dims[axis])
    given = node.get("split") if not node.has(1) else [int(n) for n in scope.numbers(node, 1, "its parts").reshape(-1)]
    if given is None and size is not None:
        count = node.get("num_outputs") or len(node.outputs)
        each = -(-size // max(count, 1))
        given = [min(each, size - each * i) for i in range(count)]
    if (
        given is None
        or len(given) != len(node.outputs)
        or min(given, default=0) < 1
        or (size is not None and sum(given) != size)
    ):
        raise FileError(
            "not a split",
            where=node.place,
            expected=f"sizes of {len(node.outputs)} parts of {size}",
            received=str(given),
        )
    start = 0
    for name, count in zip(node.outputs, given, strict=True):
        if name:
            scope.set(name, sliced(scope, term, axis, start or None, start + count, None))
        start += count
    scope.note(node, f"{len(given)} slices")


@handles("Gather")
def gather(scope: Scope, node: NodeView) -> None:
    """Rows of a table by the values of an input; or constant positions of a value."""
    table, indices = node.inputs[0], node.inputs[1]
    axis = node.get("axis", 0)
    if isinstance(table, Known) and isinstance(indices, Term):
        if table.array.ndim == 2 and axis == 0 and table.array.dtype.kind == "f":
            layer = Embedding(*table.array.shape, dtype=floats(table.array).dtype.name)
            layer.set_weights(floats(table.array))
            value = scope.apply(layer, indices.value, name=weight_name(table, node))
            atom = new_atom()
            sizes = dict(indices.sizes) | {atom: table.array.shape[1]}
            axes, groups = (*indices.axes, (atom,)), (*indices.groups, (atom,))
            scope.set(node.outputs[0], Term(value, axes, groups, sizes, indices.rows, floats(table.array).dtype))
            scope.note(node, f"{value.ref.source}: {layer!r}")
            return
        generic(scope, node)
        return
    if not isinstance(table, Term) or not isinstance(indices, Known) or indices.array.dtype.kind not in "iu":
        generic(scope, node)
        return
    axis = checked_axis(node, axis, len(table.groups))
    if indices.array.ndim == 0:
        index = int(indices.array)
        size = table.dims[axis]
        if isinstance(size, int) and not -size <= index < size:
            raise FileError(
                "a position is out of range", where=node.place, expected=f"{-size} to {size - 1}", received=index
            )
        result = last_or_first(scope, table, axis, index)
        if result is None:
            part = sliced(scope, table, axis, index, index + 1 if index != -1 else None, None, node.name)
            result = layout.squeezed(part, [axis])
        moved(scope, node, result)
        return
    steps = np.diff(indices.array.reshape(-1))
    if (
        indices.array.ndim == 1
        and len(steps)
        and (steps == steps[0]).all()
        and steps[0] != 0
        and indices.array.min() >= 0
    ):
        first, step = int(indices.array[0]), int(steps[0])
        last: int | None = int(indices.array[-1]) + (1 if step > 0 else -1)
        moved(scope, node, sliced(scope, table, axis, first, None if last is not None and last < 0 else last, step))
        return
    generic(scope, node)


@handles("GatherND")
def gather_nd(scope: Scope, node: NodeView) -> None:
    """The last step of each row, or the first one, where the positions say that; else as ONNX computes it."""
    value, positions = node.inputs[0], node.inputs[1]
    if isinstance(value, Term) and isinstance(positions, Filled) and positions.array.shape[-1:] == (2,):
        step, row = positions.array.reshape(-1, 2)[0] if positions.array.size == 2 else (None, None)
        steps, rows = value.dims[:2]
        if isinstance(row, Span) and row.limit == rows and not node.get("batch_dims"):
            index = 0 if step == 0 else -1 if isinstance(steps, Dim) and step == steps - 1 else None
            found = None if index is None else last_or_first(scope, value, 0, index)
            if found is None and index is not None:
                start, stop = (0, 1) if index == 0 else (-1, None)
                found = layout.squeezed(sliced(scope, value, 0, start, stop, None), [0])
            if found is not None:
                moved(scope, node, found)
                return
    generic(scope, node)
