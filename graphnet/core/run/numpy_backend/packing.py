"""Weights packed into operands once a forward pass, and sums unpacked into gradients once a backward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphnet.core.compile.program import (
    BACK_LOOP,
    LOOP,
    STATIC,
    AccumulatorSlice,
    Expression,
    InvalidProgram,
    Pack,
    PackRef,
    Program,
)
from graphnet.core.compile.trace.ufuncs import UFUNCS
from graphnet.core.describe.parameter import Array


def index(spec: Sequence[Any]) -> tuple[Any, ...]:
    """The numpy index that a program describes as plain data."""
    items: list[Any] = []
    for item in spec:
        if isinstance(item, int):
            items.append(item)
        else:
            items.append(Ellipsis if item == ("...",) else None if item == ("new",) else slice(*item))
    return tuple(items)


def operation(expression: Expression) -> Callable[..., Any]:
    """The function that computes an expression from its operands."""
    name, attr = expression.name, expression.attr
    if name in UFUNCS:
        return UFUNCS[name]
    if name == "part":
        where = index(attr)
        return lambda a: a[where]
    table: dict[str, Callable[..., Any]] = {
        "transpose": lambda a: a.T,
        "reshape": lambda a: a.reshape(attr),
        "concatenate": lambda *parts: np.concatenate(parts, attr),
        "matmul": np.matmul,
        "sum": lambda a: a.sum(axis=attr[0], keepdims=attr[1]),
    }
    return table[name]


#: Phases whose products take one step at a time, where a copy in the order that BLAS prefers pays off.
PER_STEP = (STATIC, LOOP, BACK_LOOP)


@dataclass(frozen=True, slots=True)
class WeightBlock:
    """An expression that is a block of one weight array, possibly transposed, times a number."""

    weight: tuple[str, str]
    rows: tuple[int, int]
    columns: tuple[int, int]
    flipped: bool = False
    factor: float = 1.0

    def block(self, spec: Sequence[Any]) -> WeightBlock | None:
        """Part of it, by slices or by the number of a row; None for any other index."""
        bounds = [self.rows, self.columns][:: -1 if self.flipped else 1]
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


class BlockCopy:
    """The copy of a weight block to its place in a pack; ``array`` is the weight of the last pass, ``view`` its block.

    Parameters
    ----------
    source : WeightBlock
    target : array
    """

    __slots__ = ("array", "factor", "name", "path", "source", "target", "view")

    def __init__(self, source: WeightBlock, target: Array) -> None:
        self.source, self.target = source, target
        (self.path, self.name), self.factor = source.weight, source.factor
        self.array: Array | None = None
        self.view: Any = None

    def refer(self, array: Array) -> Any:
        """The block of another weight array, outputs first."""
        rows, columns = slice(*self.source.rows), slice(*self.source.columns)
        view = array[rows, columns]
        self.array, self.view = array, view if self.source.flipped else view.T
        return self.view


class PackedWeights:
    """The packs of a program as arrays, filled from the weights in each pass."""

    def __init__(self, program: Program, batch: int, dtype: str) -> None:
        self.program, self.dtype = program, np.dtype(dtype)
        self.functions = [None if f.name in ("weight", "constant") else operation(f) for f in program.expressions]
        self.blocks = self._blocks()
        self.direct = self._direct()
        self.arrays = [
            np.empty((0, 0), self.dtype) if i in self.direct else self._empty(pack, batch)
            for i, pack in enumerate(program.packs)
        ]
        self.copies: list[BlockCopy] = []
        self.others: list[tuple[int, bool, Array]] = []
        for i, (pack, array) in enumerate(zip(program.packs, self.arrays, strict=True)):
            if i not in self.direct:
                self._plan(pack, array)
        self.needed = self._needed()
        self.evaluates = bool(self.others) or any(self.needed)

    def _direct(self) -> dict[int, BlockCopy]:
        """Packs that need no copy: one block of a weight, read only by products over many steps."""
        direct: dict[int, BlockCopy] = {}
        per_step = {
            o.pack
            for s in self.program.instructions
            if s.phase in PER_STEP
            for o in s.operands
            if isinstance(o, PackRef)
        }
        for i, pack in enumerate(self.program.packs):
            source = self.blocks[pack.parts[0]]
            plain = pack.form == "product" and len(pack.parts) == 1 and i not in per_step
            if plain and source is not None and source.factor == 1.0:
                direct[i] = BlockCopy(source, np.empty(0, self.dtype))
        return direct

    def shape(self, number: int) -> tuple[int, ...]:
        """The outputs and inputs of a pack of matrices."""
        pack = self.program.packs[number]
        shapes = [self.program.expressions[p].shape for p in pack.parts]
        return sum(s[1] for s in shapes[:: pack.deep]), sum(s[0] for s in shapes[: pack.deep])

    def _empty(self, pack: Pack, batch: int) -> Array:
        shapes = [self.program.expressions[p].shape for p in pack.parts]
        if pack.form == "product":
            outputs, inputs = sum(s[1] for s in shapes[:: pack.deep]), sum(s[0] for s in shapes[: pack.deep])
            if batch == 1:  # a product of one row is a quarter faster with a matrix stored inputs first
                return np.empty((inputs, outputs), self.dtype).T
            return np.empty((outputs, inputs), self.dtype)
        return np.empty((sum(s[-1] if s else 1 for s in shapes), batch), self.dtype)

    def _blocks(self) -> list[WeightBlock | None]:
        """For each expression, the block of a weight that it is; None for any other."""
        blocks: list[WeightBlock | None] = []
        for expression in self.program.expressions:
            blocks.append(self._block(expression, blocks))
        return blocks

    def _block(self, expression: Expression, blocks: list[WeightBlock | None]) -> WeightBlock | None:
        if expression.name == "weight" and len(expression.shape) == 2:
            return WeightBlock(expression.attr, (0, expression.shape[0]), (0, expression.shape[1]))
        inner = blocks[expression.args[0]] if expression.args else None
        if expression.name == "multiply":
            for a, b in (expression.args, expression.args[::-1]):
                scaled, number = blocks[a], self.program.expressions[b]
                if scaled is not None and number.name == "constant":
                    return replace(scaled, factor=scaled.factor * float(number.attr))
        if inner is None:
            return None
        if expression.name == "part":
            vector = len(self.program.expressions[expression.args[0]].shape) == 1
            part = inner.block(((None, None, None), *expression.attr) if vector else expression.attr)
            return part if part is not None and part.fits(expression.shape) else None
        if expression.name == "transpose":
            return replace(inner, flipped=not inner.flipped)
        row = inner.rows[1] - inner.rows[0] == 1 and not inner.flipped
        width = inner.columns[1] - inner.columns[0]
        return inner if expression.name == "reshape" and row and expression.shape in ((width,), (1, width)) else None

    def _plan(self, pack: Pack, array: Array) -> None:
        """Plan the copies that fill one pack: as few as the weights allow."""
        row = column = 0
        first_fill, first_other = len(self.copies), len(self.others)
        before: BlockCopy | None = None  # the copy of the previous part only, so that a gap is not closed
        for i, part in enumerate(pack.parts):
            shape, source = self.program.expressions[part].shape, self.blocks[part]
            if pack.form == "units":
                width = shape[-1] if shape else 1
                rows, columns, row = (row, row + width), (0, array.shape[1]), row + width
            else:
                rows, columns, column = (row, row + shape[1]), (column, column + shape[0]), column + shape[0]
                if (i + 1) % pack.deep == 0:
                    row, column = row + shape[1], 0
            target = array[slice(*rows), slice(*columns)]
            if source is None:
                self.others.append((part, pack.form != "units", target))
                before = None
                continue
            if i % pack.deep and before is not None and before.source.precedes(source) and pack.form != "units":
                source = replace(source, rows=(before.source.rows[0], source.rows[1]))
                target = array[slice(*rows), columns[0] - before.target.shape[1] : columns[1]]
                self.copies.pop()
            before = BlockCopy(source, target)
            self.copies.append(before)
        targets = [f.target for f in self.copies[first_fill:]] + [t for *_, t in self.others[first_other:]]
        check_covered(array, targets)

    def _needed(self) -> list[bool]:
        """Which expressions must be evaluated: those of packs that are not blocks of weights, and of gradients."""
        needed = [False] * len(self.program.expressions)
        for value, *_ in self.others:
            needed[value] = True
        for expression in self.program.gradient_expressions:
            if expression.name == "fixed":
                needed[expression.args[0]] = True
        for i in range(len(needed) - 1, -1, -1):
            if needed[i]:
                for arg in self.program.expressions[i].args:
                    needed[arg] = True
        return needed

    def evaluate(self, arrays: Mapping[str, Mapping[str, Array]]) -> list[Any]:
        """The values of the expressions that are needed, by number."""
        values: list[Any] = [None] * len(self.program.expressions)
        for i in (i for i, needed in enumerate(self.needed) if needed):
            expression, function = self.program.expressions[i], self.functions[i]
            if function is not None:
                values[i] = function(*[values[a] for a in expression.args])
            elif expression.name == "weight":
                path, name = expression.attr
                values[i] = arrays[path][name]
            else:
                values[i] = expression.attr
        return values

    def fill(self, arrays: Mapping[str, Mapping[str, Array]]) -> list[Any]:
        """Fill all packs from the weights of a pass; returns the values of the expressions that gradients need."""
        for i, copy in self.direct.items():
            array = arrays[copy.path][copy.name]
            if array is not copy.array:
                self.arrays[i] = copy.refer(array)
        for copy in self.copies:
            array = arrays[copy.path][copy.name]
            view = copy.view if array is copy.array else copy.refer(array)
            if copy.factor == 1.0:
                copy.target[...] = view
            else:
                np.multiply(view, copy.factor, copy.target)
        values = self.evaluate(arrays) if self.evaluates else []
        for value, transposed, target in self.others:
            target[...] = values[value].T if transposed else np.reshape(values[value], (-1, 1))
        return values


def check_covered(array: Array, targets: Sequence[Array]) -> None:
    """Check that every element of an array is in exactly one of these views of it; overwrites the array.

    Raises
    ------
    InvalidProgram
        If an element is in no view, and so would never be written, or in several.
    """
    array[...] = 0
    for target in targets:
        target += 1
    if not (array == 1).all():
        raise InvalidProgram(f"a pack of weights of shape {array.shape} is not filled once everywhere")


def gradients(program: Program, sums: Sequence[Any], values: Sequence[Any], dtype: Any) -> dict[tuple[str, str], Array]:
    """The gradients by layer and name.

    Parameters
    ----------
    program : Program
    sums : sequence of array or None
        Of each accumulator; None where no row counted.
    values : sequence
        Of the program's expressions.
    dtype : dtype
    """
    results: list[Any] = []
    for expression in program.gradient_expressions:
        if isinstance(expression.attr, AccumulatorSlice):
            results.append(_slice(sums[expression.attr.accumulator], expression, dtype))
        elif expression.name == "constant":
            results.append(expression.attr)
        elif expression.name == "fixed":
            results.append(values[expression.args[0]])
        else:
            results.append(operation(expression)(*[results[a] for a in expression.args]))
    return {key: results[number] for key, number in program.gradients}


def _slice(total: Array | None, expression: Expression, dtype: Any) -> Array:
    """The part of an accumulator that an expression names."""
    if total is None:
        return np.zeros(expression.shape, dtype)
    part = expression.attr
    array = total[part.rows[0] : part.rows[1], part.columns[0] : part.columns[1]]
    return array if array.shape == expression.shape else array.reshape(expression.shape)
