"""What fills the packs of a program: weights, and values that numpy computes from them."""

from __future__ import annotations

from graphnet.core.compile.program import Program
from graphnet.core.records import record
from graphnet.core.run.numpy_backend.pack_plan import PackPart, WeightBlock, pack_parts


@record
class Source:
    """An array that packs are filled from.

    Attributes
    ----------
    weight : (str, str) or None
        Layer and name of a weight; None for a computed value.
    value : int
        The number of the expression of a computed value, else -1.
    shape : (int, int)
    """

    weight: tuple[str, str] | None
    value: int
    shape: tuple[int, int]


@record
class Packing:
    """What fills the packs of a program: parts, each with its source and the block of it."""

    sources: tuple[Source, ...]
    parts: tuple[tuple[PackPart, int, WeightBlock], ...]


def plan(program: Program) -> Packing:
    """The packing of a program."""
    sources: dict[Source, int] = {}
    shapes = {e.attr: e.shape for e in program.expressions if e.name == "weight"}
    parts = []
    for part in pack_parts(program):
        if part.source is not None:
            block, shape = part.source, matrix(shapes[part.source.weight])
            source = Source(block.weight, -1, shape)
        else:
            outputs, inputs = (end - start for start, end in (part.rows, part.columns))
            shape = (1, outputs) if program.packs[part.pack].form == "units" else (inputs, outputs)
            block = WeightBlock(("", ""), (0, shape[0]), (0, shape[1]))
            source = Source(None, part.value, shape)
        parts.append((part, sources.setdefault(source, len(sources)), block))
    return Packing(tuple(sources), tuple(parts))


def matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    """A shape with two axes; a vector is one row."""
    return (shape[0], shape[1]) if len(shape) == 2 else (1, shape[0])


def weight_shape(program: Program, weight: tuple[str, str]) -> tuple[int, ...]:
    """The shape of a weight."""
    return next(e.shape for e in program.expressions if e.name == "weight" and e.attr == weight)
