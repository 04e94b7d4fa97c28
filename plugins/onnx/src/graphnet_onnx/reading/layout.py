"""Changes of the arrangement of a Term: those that only rename axes, and those that add a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from graphnet import FileError, Flatten, Layer, Value
from graphnet_onnx.layers import Rearrange
from graphnet_onnx.reading.dims import Dim, Size, divided
from graphnet_onnx.reading.values import Term, new_atom

Axes = tuple[tuple[int, ...], ...]
Apply = Callable[..., Value]


class MixedRowsError(FileError):
    """An operator cannot be applied because it would combine rows of the batch."""


def mixed_rows(what: str) -> MixedRowsError:
    """The error for an operator that combines rows."""
    return MixedRowsError(
        what,
        expected="an operator that treats each example of the batch by itself",
        remedy="If another axis is the batch, name it: graphnet_onnx.load(path, batch='name'), or --batch NAME.",
    )


# ---------------------------------------------------------------------- without a layer
def transposed(term: Term, order: Sequence[int]) -> Term:
    """The ONNX axes in another order."""
    return replace(term, groups=tuple(term.groups[i] for i in order))


def unsqueezed(term: Term, axes: Sequence[int]) -> Term:
    """With axes of size 1 at these positions of the result."""
    groups = list(term.groups)
    for axis in sorted(axes):
        groups.insert(axis, ())
    return replace(term, groups=tuple(groups))


def squeezed(term: Term, axes: Sequence[int]) -> Term:
    """Without some axes of size 1."""
    return replace(term, groups=tuple(group for i, group in enumerate(term.groups) if i not in axes))


def refined(term: Term, atom: int, first: Size, second: Size) -> tuple[Term, int, int]:
    """The same with an atom divided in two, whose sizes are given; and the two atoms."""
    a, b = new_atom(), new_atom()

    def divide(groups: Axes) -> Axes:
        return tuple(tuple(each for old in group for each in ((a, b) if old == atom else (old,))) for group in groups)

    sizes = {key: size for key, size in term.sizes.items() if key != atom} | {a: first, b: second}
    return replace(term, axes=divide(term.axes), groups=divide(term.groups), sizes=sizes), a, b


def reshaped(
    term: Term, targets: Sequence[Size], bind: Callable[[Size, Size], bool], value: Callable[[Size], int | None]
) -> Term | None:
    """The ONNX axes in another grouping, in row-major order; None if that needs atoms that cross.

    ``bind(size, number)`` says whether a size that is not known may be taken as a number, and ``value(size)`` is the
    number that a size has in the file: a batch of 1 may be written as such.
    """
    waiting = [atom for group in term.groups for atom in group]
    groups: list[tuple[int, ...]] = []
    for target in targets:
        taken = _taken(term, waiting, target, bind, value)
        if taken is None:
            return None
        term, waiting, group = taken
        groups.append(group)
    if any(term.sizes[atom] != 1 and not bind(term.sizes[atom], 1) for atom in waiting):
        return None
    if any(atom in term.row_atoms for atom in waiting):  # a batch of size 1 without an axis
        return None
    if waiting and groups:
        groups[-1] = (*groups[-1], *waiting)
    return replace(term, groups=tuple(groups))


def _taken(
    term: Term, waiting: list[int], rest: Size, bind: Callable[[Size, Size], bool], value: Callable[[Size], int | None]
) -> tuple[Term, list[int], tuple[int, ...]] | None:
    """The first atoms that wait, as one axis of size ``rest``; the last may be divided. None if they cross it."""
    waiting, group = list(waiting), list[int]()
    first = next((atom for atom in waiting if term.sizes[atom] != 1), None)
    if rest == 1 and first in term.row_atoms and value(term.sizes[first]) == 1:  # type: ignore[index]
        count = waiting.index(first) + 1  # type: ignore[arg-type]
        return term, waiting[count:], tuple(waiting[:count])
    while rest != 1:
        if not waiting:
            return None
        atom, size = waiting[0], term.sizes[waiting[0]]
        quotient = divided(rest, size)
        number = value(size) if isinstance(size, Dim) else None
        inner = divided(size, rest)
        if quotient is not None:
            rest = quotient
        elif number is not None and isinstance(rest, int) and rest % number == 0:
            rest //= number
        elif inner is not None and atom not in term.row_atoms:
            term, a, b = refined(term, atom, rest, inner)
            return term, [b, *waiting[1:]], (*group, a)
        elif bind(size, rest):
            rest = 1
        else:
            return None
        group.append(waiting.pop(0))
    return term, waiting, tuple(group)


# ---------------------------------------------------------------------- with a layer
def arranged(term: Term, axes: Axes, apply: Apply, *, rows: int | None = None, batch: int | None = None) -> Term:
    """The value with its atoms in this order and in these axes; atoms of size 1 may be new, or left out.

    ``batch``, for outputs of the model: the axis that is the batch, which is not the first one then.
    """
    rows = term.rows if rows is None else rows
    present = {atom for axis in term.axes for atom in axis}
    wanted = {atom for axis in axes for atom in axis}
    sizes = dict(term.sizes) | {atom: 1 for atom in wanted - present if atom not in term.sizes}
    loose = [atom for axis in term.axes for atom in axis if atom not in wanted]
    if any(sizes[atom] != 1 for atom in loose):
        raise AssertionError("an axis would be lost")
    if axes == term.axes and rows == term.rows and not batch:
        return replace(term, sizes=sizes)
    parts = [atom for axis in term.axes for atom in axis]
    full = [list(axis) for axis in axes]
    full[-1] += loose
    order = tuple(parts.index(atom) for axis in full for atom in axis if atom in present)
    join = tuple(sum(atom in present for atom in axis) for axis in full)
    flat = order == tuple(range(len(parts))) and rows == term.rows and len(axes) == rows + 1 < len(term.axes)
    if flat and all(len(axis) == 1 for axis in term.axes[:rows]):
        layer: Layer = Flatten()
    else:
        layer = Rearrange(tuple(_split(term, axis) for axis in term.axes), order, join, rows == 2, batch or 0)
    return replace(term, value=apply(layer, term.value), axes=tuple(map(tuple, full)), sizes=sizes, rows=rows)


def _split(term: Term, axis: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes of the atoms of an axis, for Rearrange."""
    if len(axis) == 1:
        return (-1,)
    sizes = [term.sizes[atom] for atom in axis]
    if sum(isinstance(size, Dim) for size in sizes) > 1:
        raise FileError(
            "an axis is divided into parts of which two have sizes that are not known",
            received=" · ".join(map(str, sizes)),
            remedy="Export the model with fixed sizes for all axes but the batch.",
        )
    return tuple(-1 if isinstance(size, Dim) else size for size in sizes) if axis else (1,)


