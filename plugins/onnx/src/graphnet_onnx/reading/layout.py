"""Changes of the arrangement of a Term: those that only rename axes, and those that add a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from graphnet import FileError, Flatten, Layer, Value
from graphnet_onnx.layers import Rearrange
from graphnet_onnx.reading.dims import Dim, Size, divided, product
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


def canonical(term: Term, apply: Apply, *, units: bool = True) -> tuple[Term, list[int]]:
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


# ---------------------------------------------------------------------- arrays and pairs
def array_for(term: Term, array: np.ndarray) -> np.ndarray | None:
    """An array in ONNX's axes, which broadcasts to a Term, in the axes of its value after the rows.

    None if the array makes an axis larger, or differs along rows.
    """
    if array.ndim > len(term.groups):
        return None
    array = array.reshape((1,) * (len(term.groups) - array.ndim) + array.shape)
    shape: list[int] = []
    for size, group in zip(array.shape, term.groups, strict=True):
        if size == 1:
            shape += [1] * len(group)
            continue
        sizes = [term.sizes[atom] for atom in group]
        if set(group) & set(term.row_atoms) or product(sizes) != size:
            return None
        shape += [n for n in sizes if isinstance(n, int)]
    atoms = [atom for group in term.groups for atom in group]
    by_atom = array.reshape(shape)
    inner: list[int] = [atom for axis in term.axes[term.rows :] for atom in axis if atom in atoms]
    moved = by_atom.transpose([atoms.index(a) for a in (*[a for a in atoms if a not in inner], *inner)])
    moved = moved.reshape(moved.shape[len(atoms) - len(inner) :])
    full: list[int] = []
    joined: list[int] = []
    at = 0
    for axis in term.axes[term.rows :]:
        known = [term.sizes[atom] for atom in axis if atom in atoms]
        part = moved.shape[at : at + len(known)]
        wanted = list(part) if set(part) <= {1} else [n for n in known if isinstance(n, int)]
        full += wanted
        joined.append(int(np.prod(wanted)))
        at += len(known)
    return np.broadcast_to(moved, full).reshape(joined)


def separated(terms: Sequence[Term]) -> tuple[list[Term], list[int]] | None:
    """Values of one rank with an ONNX axis for each atom of the axes that join the batch with others.

    Returns
    -------
    The values, and the number of their ONNX axes for each ONNX axis before; None if they join different atoms
    """
    counts = []
    for i in range(len(terms[0].groups)):
        if not any(term.mixed(i) for term in terms):
            counts.append(1)
            continue
        parts = [[term.sizes[atom] for atom in term.groups[i]] for term in terms]
        if any(part != parts[0] for part in parts[1:]):
            return None
        counts.append(len(parts[0]))
    apart = []
    for term in terms:
        groups: list[tuple[int, ...]] = []
        for i, count in enumerate(counts):
            groups += [(atom,) for atom in term.groups[i]] if term.mixed(i) and count > 1 else [term.groups[i]]
        apart.append(replace(term, groups=tuple(groups)))
    return apart, counts


def together(term: Term, counts: Sequence[int]) -> Term:
    """The inverse of :func:`separated` for one value."""
    groups, start = [], 0
    for count in counts:
        groups.append(tuple(atom for group in term.groups[start : start + count] for atom in group))
        start += count
    return replace(term, groups=tuple(groups))


def same_layout(a: Term, b: Term) -> bool:
    """Whether both values have the same arrangement."""
    if a.rows != b.rows or len(a.groups) != len(b.groups) or len(a.axes) != len(b.axes):
        return False
    pairs: dict[int, int] = {}
    for mine, other in (((*a.axes, *a.groups), (*b.axes, *b.groups)),):
        for group, group_b in zip(mine, other, strict=True):
            if len(group) != len(group_b):
                return False
            for x, y in zip(group, group_b, strict=True):
                if pairs.setdefault(x, y) != y or a.sizes[x] != b.sizes[y]:
                    return False
    return True


def aligned(a: Term, b: Term, apply: Apply) -> tuple[Term, Term, Term]:
    """Two values whose axes broadcast as those of ONNX do, and the arrangement of the result.

    Raises
    ------
    MixedRowsError
        If an axis of one numbers rows where one of the other does not.
    """
    rank = max(len(a.groups), len(b.groups))
    a, b = (unsqueezed(t, range(rank - len(t.groups))) for t in (a, b))
    if same_layout(a, b):
        return a, b, a
    a, b = _common_rows(a, b, apply)
    if same_layout(a, b):
        return a, b, a
    rows = [i for i in range(rank) if a.is_rows(i) or b.is_rows(i)]
    parts = [_inner(t, rows, apply) for t in (a, b)]
    main = parts[0] if parts[0].rows >= parts[1].rows else parts[1]
    other = parts[1] if main is parts[0] else parts[0]
    axes, groups, sizes = list(main.axes[: main.rows]), list(main.groups), dict(main.sizes)
    translated = dict(zip(other.row_atoms[::-1], main.row_atoms[::-1], strict=False))
    for i in range(rank):
        if i in rows:
            if not main.is_rows(i):
                groups[i] = tuple(translated[atom] for atom in other.groups[i] if atom in translated)
            continue
        chosen = main if main.size(main.groups[i]) != 1 else other
        fresh = {atom: atom if chosen is main else new_atom() for atom in chosen.groups[i]}  # both may have an atom
        groups[i] = tuple(fresh.values())
        axes.append(groups[i])
        sizes |= {new: chosen.sizes[old] for old, new in fresh.items()}
    return parts[0], parts[1], replace(main, axes=tuple(axes), groups=tuple(groups), sizes=sizes)


def _common_rows(a: Term, b: Term, apply: Apply) -> tuple[Term, Term]:
    """Both with the same rows, where one of them needs the axis that the other has as time."""

    def place(term: Term, atom: int) -> int | None:
        return next((i for i, group in enumerate(term.groups) if atom in group), None)

    def single(term: Term, axis: int | None) -> bool:
        return axis is not None and len([x for x in term.groups[axis] if term.sizes[x] != 1]) == 1

    if a.rows == 2 or b.rows == 2:
        times = [place(t, t.row_atoms[0]) if t.rows == 2 else None for t in (a, b)]
        both = a.rows == b.rows == 2 and times[0] == times[1]
        fits = both or all(
            other.size(other.groups[time]) == 1 for time, other in ((times[0], b), (times[1], a)) if time is not None
        )  # fmt: skip
        if not fits or (a.rows == b.rows == 2 and not both):
            a, b = demoted(a, apply), demoted(b, apply)
    batches = [place(t, t.batch) for t in (a, b)]
    if None not in batches and batches[0] != batches[1]:
        raise mixed_rows("each row of one value would be combined with each row of another")
    for batch, other in ((batches[0], b), (batches[1], a)):
        if batch is not None and place(other, other.batch) is None and other.size(other.groups[batch]) != 1:
            raise mixed_rows("the axis of the batch is combined with an axis that is not the batch")
    if any(t.mixed(i) for t in (a, b) for i in range(len(t.groups))):
        raise mixed_rows("the batch is joined with another axis here")
    return a, b


def _inner(term: Term, rows: list[int], apply: Apply) -> Term:
    """The rows first, then an axis for each ONNX axis that is not one of ``rows``."""
    axes, groups, sizes = list(term.axes[: term.rows]), list(term.groups), dict(term.sizes)
    for i, group in enumerate(groups):
        if i in rows:
            if not term.is_rows(i):
                if term.size(group) != 1:
                    raise mixed_rows("the axis of the batch is combined with an axis that is not the batch")
                groups[i] = ()
            continue
        if not group:
            groups[i] = (new_atom(),)
            sizes[groups[i][0]] = 1
        axes.append(groups[i])
    return arranged(replace(term, groups=tuple(groups), sizes=sizes), tuple(axes), apply)
