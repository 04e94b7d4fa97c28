"""Gradients that are put together from parts of accumulators, without any arithmetic: what native code copies."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from graphnet.core.compile.program import AccumulatorSlice, Expression, Program


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of an accumulator, and where a gradient has it.

    Attributes
    ----------
    source : AccumulatorSlice
    start : int
        The first number of the gradient that it fills.
    pitch : int
        Numbers from one row of the tile to the next in the gradient.
    """

    source: AccumulatorSlice
    start: int
    pitch: int

    @property
    def rows(self) -> int:
        """Its rows."""
        return self.source.rows[1] - self.source.rows[0]

    @property
    def width(self) -> int:
        """Its columns."""
        return self.source.columns[1] - self.source.columns[0]


def tiles(program: Program, number: int) -> list[Tile] | None:
    """The tiles of which a gradient consists; None if it is any other function of accumulators.

    Slices may be concatenated along any axis of vectors and matrices, in any depth, and vectors be rows of matrices.
    """
    expressions = program.gradient_expressions
    expression = expressions[number]
    if isinstance(expression.attr, AccumulatorSlice):
        source = expression.attr
        return [Tile(source, 0, source.columns[1] - source.columns[0])]
    found = _tiles(expressions, expression, _columns(expression.shape), 0)
    return None if found is None else joined(found)


def _tiles(expressions: tuple[Expression, ...], expression: Expression, pitch: int, start: int) -> list[Tile] | None:
    """The tiles of a part, as a matrix in rows of ``pitch`` numbers."""
    shape = expression.shape
    if len(shape) not in (1, 2):
        return None
    if isinstance(expression.attr, AccumulatorSlice):
        tile = Tile(expression.attr, start, pitch)
        return [tile] if (tile.rows, tile.width) == (_rows(shape), _columns(shape)) else None
    if expression.name == "reshape":
        before = expressions[expression.args[0]]
        same = (_rows(before.shape), _columns(before.shape)) == (_rows(shape), _columns(shape))
        return _tiles(expressions, before, pitch, start) if same else None
    if expression.name != "concatenate":
        return None
    below = len(shape) == 2 and expression.attr in (0, -2)
    found: list[Tile] = []
    for argument in expression.args:
        part = expressions[argument]
        if len(part.shape) != len(shape):
            return None
        inner = _tiles(expressions, part, pitch, start)
        if inner is None:
            return None
        found += inner
        start += _rows(part.shape) * pitch if below else _columns(part.shape)
    return found


def _rows(shape: tuple[int, ...]) -> int:
    return math.prod(shape[:-1])


def _columns(shape: tuple[int, ...]) -> int:
    return shape[-1] if shape else 1


def only_tiles(program: Program) -> bool:
    """Whether every gradient consists of tiles."""
    return all(tiles(program, number) is not None for _, number in program.gradients)


def joined(found: list[Tile]) -> list[Tile]:
    """The same with tiles that are neighbours in both arrays as one: fewer copies of longer rows."""
    result: list[Tile] = []
    for tile in found:
        last = result[-1] if result else None
        if (
            last is not None
            and (last.source.accumulator, last.source.rows, last.pitch)
            == (tile.source.accumulator, tile.source.rows, tile.pitch)
            and last.source.columns[1] == tile.source.columns[0]
            and last.start + last.width == tile.start
        ):
            columns = last.source.columns[0], tile.source.columns[1]
            result[-1] = replace(last, source=replace(last.source, columns=columns))
        else:
            result.append(tile)
    return result