def canonical(term: Term, apply: Apply) -> tuple[Term, list[int]]:
    """The rows first, then one axis for each ONNX axis that does not number rows, in their order.

    Returns
    -------
    Term, and the ONNX axes that its axes after the rows hold

    Raises
    ------
    MixedRowsError
        If an axis numbers rows and something else.
    """
    term = unmixed(term, apply)
    axes, inner, groups = list(term.axes[: term.rows]), [], list(term.groups)
    for i in range(len(groups)):
        if term.is_rows(i):
            continue
        if not groups[i]:
            groups[i] = (new_atom(),)
        axes.append(groups[i])
        inner.append(i)
    sizes = dict(term.sizes) | {atom: 1 for group in groups for atom in group if atom not in term.sizes}
    prepared = replace(term, groups=tuple(groups), sizes=sizes)
    return arranged(prepared, tuple(axes), apply), inner


def unmixed(term: Term, apply: Apply) -> Term:
    """With time as an axis inside the rows, if an ONNX axis joins it with others.

    Raises
    ------
    MixedRowsError
        If the batch itself is joined with another axis.
    """
    if term.rows == 2 and any(term.mixed(i) for i in range(len(term.groups))):
        term = demoted(term, apply)
    if any(term.mixed(i) for i in range(len(term.groups))):
        raise mixed_rows("the batch is joined with another axis here")
    return term


def with_last(term: Term, axis: int, apply: Apply) -> Term:
    """With an ONNX axis as the last axis of the value, alone."""
    axis %= len(term.groups)
    if term.rows == 2 and (term.mixed(axis) or set(term.groups[axis]) == {term.row_atoms[0]}):
        term = demoted(term, apply)
    if term.is_rows(axis) or term.mixed(axis):
        raise mixed_rows("the axis of the batch is read as features")
    group = term.groups[axis]
    if not group:
        atom = new_atom()
        group = (atom,)
        groups = tuple(group if i == axis else old for i, old in enumerate(term.groups))
        term = replace(term, groups=groups, sizes={**term.sizes, atom: 1})
    if term.axes[-1] == group:
        return term
    if not any(term.mixed(i) for i in range(len(term.groups))) and axis == len(term.groups) - 1:
        return canonical(term, apply)[0]
    inner = [tuple(a for a in each if a not in group) for each in term.axes[term.rows :]]
    return arranged(term, (*term.axes[: term.rows], *[each for each in inner if each], group), apply)


def with_inner(term: Term, apply: Apply) -> Term:
    """With at least one axis after the rows, of size 1: constants need one."""
    if len(term.axes) > term.rows:
        return term
    return arranged(term, (*term.axes, (new_atom(),)), apply)


def demoted(term: Term, apply: Apply) -> Term:
    """With the batch as the only axis of rows: time becomes the axis after it."""
    if term.rows == 1:
        return term
    time, batch, *rest = term.axes
    return arranged(term, (batch, time, *rest), apply, rows=1)


def promoted(term: Term, atom: int, apply: Apply) -> Term:
    """With time, an atom of its own, in front of the batch."""
    if term.rows == 2 and term.axes[0] == (atom,):
        return term
    term = demoted(term, apply)
    rest = [tuple(a for a in axis if a != atom) for axis in term.axes[1:]]
    return arranged(term, ((atom,), term.axes[0], *[axis for axis in rest if axis]), apply, rows=2)
