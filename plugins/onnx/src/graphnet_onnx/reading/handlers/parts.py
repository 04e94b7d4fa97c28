"""Concatenation, slices and reversals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from graphnet import Concatenate, FileError, Slice
from graphnet_onnx.reading import layout
from graphnet_onnx.reading.dims import Dim, Size
from graphnet_onnx.reading.generic import generic
from graphnet_onnx.reading.handlers.registry import handles
from graphnet_onnx.reading.handlers.shapes import axes_of, checked_axis, moved
from graphnet_onnx.reading.node import NodeView
from graphnet_onnx.reading.scope import Scope
from graphnet_onnx.reading.spreading import as_term
from graphnet_onnx.reading.values import Filled, Flipped, Known, Sizes, Term, new_atom


@handles("Concat")
def concat(scope: Scope, node: NodeView) -> None:
    """Several values along one axis of their rows."""
    values: list[Any] = list(node.inputs)
    first = next((v for v in values if isinstance(v, Term)), None)
    if first is None:
        raise scope.refused(node, "no input is a value of the graph")
    axis = checked_axis(node, node.get("axis", 0), len(first.groups))
    terms = [v if isinstance(v, Term) else as_term(scope, v) if isinstance(v, (Known, Filled)) else None
             for v in values]  # fmt: skip
    if any(t is None or len(t.groups) != len(first.groups) for t in terms):
        raise scope.refused(node, "its inputs have different ranks")
    parts: list[Term] = [t for t in terms if t is not None]
    if any(t.is_rows(axis) or t.mixed(axis) for t in parts):
        if all(t.rows == 2 for t in parts):
            parts = [layout.demoted(t, scope.move) for t in parts]
        if any(t.is_rows(axis) or t.mixed(axis) for t in parts):
            raise layout.mixed_rows("values are concatenated along the batch")
    if len({t.rows for t in parts}) > 1:
        parts = [layout.demoted(t, scope.move) for t in parts]
    arranged = [layout.canonical(t, scope.move) for t in parts]
    main, inner = arranged[0]
    if any(other != inner or [t.is_rows(i) and t.groups[i] and t.groups[i][0] == t.batch for i in range(len(t.groups))]
           != [main.is_rows(i) and main.groups[i][0] == main.batch for i in range(len(main.groups))]
           for t, other in arranged[1:]):  # fmt: skip
        raise layout.mixed_rows("the rows of concatenated values are on different axes")
    position = main.rows + inner.index(axis)
    value = scope.apply(Concatenate(position - len(main.axes)), *[t.value for t, _ in arranged], name=node.name)
    total: Size = 0
    for t, _ in arranged:
        total = (
            total + t.dims[axis]
            if isinstance(total, int) and isinstance(t.dims[axis], int)
            else _sum(total, t.dims[axis])
        )
    scope.set(node.outputs[0], resized(main.at(value), position, axis, total))
    scope.note(node, f"Concatenate({position - len(main.axes)})")


def _sum(a: Size, b: Size) -> Size:
    return b + a if isinstance(b, Dim) else a + b


def resized(term: Term, position: int, axis: int, size: Size) -> Term:
    """A canonical value whose axis ``position`` is the ONNX axis ``axis``, with another size for it."""
    atom = new_atom()
    axes = tuple((atom,) if i == position else group for i, group in enumerate(term.axes))
    groups = tuple((atom,) if i == axis else group for i, group in enumerate(term.groups))
    return replace(term, axes=axes, groups=groups, sizes=dict(term.sizes) | {atom: size})


def sliced(
    scope: Scope, term: Term, axis: int, start: int | None, stop: int | None, step: int | None, name: str = ""
) -> Term:
    """Some positions of an ONNX axis."""
    known = scope.conversion.value(term.dims[axis])
    size = term.dims[axis] if known is None else known
    if isinstance(size, int) and range(*slice(start, stop, step).indices(size)) == range(size):
        return term
    if (start or 0, stop, step or 1) in ((0, 1, 1), (-1, None, 1)):  # one step of a sequence
        one = last_or_first(scope, term, axis, start or 0)
        if one is not None:
            return layout.unsqueezed(one, [axis])
    if term.rows == 2 and (term.is_rows(axis) or term.mixed(axis)):
        term = layout.demoted(term, scope.move)
    if term.is_rows(axis) or term.mixed(axis):
        raise layout.mixed_rows("a part of the batch is selected")
    term, inner = layout.canonical(term, scope.move)
    position = term.rows + inner.index(axis)
    value = scope.apply(Slice(start, stop, step, position - len(term.axes)), term.value, name=name)
    count: Size = 0
    if isinstance(size, int):
        count = len(range(*slice(start, stop, step).indices(size)))
        if count == 0:
            raise FileError("nothing is selected", expected=f"at least one of {size} positions",
                            received=f"{start}:{stop}:{step}")  # fmt: skip
    else:
        count = _sliced_size(size, start, stop, step)
    return resized(term.at(value), position, axis, count)


def _sliced_size(size: Dim, start: int | None, stop: int | None, step: int | None) -> Size:
    """The number of positions of a free axis."""
    if step in (None, 1, -1) and (start or 0) >= 0 and stop is None and step != -1:
        return size - (start or 0)
    if step == -1 and start in (None, -1) and (stop is None or stop < -(2**31)):
        return size
    if step in (None, 1) and not start and stop is not None and stop < 0:
        return size + stop
    if start is None and stop is None and step == -1:
        return size
    if stop == 1 and not start and step in (None, 1):  # a size is at least 1
        return 1
    if stop is not None and start is not None and (start < 0) == (stop < 0) and step in (None, 1):
        return stop - start
    if stop is None and start is not None and start < 0 and step in (None, 1):
        return -start
    from graphnet_onnx.reading.dims import opaque

    return opaque(":", str(size), str(start), str(stop), str(step))


def unflipped(scope: Scope, value: Flipped) -> Term:
    """A reversed value in its own order, by a layer."""
    return sliced(scope, value.term, value.axis, None, None, -1)


def flipped(value: Term | Flipped, axis: int) -> Term | Flipped:
    """A value reversed along an ONNX axis."""
    if isinstance(value, Flipped):
        return value.term if value.axis == axis else Flipped(value.term, axis)
    return Flipped(value, axis)


@handles("ReverseSequence")
def reverse_sequence(scope: Scope, node: NodeView) -> None:
    """Rows reversed up to their ends; a plain reversal where all rows are whole."""
    value, lengths = node.inputs[0], node.inputs[1]
    axis, size = node.get("time_axis", 0), None
    if isinstance(value, (Term, Flipped)) and 0 <= axis < len(value.dims):
        size = value.dims[axis]
    whole = isinstance(lengths, (Filled, Sizes)) and all(n == size for n in lengths.array.reshape(-1))
    if size is None or not whole or (isinstance(value, Flipped) and value.axis != axis):
        node.inputs = [unflipped(scope, v) if isinstance(v, Flipped) else v for v in node.inputs]
        generic(scope, node)
        return
    scope.set(node.outputs[0], flipped(value, axis))  # type: ignore[arg-type]


def _reversed_axis(node: NodeView) -> int | None:
    """The axis of a Slice that reverses a whole axis and does nothing else."""
    values = node.inputs[1:]
    if len(values) != 4 or not all(isinstance(v, Known) and v.array.size == 1 for v in values):
        return None
    start, end, axis, step = (int(v.array.reshape(-1)[0]) for v in values)  # type: ignore[union-attr]
    return axis if step == -1 and start in (-1, 2**63 - 1) and end < -(2**31) else None


@handles("Slice")
def slice_(scope: Scope, node: NodeView) -> None:
    """Parts of several axes."""
    given, turned = node.inputs[0], _reversed_axis(node)
    if turned is not None and isinstance(given, (Term, Flipped)) and 0 <= turned < min(2, len(given.dims)):
        fits = not isinstance(given, Flipped) or given.axis == turned
        if fits and isinstance(given.dims[turned], Dim):
            scope.set(node.outputs[0], flipped(given, turned))
            return
    if isinstance(given, Flipped):
        node.inputs[0] = unflipped(scope, given)
    term = scope.term(node, 0)
    if node.has(1):
        starts = _bounds(scope, node, 1)
        ends = _bounds(scope, node, 2)
        axes = axes_of(scope, node, 3)
        steps = [int(n) for n in scope.numbers(node, 4, "its steps").reshape(-1)] if node.has(4) else None
    else:
        starts, ends, axes, steps = list(node.get("starts") or []), list(node.get("ends") or []), node.get("axes"), None
    axes = list(range(len(starts))) if axes is None else axes
    steps = steps or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise FileError("not a slice", where=node.place, expected="as many starts, ends, axes and steps",
                        received=f"{len(starts)}, {len(ends)}, {len(axes)}, {len(steps)}")  # fmt: skip
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = checked_axis(node, axis, len(term.groups))
        size = term.dims[axis]
        first: int | None = None if _outside(start, size, before=step > 0) else start
        last: int | None = None if _outside(end, size, before=step < 0) else end
        if isinstance(first, Dim) or isinstance(last, Dim):
            raise scope.refused(node, "its limits depend on sizes that are not known")
        term = sliced(scope, term, axis, first, last, None if step == 1 else step, node.name)
    moved(scope, node, term)


def _bounds(scope: Scope, node: NodeView, index: int) -> list[Any]:
    value = node.inputs[index] if node.has(index) else None
    if not isinstance(value, (Known, Sizes)):
        raise scope.refused(node, "its limits depend on values")
    return [n if isinstance(n, Dim) else int(n) for n in value.array.reshape(-1)]


def _outside(bound: Any, size: Size, *, before: bool) -> bool:
    """Whether a limit is the end of the axis (its beginning, with ``before``)."""
    if isinstance(bound, Dim):
        return bound == size and not before
    if before:
        return bool(bound == 0 or bound < -(2**31) or (isinstance(size, int) and bound <= -size))
    return bool(bound >= 2**31 - 1 or (isinstance(size, int) and bound >= size))


def last_or_first(scope: Scope, term: Term, axis: int, index: int) -> Term | None:
    """The last step or the first one of a sequence; None for anything else."""
    from graphnet import Last
    from graphnet_recurrent import First

    if term.rows != 2 or term.groups[axis] != (term.row_atoms[0],) or index not in (0, -1):
        return None
    value = scope.apply(Last() if index == -1 else First(), term.value)
    groups = tuple(group for i, group in enumerate(term.groups) if i != axis)
    return replace(term, value=value, axes=term.axes[1:], groups=groups, rows=1)
