"""Where the parts of a program's packs come from: blocks of weights where that is enough, else computed values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from graphnet.core.compile.program import Expression, Program
from graphnet.core.records import record


@record
class WeightBlock:
    """An expression that is a block of one weight array, possibly transposed, times a number.

    A vector counts as a matrix of one row.
    """

    weight: tuple[str, str]
    rows: tuple[int, int]
    columns: tuple[int, int]
    flipped: bool = False
    factor: float = 1.0

    def block(self, spec: Sequence[Any]) -> WeightBlock | None:
        """Part of it, by slices or by the number of a row; None for any other index."""
        bounds = [self.rows, self.columns][:: -1 if self.flipped else 1]
        if len(spec) > len(bounds):
            return None
        for axis, item in enumerate(spec):
            first, last = bounds[axis]
            if isinstance(item, int) and axis == 0 and len(spec) == 1 and not self.flipped:
                row = first + item if item >= 0 else last + item
                bounds[0] = (row, row + 1)
            elif isinstance(item, tuple) and len(item) == 3 and item[2] in (None, 1):
                start, stop, _ = slice(*item).indices(last - first)
                bounds[axis] = (first + start, first + stop)
            else:
                return None
        rows, columns = bounds[:: -1 if self.flipped else 1]
        return replace(self, rows=rows, columns=columns)

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether it has this shape; a vector counts as one row."""
        sizes = (self.rows[1] - self.rows[0], self.columns[1] - self.columns[0])[:: -1 if self.flipped else 1]
        return sizes == (shape if len(shape) == 2 else (1, *shape))

    def precedes(self, other: WeightBlock) -> bool:
        """Whether the other block has the next rows of the same columns."""
        alike = replace(self, rows=(0, 0)) == replace(other, rows=(0, 0))
        return not self.flipped and alike and self.rows[1] == other.rows[0]


@record
class PackPart:
    """Some numbers of a pack and where they come from.

    Attributes
    ----------
    pack : int
    rows, columns : (int, int)
        Of the pack: the outputs and inputs of a matrix; the units of vectors, whose columns are (0, 1).
    value : int
        The number of the expression; of several blocks merged into one, that of the last.
    source : WeightBlock or None
        None where the value of the expression has to be computed.
    """

    pack: int
    rows: tuple[int, int]
    columns: tuple[int, int]
    value: int
    source: WeightBlock | None


def weight_blocks(program: Program) -> list[WeightBlock | None]:
    """For each expression, the block of a weight that it is; None for any other."""
    blocks: list[WeightBlock | None] = []
    for expression in program.expressions:
        blocks.append(_block(program, expression, blocks))
    return blocks


def _block(program: Program, expression: Expression, blocks: list[WeightBlock | None]) -> WeightBlock | None:
    if expression.name == "weight" and len(expression.shape) in (1, 2):
        rows, columns = expression.shape if len(expression.shape) == 2 else (1, *expression.shape)
        return WeightBlock(expression.attr, (0, rows), (0, columns))
    inner = blocks[expression.args[0]] if expression.args else None
    if expression.name == "multiply":
        for a, b in (expression.args, expression.args[::-1]):
            scaled, number = blocks[a], program.expressions[b]
            if scaled is not None and number.name == "constant":
                return replace(scaled, factor=scaled.factor * float(number.attr))
    if inner is None:
        return None
    shape = program.expressions[expression.args[0]].shape
    if expression.name == "part":
        part = inner.block(((None, None, None), *expression.attr) if len(shape) == 1 else expression.attr)
        return part if part is not None and part.fits(expression.shape) else None
    if expression.name == "transpose" and expression.attr is None:
        return replace(inner, flipped=not inner.flipped) if len(shape) == 2 else inner
    row = inner.rows[1] - inner.rows[0] == 1 and not inner.flipped
    width = inner.columns[1] - inner.columns[0]
    return inner if expression.name == "reshape" and row and expression.shape in ((width,), (1, width)) else None


def pack_shape(program: Program, number: int) -> tuple[int, int]:
    """The outputs and inputs of a pack of matrices; the units of vectors and 1."""
    pack = program.packs[number]
    shapes = [program.expressions[p].shape for p in pack.parts]
    if pack.form != "product":
        return sum(s[-1] if s else 1 for s in shapes), 1
    return sum(s[1] for s in shapes[:: pack.deep]), sum(s[0] for s in shapes[: pack.deep])


def pack_parts(program: Program) -> list[PackPart]:
    """The parts of all packs: as few as the weights allow."""
    blocks, parts = weight_blocks(program), []
    for number in range(len(program.packs)):
        parts += _parts(program, number, blocks)
    return parts


def _parts(program: Program, number: int, blocks: list[WeightBlock | None]) -> list[PackPart]:
    pack, parts = program.packs[number], list[PackPart]()
    row = column = 0
    for i, value in enumerate(pack.parts):
        shape, source = program.expressions[value].shape, blocks[value]
        if pack.form == "units":
            width = shape[-1] if shape else 1
            parts.append(PackPart(number, (row, row + width), (0, 1), value, source))
            row += width
            continue
        rows, columns, column = (row, row + shape[1]), (column, column + shape[0]), column + shape[0]
        if (i + 1) % pack.deep == 0:
            row, column = row + shape[1], 0
        before = parts[-1].source if i % pack.deep else None
        if source is not None and before is not None and before.precedes(source):
            source = replace(source, rows=(before.rows[0], source.rows[1]))
            columns = (parts.pop().columns[0], columns[1])
        parts.append(PackPart(number, rows, columns, value, source))
    return parts


def needed_expressions(program: Program, values: Sequence[int]) -> list[bool]:
    """Which expressions must be evaluated: those of these numbers and of gradients, and what they depend on."""
    needed = [False] * len(program.expressions)
    for value in values:
        needed[value] = True
    for expression in program.gradient_expressions:
        if expression.name == "fixed":
            needed[expression.args[0]] = True
    for i in range(len(needed) - 1, -1, -1):
        if needed[i]:
            for arg in program.expressions[i].args:
                needed[arg] = True
    return needed
