"""Operators that move numbers without computing any."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from graphnet import FileError
from graphnet_onnx.reading import layout
from graphnet_onnx.reading.dims import Dim, Size, divided, product
from graphnet_onnx.reading.handlers.pairs import with_array
from graphnet_onnx.reading.handlers.registry import handles
from graphnet_onnx.reading.node import NodeView
from graphnet_onnx.reading.scope import Scope
from graphnet_onnx.reading.values import Known, Sizes, Term, new_atom


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
            rest = _rest(scope, dims, wanted)
        if rest is None:
            raise layout.mixed_rows(f"shape ({', '.join(map(str, dims))}) does not fit into {wanted}")
        wanted = [rest if isinstance(n, int) and n == -1 else n for n in wanted]
    _reshape(scope, node, term, wanted)


def _rest(scope: Scope, dims: tuple[Size, ...], wanted: list[Any]) -> Size | None:
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
