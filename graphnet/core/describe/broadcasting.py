"""The shape of elementwise operations, and whether named axes agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphnet.core.describe.axes import BATCH, KNOWN
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ShapeError


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """The shape of an elementwise operation by numpy's rule: axes aligned at the end, 1 stretches, None fits anything.

    Raises
    ------
    ShapeError
        If two known sizes differ and neither is 1, or declared axes disagree: see :func:`check_aligned`.
    """
    longest = max(shapes, key=lambda shape: (shape.rank, shape.declared))
    check_aligned(shapes)
    sizes: list[int | None] = []
    for i in range(-longest.rank, 0):
        here = [s.sizes[i] for s in shapes if s.rank >= -i]
        known = {size for size in here if size is not None and size != 1}
        if len(known) > 1:
            raise ShapeError(
                "shapes do not fit together",
                expected=f"equal sizes or 1 on axis {longest.names[i]}",
                received=" and ".join(map(str, shapes)),
            )
        sizes.append(known.pop() if known else (None if None in here else 1))
    return replace(longest, sizes=tuple(sizes))


def check_aligned(shapes: Sequence[Shape]) -> None:
    """Refuse shapes whose declared axes disagree, where they are combined axis by axis, aligned at the end.

    Raises
    ------
    ShapeError
        If a name belongs to different axes, or a batch axis is aligned with another known axis.

    Examples
    --------
    >>> check_aligned([Shape.parse("batch, feature"), Shape.parse("batch, unit")])
    """
    if not aligned(shapes):
        raise ShapeError(
            "named axes do not agree",
            expected="the same axes in the same order",
            received=" and ".join(map(str, shapes)),
            remedy="Declare the inputs with their axes in one order, and pass arrays in it.",
        )


def aligned(shapes: Sequence[Shape]) -> bool:
    """Whether the declared axes of shapes agree: see :func:`check_aligned`."""
    rank = max(shape.rank for shape in shapes)
    first, *others = [_padded(shape, rank) for shape in shapes if shape.declared] or [shapes[0]]
    return not any(_disagree(first, other) for other in others)


def _padded(shape: Shape, rank: int) -> Shape:
    """The shape with unnamed axes of size 1 in front."""
    more = rank - shape.rank
    if not more:
        return shape
    return replace(shape, names=("",) * more + shape.names, sizes=(1,) * more + shape.sizes)


def _disagree(a: Shape, b: Shape) -> bool:
    for name, other, size, size_b in zip(a.names, b.names, a.sizes, b.sizes, strict=True):
        if name == other:
            continue
        if any(a.names.count(n) == 1 == b.names.count(n) for n in (name, other)):
            return True
        if BATCH in (name, other) and {name, other} <= KNOWN and 1 not in (size, size_b):
            return True
    return False
