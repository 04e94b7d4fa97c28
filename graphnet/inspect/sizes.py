"""Fill in the sizes of a graph's inputs that a run would supply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphnet.core.checks import integer
from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ShapeError, unknown


def input_shapes(
    graph: Graph, batch: int, steps: int, shapes: Mapping[str, Sequence[int]] | None = None
) -> list[Shape | None]:
    """Return the shape of each input; None for optional inputs.

    A shape is the one in ``shapes``, else the declared one, with open time and batch axes filled in and other open
    sizes as in the last run.

    Raises
    ------
    ShapeError
        If a size is not known.
    UnknownNameError
        If ``shapes`` names an unknown input.
    """
    integer("sizes of a run", "batch", batch, 1)
    integer("sizes of a run", "steps", steps, 1)
    for name in shapes or {}:
        if name not in graph.inputs:
            raise unknown("input", name, graph.inputs, where=repr(graph))
    result: list[Shape | None] = []
    for name, declared in graph.inputs.items():
        if shapes is not None and name in shapes:
            result.append(_checked(name, declared.shape, shapes[name]))
        elif declared.optional:
            result.append(None)
        else:
            result.append(_filled(name, declared.shape, graph.seen.get(name), batch, steps))
    return result


def _checked(name: str, declared: Shape | None, sizes: Sequence[int]) -> Shape:
    if declared is not None and not declared.fits(tuple(sizes)):
        raise ShapeError("the shape does not fit", where=f"input {name!r}", expected=declared, received=tuple(sizes))
    return Shape.of(tuple(sizes), None if declared is None else declared.names)


def _filled(name: str, declared: Shape | None, seen: Shape | None, batch: int, steps: int) -> Shape:
    shape = seen if declared is None else declared
    if shape is None:
        remedy = "Declare it ('batch, feature=4'), or pass shapes={...}."
        raise ShapeError("the shape is not declared", where=f"input {name!r}", remedy=remedy)
    defaults = {TIME: steps, BATCH: batch}
    last = seen.sizes if seen is not None and seen.names == shape.names else (None,) * shape.rank
    axes = zip(shape.names, shape.sizes, last, strict=True)
    sizes = [defaults.get(axis, before) if size is None else size for axis, size, before in axes]
    if None in sizes:
        remedy = f"Declare it, run the graph once, or pass shapes={{{name!r}: (...)}}."
        raise ShapeError("a size is not known", where=f"input {name!r}", received=shape, remedy=remedy)
    return Shape(shape.names, tuple(sizes))
