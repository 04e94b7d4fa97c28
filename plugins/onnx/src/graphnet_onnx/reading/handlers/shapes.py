"""Operators that move numbers without computing any."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from graphnet import Concatenate, Embedding, FileError, Slice
from graphnet_onnx.reading import layout
from graphnet_onnx.reading.dims import Dim, Size, Span, divided, product
from graphnet_onnx.reading.generic import generic
from graphnet_onnx.reading.handlers.dense import floats, weight_name
from graphnet_onnx.reading.handlers.elementwise import with_array
from graphnet_onnx.reading.handlers.registry import handles
from graphnet_onnx.reading.node import NodeView
from graphnet_onnx.reading.scope import Scope
from graphnet_onnx.reading.spreading import as_term
from graphnet_onnx.reading.values import Filled, Flipped, Known, Sizes, Term, new_atom


def axes_of(scope: Scope, node: NodeView, index: int = 1) -> list[int] | None:
    """The axes of an operator, of an attribute or an input."""
    if node.has(index):
        return [int(n) for n in scope.numbers(node, index, "its axes").reshape(-1)]
    given = node.get("axes")
    return None if given is None else [int(n) for n in given]


def checked_axis(node: NodeView, axis: int, rank: int) -> int:
    """An axis counted from 0.

    Raises
    ------
    FileError
        If there is no such axis.
    """
    if not -rank <= axis < rank:
        raise FileError("no such axis", where=node.place, expected=f"{-rank} to {rank - 1}", received=axis)
    return axis % rank


def moved(scope: Scope, node: NodeView, term: Term) -> None:
    """Set the output of a node that has no layer of its own."""
    scope.set(node.outputs[0], term)


@handles("Transpose")
def transpose(scope: Scope, node: NodeView) -> None:
    """The axes in another order."""
    term = scope.term(node, 0)
    order = node.get("perm") or list(range(len(term.groups)))[::-1]
    if sorted(order) != list(range(len(term.groups))):
        raise FileError(
            "not an order of the axes", where=node.place, expected=f"{len(term.groups)} axes", received=str(order[:8])
        )
    moved(scope, node, layout.transposed(term, order))


@handles("Unsqueeze")
def unsqueeze(scope: Scope, node: NodeView) -> None:
    """Axes of size 1."""
    term, axes = scope.term(node, 0), axes_of(scope, node) or []
    if len(axes) > 32:
        raise FileError("too many axes", where=node.place, expected="at most 32", received=len(axes))
    moved(scope, node, layout.unsqueezed(term, [checked_axis(node, a, len(term.groups) + len(axes)) for a in axes]))


@handles("Squeeze")
def squeeze(scope: Scope, node: NodeView) -> None:
    """Without axes of size 1."""
    term, axes = scope.term(node, 0), axes_of(scope, node)
    dims = term.dims
    chosen = (
        [i for i, n in enumerate(dims) if n == 1] if axes is None else [checked_axis(node, a, len(dims)) for a in axes]
    )
    for axis in chosen:
        if dims[axis] != 1:
            raise layout.mixed_rows(f"axis {axis} of size {dims[axis]} would have to have size 1")
    moved(scope, node, layout.squeezed(term, chosen))


@handles("Flatten")
def flatten(scope: Scope, node: NodeView) -> None:
    """Two axes: those before ``axis`` and those after it."""
    term = scope.term(node, 0)
    axis = node.get("axis", 1)
    axis = axis + len(term.groups) if axis < 0 else axis
    sizes = term.dims
    _reshape(scope, node, term, [product(sizes[:axis]), product(sizes[axis:])])


@handles("Reshape")
def reshape(scope: Scope, node: NodeView) -> None:
    """Another shape, of numbers and of sizes that are not known."""
    term, given = scope.term(node, 0), node.inputs[1] if node.has(1) else None
    if given is None:
        wanted: list[Any] = list(node.get("shape") or [])
    elif isinstance(given, (Known, Sizes)):
        wanted = [n if isinstance(n, Dim) else int(n) for n in given.array.reshape(-1)]
    else:
        raise scope.refused(node, "its shape depends on values")
    dims = term.dims
    for i, n in enumerate(wanted):
        if n == 0 and not node.get("allowzero") and i < len(dims):
            wanted[i] = dims[i]
    if any(isinstance(n, int) and (n < -1 or n == 0) for n in wanted) or sum(n == -1 for n in wanted) > 1:
        raise FileError("not a shape", where=node.place, expected="sizes, one perhaps -1", received=str(wanted[:8]))
    if -1 in wanted:
        known = product([n for n in wanted if not (isinstance(n, int) and n == -1)])
        rest = divided(product(dims), known)
        if rest is None:
            rest = _rest(scope, dims, wanted, known)
        if rest is None:
            raise layout.mixed_rows(f"shape ({', '.join(map(str, dims))}) does not fit into {wanted}")
        wanted = [rest if isinstance(n, int) and n == -1 else n for n in wanted]
    _reshape(scope, node, term, wanted)


def _rest(scope: Scope, dims: tuple[Size, ...], wanted: list[Any], known: Size) -> Size | None:
    """The size that -1 stands for, if sizes of the file are numbers in one place and free in another."""
    numbers = [scope.conversion.value(n) for n in dims]
    taken = list(wanted)
    left: list[Size] = []
    for size, number in zip(dims, numbers, strict=True):  # sizes that occur as such, then those that are their numbers
        match = next((n for n in taken if n == size), None)
        if match is None and number is not None:
            match = next((n for n in taken if n == number), None)
        if match is None:
            left.append(size)
        else:
            taken.remove(match)
    others = product([n for n in taken if n != -1])
    result = divided(product(left), others)
    if result is None and isinstance(others, int):  # a free size that the file uses as a number
        for size in left:
            if (
                isinstance(size, Dim)
                and size != Dim(1, (scope.conversion.batch,))
                and scope.conversion.bind(size, others)
            ):
                remaining = list(left)
                remaining.remove(size)
                return product(remaining)
    return result


def _reshape(scope: Scope, node: NodeView, term: Term, wanted: list[Size]) -> None:
    result = layout.reshaped(term, wanted, scope.conversion.bind, scope.conversion.value)
    if result is None and scope.conversion.value(product(term.dims)) not in (
        None,
        scope.conversion.value(product(wanted)),
    ):
        raise FileError("the numbers of elements differ", where=node.place,
                        expected=str(list(map(str, term.dims))), received=str(list(map(str, wanted))))  # fmt: skip
    if result is None:
        result = _by_merging(scope, layout.demoted(term, scope.move), wanted)
    if result is None:
        raise layout.mixed_rows(
            f"shape ({', '.join(map(str, term.dims))}) becomes ({', '.join(map(str, wanted))}), which mixes the rows"
        )
    moved(scope, node, result)


def _by_merging(scope: Scope, term: Term, wanted: list[Size]) -> Term | None:
    """For axes that cross, such as (6, 4) to (4, 6): the numbers of each row in one axis first."""
    first = next((i for i in range(len(term.groups)) if not term.is_rows(i)), len(term.groups))
    if any(term.is_rows(i) or term.mixed(i) for i in range(first, len(term.groups))) or first == len(term.groups):
        return None
    moved_term, _ = layout.canonical(term, scope.move)
    inner = tuple(atom for axis in moved_term.axes[1:] for atom in axis)
    flat = layout.arranged(moved_term, (moved_term.axes[0], inner), scope.move)
    atom = new_atom()
    sizes = dict(flat.sizes) | {atom: flat.size(inner)}
    merged = replace(flat, axes=(flat.axes[0], (atom,)), groups=(*flat.groups[:first], (atom,)), sizes=sizes)
    return layout.reshaped(merged, wanted, scope.conversion.bind, scope.conversion.value)


@handles("Expand")
def expand(scope: Scope, node: NodeView) -> None:
    """Repetition along axes of size 1."""
    term, shape = scope.term(node, 0), node.inputs[1]
    if not isinstance(shape, (Known, Sizes)):
        raise scope.refused(node, "its shape depends on values")
    wanted = [n if isinstance(n, Dim) else int(n) for n in shape.array.reshape(-1)]
    rank = max(len(wanted), len(term.groups))
    term = layout.unsqueezed(term, range(rank - len(term.groups)))
    wanted = [*[1] * (rank - len(wanted)), *wanted]
    dims = term.dims
    if all(n in (1, m) or scope.conversion.bind(m, n) for n, m in zip(wanted, dims, strict=True)):
        moved(scope, node, term)
        return
    if any(isinstance(n, Dim) and m == 1 for n, m in zip(wanted, dims, strict=True)):
        raise scope.refused(node, "it repeats a value along an axis whose size is not known")
    from graphnet.layers import Multiply  # noqa: F401  (the layer that repeats)

    ones = np.ones([n if m == 1 and isinstance(n, int) else 1 for n, m in zip(wanted, dims, strict=True)], np.float32)
    if ones.size > 2**20:
        raise scope.refused(node, "it repeats a value too often")
    moved(scope, node, with_array(scope, node, "Mul", term, Known(ones), False))
    scope.note(node, "repeated")


# ---------------------------------------------------------------------- parts
@handles("Concat")
def concat(scope: Scope, node: NodeView) -> None:
    """Several values along one axis of their rows."""
    values: list[Any] = list(node.inputs)
    first = next((v for v in values if isinstance(v, Term)), None)
    if first is None:
        raise scope.refused(node, "no input is a value of the graph")
    axis = checked_axis(node, node.get("axis", 0), len(first.groups))
    terms = [v if isinstance(v, Term) else as_term(scope, v, node.place) if isinstance(v, (Known, Filled)) else None
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
        first: int | None = None if _outside(scope, start, size, before=step > 0) else start
        last: int | None = None if _outside(scope, end, size, before=step < 0) else end
        if isinstance(first, Dim) or isinstance(last, Dim):
            raise scope.refused(node, "its limits depend on sizes that are not known")
        term = sliced(scope, term, axis, first, last, None if step == 1 else step, node.name)
    moved(scope, node, term)


def _bounds(scope: Scope, node: NodeView, index: int) -> list[Any]:
    value = node.inputs[index] if node.has(index) else None
    if not isinstance(value, (Known, Sizes)):
        raise scope.refused(node, "its limits depend on values")
    return [n if isinstance(n, Dim) else int(n) for n in value.array.reshape(-1)]


def _outside(scope: Scope, bound: Any, size: Size, *, before: bool) -> bool:
    """Whether a limit is the end of the axis (its beginning, with ``before``)."""
    if isinstance(bound, Dim):
        return bound == size and not before
    if before:
        return bool(bound == 0 or bound < -(2**31) or (isinstance(size, int) and bound <= -size))
    return bool(bound >= 2**31 - 1 or (isinstance(size, int) and bound >= size))


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


def last_or_first(scope: Scope, term: Term, axis: int, index: int) -> Term | None:
    """The last step or the first one of a sequence; None for anything else."""
    from graphnet import Last
    from graphnet_recurrent import First

    if term.rows != 2 or term.groups[axis] != (term.row_atoms[0],) or index not in (0, -1):
        return None
    value = scope.apply(Last() if index == -1 else First(), term.value)
    groups = tuple(group for i, group in enumerate(term.groups) if i != axis)
    return replace(term, value=value, axes=term.axes[1:], groups=groups, rows=1)
