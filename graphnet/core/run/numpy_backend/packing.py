"""Weights packed into operands once a forward pass, and sums unpacked into gradients once a backward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphnet.core.compile.program import (
    BACK_LOOP,
    LOOP,
    STATIC,
    AccumulatorSlice,
    Expression,
    InvalidProgram,
    PackRef,
    Program,
)
from graphnet.core.compile.trace.ufuncs import UFUNCS
from graphnet.core.describe.parameter import Array
from graphnet.core.run.numpy_backend.pack_plan import (
    PackPart,
    WeightBlock,
    needed_expressions,
    pack_parts,
    pack_shape,
    weight_blocks,
)


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
        "transpose": lambda a: a.transpose(attr),
        "broadcast": lambda a: np.broadcast_to(a, attr),
        "reshape": lambda a: a.reshape(attr),
        "concatenate": lambda *parts: np.concatenate(parts, attr),
        "matmul": np.matmul,
        "sum": lambda a: a.sum(axis=attr[0], keepdims=attr[1]),
    }
    return table[name]


#: Phases whose products take one step at a time, where a copy in the order that BLAS prefers pays off.
PER_STEP = (STATIC, LOOP, BACK_LOOP)


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
        view = (array if array.ndim == 2 else array.reshape(1, -1))[rows, columns]
        self.array, self.view = array, view if self.source.flipped else view.T
        return self.view


class Values:
    """The values of the expressions of weights that a pass needs.

    Parameters
    ----------
    program : Program
    others : sequence of int
        The expressions whose values packs need; gradients may need more.
    """

    def __init__(self, program: Program, others: Sequence[int]) -> None:
        self.program = program
        self._needed = [i for i, needed in enumerate(needed_expressions(program, others)) if needed]
        self._functions = {
            i: operation(program.expressions[i])
            for i in self._needed
            if program.expressions[i].name not in ("weight", "constant")
        }

    def evaluate(self, arrays: Mapping[str, Mapping[str, Array]]) -> list[Any]:
        """The values by number; an empty list if none is needed."""
        if not self._needed:
            return []
        values: list[Any] = [None] * len(self.program.expressions)
        for i in self._needed:
            expression, function = self.program.expressions[i], self._functions.get(i)
            if function is not None:
                values[i] = function(*[values[a] for a in expression.args])
            elif expression.name == "weight":
                path, name = expression.attr
                values[i] = arrays[path][name]
            else:
                values[i] = expression.attr
        return values


class PackedWeights:
    """The packs of a program as arrays, filled from the weights in each pass."""

    def __init__(self, program: Program, batch: int, dtype: str) -> None:
        self.program, self.dtype = program, np.dtype(dtype)
        parts = pack_parts(program)
        self.direct = self._direct()
        self.arrays = [
            np.empty((0, 0), self.dtype) if i in self.direct else self._empty(i, batch)
            for i in range(len(program.packs))
        ]
        self.copies: list[BlockCopy] = []
        self.others: list[tuple[int, bool, Array]] = []
        parts_of: dict[int, list[PackPart]] = {}
        for part in parts:
            parts_of.setdefault(part.pack, []).append(part)
        for i in range(len(program.packs)):
            if i not in self.direct:
                self._plan(i, parts_of.get(i, ()))
        self.values = Values(program, [value for value, *_ in self.others])

    def _direct(self) -> dict[int, BlockCopy]:
        """Packs that need no copy: one block of a weight, read only by products over many steps."""
        direct: dict[int, BlockCopy] = {}
        blocks = weight_blocks(self.program)
        per_step = {
            o.pack
            for s in self.program.instructions
            if s.phase in PER_STEP
            for o in s.operands
            if isinstance(o, PackRef)
        }
        for i, pack in enumerate(self.program.packs):
            source = blocks[pack.parts[0]]
            plain = pack.form == "product" and len(pack.parts) == 1 and i not in per_step
            if plain and source is not None and source.factor == 1.0:
                direct[i] = BlockCopy(source, np.empty(0, self.dtype))
        return direct

    def shape(self, number: int) -> tuple[int, ...]:
        """The outputs and inputs of a pack of matrices."""
        return pack_shape(self.program, number)

    def _empty(self, number: int, batch: int) -> Array:
        outputs, inputs = pack_shape(self.program, number)
        if self.program.packs[number].form != "product":
            return np.empty((outputs, batch), self.dtype)
        if batch == 1:  # a product of one row is a quarter faster with a matrix stored inputs first
            return np.empty((inputs, outputs), self.dtype).T
        return np.empty((outputs, inputs), self.dtype)

    def _plan(self, number: int, parts: Sequence[PackPart]) -> None:
        """Plan the copies that fill one pack."""
        array, units = self.arrays[number], self.program.packs[number].form == "units"
        targets = []
        for part in parts:
            target = array[slice(*part.rows)] if units else array[slice(*part.rows), slice(*part.columns)]
            targets.append(target)
            if part.source is None:
                self.others.append((part.value, not units, target))
            else:
                self.copies.append(BlockCopy(part.source, target))
        check_covered(array, targets)

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
        values = self.values.evaluate(arrays)
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
