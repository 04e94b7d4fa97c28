"""The arrangement of values that an operator combines: constants and values, and two values that broadcast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from graphnet_onnx.reading.dims import product
from graphnet_onnx.reading.layout import Apply, arranged, demoted, mixed_rows, unsqueezed
from graphnet_onnx.reading.values import Term, new_atom


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
    for group, group_b in zip((*a.axes, *a.groups), (*b.axes, *b.groups), strict=True):
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
