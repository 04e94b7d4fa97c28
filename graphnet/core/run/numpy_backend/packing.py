"""What a program makes of weights once a run (packs), and of sums once a backward pass (gradients)."""

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
    """A numpy index from its plain description."""
    found: list[Any] = []
    for item in spec:
        if isinstance(item, int):
            found.append(item)
        else:
            found.append(Ellipsis if item == ("...",) else None if item == ("new",) else slice(*item))
    return tuple(found)


def operation(fixed: Expression) -> Callable[..., Any]:
    """The function that makes a fixed value, or a total, from its operands."""
    name, attr = fixed.name, fixed.attr
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


#: Phases whose products take one step at a time: there a copy that lies as BLAS likes it pays.
ONE_BY_ONE = (STATIC, LOOP, BACK_LOOP)


@dataclass(frozen=True, slots=True)
class WeightBlock:
    """A fixed value that is a rectangle of one weight array, maybe transposed, times a number."""

    weight: tuple[str, str]
    rows: tuple[int, int]
    columns: tuple[int, int]
    flipped: bool = False
    factor: float = 1.0

    def part(self, spec: Sequence[Any]) -> WeightBlock | None:
        """Part of it by slices, or one row; None for anything else."""
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
        """Whether it has a shape; a vector is one row."""
        sizes = (self.rows[1] - self.rows[0], self.columns[1] - self.columns[0])[:: -1 if self.flipped else 1]
        return sizes == (shape if len(shape) == 2 else (1, *shape))

    def below(self, other: WeightBlock) -> bool:
        """Whether the other one follows it in the same array."""
        mine, own = replace(self, rows=(0, 0)), replace(other, rows=(0, 0))
        return not self.flipped and mine == own and self.rows[1] == other.rows[0]


@dataclass(slots=True)
class BlockCopy:
    """Where a rectangle goes; ``array`` and ``view`` are those of the last run."""

    source: WeightBlock
    target: Array
    array: Array | None = None
    view: Any = None

    def seen(self, arrays: Mapping[str, Mapping[str, Array]]) -> Any:
        """The rectangle of the weight as it is now, results first."""
        path, name = self.source.weight
        array = arrays[path][name]
        if array is not self.array:
            rows, columns = slice(*self.source.rows), slice(*self.source.columns)
            view = array[rows, columns]
            self.array, self.view = array, view if self.source.flipped else view.T
        return self.view

    def run(self, arrays: Mapping[str, Mapping[str, Array]]) -> None:
        """Copy the numbers of the weight as they are now."""
        view = self.seen(arrays)
        if self.source.factor == 1.0:
            self.target[...] = view
        else:
            np.multiply(view, self.source.factor, self.target)


