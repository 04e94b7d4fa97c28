"""The shapes of products in each row: the axes before those of the matrices and vectors are elementwise."""

from __future__ import annotations

from graphnet.core.describe.broadcasting import broadcast
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ShapeError
from graphnet.layers.rows import check_rows, kept

#: What to write for products with weights.
WEIGHTS = "A product with weights that are the same for every row is dense(value, units)."


def leading(layer: Layer, *operands: tuple[Shape, int]) -> Shape:
    """The common axes before those of the operands: batch, perhaps heads; they broadcast by numpy's rule.

    Parameters
    ----------
    layer : Layer
        For messages.
    *operands : tuple of Shape and int
        Each with its number of axes at the end that belong to its vector (1) or matrix (2).

    Raises
    ------
    ShapeError
        If an operand has fewer axes besides its rows, or the axes before do not fit together.
    """
    for shape, inner in operands:
        check_rows(shape, layer)
        if shape.rank < kept(shape) + inner:
            raise ShapeError(
                f"an operand has no {'matrix' if inner == 2 else 'vector'} in each row",
                where=repr(layer),
                expected="(batch, …, row, column)" if inner == 2 else "(batch, …, feature)",
                received=str(shape),
                remedy=WEIGHTS if inner == 2 else None,
            )
    return broadcast([shape.leading(shape.rank - inner) for shape, inner in operands])


def check_equal(layer: Layer, a: Shape, axis: int, b: Shape, other: int) -> None:
    """Raise a ShapeError if the two axes that a product sums over have different known sizes."""
    sizes = a.size(axis), b.size(other)
    if None not in sizes and sizes[0] != sizes[1]:
        raise ShapeError(
            "the axes that the product sums over differ in size",
            where=repr(layer),
            expected=f"axis {axis} of {a} as axis {other} of {b}",
            received=f"{sizes[0]} and {sizes[1]}",
        )


def extended(shape: Shape, *axes: tuple[str, int | None]) -> Shape:
    """The shape with more axes at its end; names may occur twice, so they are not checked from here on."""
    names, sizes = zip(*axes, strict=True)
    return Shape((*shape.names, *names), (*shape.sizes, *sizes), declared=False)


def last_axes(shape: Shape, *positions: int) -> list[tuple[str, int | None]]:
    """The names and sizes of axes."""
    return [(shape.names[position], shape.sizes[position]) for position in positions]