class PackedWeights:
    """The packs of a program as arrays, filled anew from the weights of each run."""

    def __init__(self, program: Program, batch: int, dtype: str) -> None:
        self.program, self.dtype = program, np.dtype(dtype)
        self.functions = [None if f.name in ("weight", "constant") else operation(f) for f in program.expressions]
        self.rectangles = self._rectangles()
        self.direct = self._direct()
        self.arrays = [
            np.empty((0, 0), self.dtype) if i in self.direct else self._empty(pack, batch)
            for i, pack in enumerate(program.packs)
        ]
        self.fills: list[BlockCopy] = []
        self.others: list[tuple[int, bool, Array]] = []
        for i, (pack, array) in enumerate(zip(program.packs, self.arrays, strict=True)):
            if i not in self.direct:
                self._plan(pack, array)
        self.needed = self._needed()

    def _direct(self) -> dict[int, BlockCopy]:
        """Packs that need no copy: one block of a weight, read only by products over many steps."""
        found: dict[int, BlockCopy] = {}
        loops = {
            o.pack
            for s in self.program.instructions
            if s.phase in ONE_BY_ONE
            for o in s.operands
            if isinstance(o, PackRef)
        }
        for i, pack in enumerate(self.program.packs):
            source = self.rectangles[pack.parts[0]]
            plain = pack.form == "product" and len(pack.parts) == 1 and i not in loops
            if plain and source is not None and source.factor == 1.0:
                found[i] = BlockCopy(source, np.empty(0, self.dtype))
        return found

    def shape(self, number: int) -> tuple[int, ...]:
        """The outputs and inputs of a pack of matrices."""
        pack = self.program.packs[number]
        shapes = [self.program.expressions[p].shape for p in pack.parts]
        return sum(s[1] for s in shapes[:: pack.deep]), sum(s[0] for s in shapes[: pack.deep])

    def _empty(self, pack: Pack, batch: int) -> Array:
        shapes = [self.program.expressions[p].shape for p in pack.parts]
        if pack.form == "product":
            outputs, inputs = sum(s[1] for s in shapes[:: pack.deep]), sum(s[0] for s in shapes[: pack.deep])
            if batch == 1:  # one row by a matrix that lies inputs first: a quarter faster
                return np.empty((inputs, outputs), self.dtype).T
            return np.empty((outputs, inputs), self.dtype)
        return np.empty((sum(s[-1] if s else 1 for s in shapes), batch), self.dtype)

    def _rectangles(self) -> list[WeightBlock | None]:
        """Which fixed values are rectangles of a weight."""
        found: list[WeightBlock | None] = []
        for fixed in self.program.expressions:
            found.append(self._rectangle(fixed, found))
        return found

    def _rectangle(self, fixed: Expression, found: list[WeightBlock | None]) -> WeightBlock | None:
        if fixed.name == "weight" and len(fixed.shape) == 2:
            return WeightBlock(fixed.attr, (0, fixed.shape[0]), (0, fixed.shape[1]))
        inner = found[fixed.args[0]] if fixed.args else None
        if fixed.name == "multiply":
            for a, b in (fixed.args, fixed.args[::-1]):
                scaled, number = found[a], self.program.expressions[b]
                if scaled is not None and number.name == "constant":
                    return replace(scaled, factor=scaled.factor * float(number.attr))
        if inner is None:
            return None
        if fixed.name == "part":
            vector = len(self.program.expressions[fixed.args[0]].shape) == 1
            found_part = inner.part(((None, None, None), *fixed.attr) if vector else fixed.attr)
            return found_part if found_part is not None and found_part.fits(fixed.shape) else None
        if fixed.name == "transpose":
            return replace(inner, flipped=not inner.flipped)
        row = inner.rows[1] - inner.rows[0] == 1 and not inner.flipped
        width = inner.columns[1] - inner.columns[0]
        return inner if fixed.name == "reshape" and row and fixed.shape in ((width,), (1, width)) else None

    def _plan(self, pack: Pack, array: Array) -> None:
        """How to fill one pack: as few copies as the weights allow."""
        row = column = 0
        first_fill, first_other = len(self.fills), len(self.others)
        before: BlockCopy | None = None  # the fill of the part before, and of no earlier one: a gap must stay one
        for i, part in enumerate(pack.parts):
            shape, source = self.program.expressions[part].shape, self.rectangles[part]
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
            if i % pack.deep and before is not None and before.source.below(source) and pack.form != "units":
                source = replace(source, rows=(before.source.rows[0], source.rows[1]))
                target = array[slice(*rows), columns[0] - before.target.shape[1] : columns[1]]
                self.fills.pop()
            before = BlockCopy(source, target)
            self.fills.append(before)
        targets = [f.target for f in self.fills[first_fill:]] + [t for *_, t in self.others[first_other:]]
        check_covered(array, targets)

    def _needed(self) -> list[bool]:
        """Which fixed values must be computed: for packs that are no rectangles, and for gradients."""
        found = [False] * len(self.program.expressions)
        for value, *_ in self.others:
            found[value] = True
        for total in self.program.gradient_expressions:
            if total.name == "fixed":
                found[total.args[0]] = True
        for i in range(len(found) - 1, -1, -1):
            if found[i]:
                for arg in self.program.expressions[i].args:
                    found[arg] = True
        return found

    def evaluate(self, arrays: Mapping[str, Mapping[str, Array]]) -> list[Any]:
        """The fixed values that are needed, by number."""
        values: list[Any] = [None] * len(self.program.expressions)
        for i in (i for i, needed in enumerate(self.needed) if needed):
            fixed, function = self.program.expressions[i], self.functions[i]
            if function is not None:
                values[i] = function(*[values[a] for a in fixed.args])
            elif fixed.name == "weight":
                path, name = fixed.attr
                values[i] = arrays[path][name]
            else:
                values[i] = fixed.attr
        return values

    def fill(self, arrays: Mapping[str, Mapping[str, Array]]) -> list[Any]:
        """Fill all packs; returns the fixed values that gradients need."""
        for i, fill in self.direct.items():
            self.arrays[i] = fill.seen(arrays)
        for fill in self.fills:
            fill.run(arrays)
        values = self.evaluate(arrays) if self.others or any(self.needed) else []
        for value, flip, target in self.others:
            target[...] = values[value].T if flip else np.reshape(values[value], (-1, 1))
        return values


def check_covered(array: Array, targets: Sequence[Array]) -> None:
    """Every number of an array is in exactly one of some views of it; changes the array.

    Raises
    ------
    InvalidProgram
        If one is in none, and so would never be written, or in several.
    """
    array[...] = 0
    for target in targets:
        target += 1
    if not (array == 1).all():
        raise InvalidProgram(f"a pack of weights of shape {array.shape} is not filled once everywhere")


def gradients(program: Program, sums: Sequence[Any], fixed: Sequence[Any], dtype: Any) -> dict[tuple[str, str], Array]:
    """The gradients by layer and name, from the sums over rows and steps (None where no row counted)."""
    values: list[Any] = []
    for total in program.gradient_expressions:
        if isinstance(total.attr, AccumulatorSlice):
            part, whole = total.attr, sums[total.attr.accumulator]
            if whole is None:
                values.append(np.zeros(total.shape, dtype))
                continue
            found = whole[part.rows[0] : part.rows[1], part.columns[0] : part.columns[1]]
            values.append(found if found.shape == total.shape else found.reshape(total.shape))
        elif total.name == "constant":
            values.append(total.attr)
        elif total.name == "fixed":
            values.append(fixed[total.args[0]])
        else:
            values.append(operation(total)(*[values[a] for a in total.args]))
    return {key: values[number] for key, number in program.gradients}
