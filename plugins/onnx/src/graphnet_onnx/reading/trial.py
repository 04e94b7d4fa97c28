"""Tries an operator on small random inputs, which shows what it does with the rows of the batch."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet_onnx.layers.onnx_operator import onnx_axes
from graphnet_onnx.operators import Context, run
from graphnet_onnx.reading import layout
from graphnet_onnx.reading.dims import Dim, Size, opaque, symbol
from graphnet_onnx.reading.node import NodeView
from graphnet_onnx.reading.scope import Scope
from graphnet_onnx.reading.values import Term

#: Rows of the trial; numbers of the largest one.
FIRST, LARGEST_TRIAL = 3, 2**22


@dataclass
class Found:
    """What a trial has shown about one output."""

    rows: tuple[int, ...]
    sizes: tuple[Size, ...]
    dtype: np.dtype[Any]


def axes_of(term: Term) -> tuple[int, ...]:
    """For each ONNX axis the axis of a canonical value."""
    places = []
    for axis, group in enumerate(term.groups):
        if term.is_rows(axis):
            if len(group) != 1:
                raise layout.mixed_rows("time and batch are one axis here")
            places.append(term.row_atoms.index(group[0]))
        else:
            places.append(next((i for i, atoms in enumerate(term.axes) if group and set(group) <= set(atoms)), -1))
    return tuple(places)


class Trial:
    """Runs an operator on small random inputs: which axes of the output are rows, and are rows kept apart?"""

    def __init__(self, scope: Scope, node: NodeView, values: list[Any], terms: dict[int, Term]) -> None:
        self.scope, self.node, self.values, self.terms = scope, node, values, terms
        self.axes = {i: axes_of(t) for i, t in terms.items()}
        conversion = scope.conversion
        attributes = {n: v for n, v in node.attributes.items() if isinstance(v, (int, float, str, list, np.ndarray))}
        self.context = Context(
            node.op, node.opset, attributes, tuple(bool(n) for n in node.outputs), node.domain, node.place
        )
        self.rows = max(t.rows for t in terms.values())
        primes = itertools.chain((7, 11, 13, 17, 19), itertools.count(23, 2))
        self.free: dict[str, int] = {}
        rows = {name for t in terms.values() for atom in t.row_atoms for name in _symbols(t.sizes[atom])}
        for t in terms.values():
            for size in t.sizes.values():
                for name in _symbols(size):
                    if name not in self.free and name not in rows:
                        self.free[name] = conversion.hints.get(name) or next(primes)
        self.fixed = {name for name in self.free if name in conversion.hints}

    def number(self, size: Size, free: dict[str, int]) -> int:
        """A size as a number."""
        if not isinstance(size, Dim):
            return size
        return size.factor * math.prod(free.get(name, FIRST) for name in size.symbols)

    def arrays(self, counts: tuple[int, ...], free: dict[str, int], seed: int) -> dict[int, Any]:
        """Random values in graphnet's axes."""
        rng = np.random.default_rng(seed)
        made = {}
        for index, term in self.terms.items():
            rows = counts[-term.rows :]
            sizes = [math.prod(self.number(term.sizes[a], free) for a in axis) for axis in term.axes[term.rows :]]
            if math.prod(sizes) * math.prod(rows) > LARGEST_TRIAL * 8:
                raise self.scope.refused(self.node, "its input is too large for a trial")
            made[index] = _random(rng, (*rows, *sizes), term.dtype)
        return made

    def outputs(self, arrays: dict[int, Any]) -> tuple[Any, ...]:
        """The outputs of the operator."""
        given: list[Any] = []
        for index, value in enumerate(self.values):
            if index in arrays:
                given.append(onnx_axes(arrays[index], self.axes[index]).astype(self.terms[index].dtype))
            else:
                given.append(None if value is None else value.array)
        self._guard(given)
        return run(self.context, given)

    def _guard(self, given: list[Any]) -> None:
        """Refuse an operator whose result would be far larger than its inputs."""
        known = [a for a in given if a is not None]
        if self.node.op in (
            "Tile",
            "Pad",
            "Expand",
            "Resize",
            "Upsample",
            "ConvTranspose",
            "OneHot",
            "ConstantOfShape",
        ):
            numbers = [abs(float(n)) for a in known[1:] for n in a.reshape(-1)[:64].tolist() if not isinstance(n, str)]
            if self.node.op == "ConvTranspose":
                numbers = []
            listed = [abs(n) for v in self.node.attributes.values() if isinstance(v, list) for n in v
                      if isinstance(n, (int, float))]  # fmt: skip
            listed += [abs(v) for v in self.node.attributes.values() if isinstance(v, int)]
            if any(n > 2**14 for n in [*numbers, *listed] if n < 2**62):
                raise self.scope.refused(self.node, "its result would be too large")

    def run(self) -> list[Found]:
        """What the operator does with its rows.

        Raises
        ------
        MixedRowsError
        """
        base = tuple([4, FIRST][-self.rows :])
        arrays = self.arrays(base, self.free, 1)
        first = self.outputs(arrays)
        axes: list[list[int]] = [[] for _ in first]
        for row in range(self.rows):
            for place, axis in enumerate(self._permuted(arrays, first, row)):
                axes[place].append(axis)
        found = []
        for number, result in enumerate(first):
            if not isinstance(result, np.ndarray) or result.dtype.kind not in "fiub":
                raise self.scope.refused(self.node, f"its output {number} is not an array of numbers")
            sizes = self._sizes(first, number, axes[number], base)
            found.append(Found(tuple(axes[number]), sizes, result.dtype))
        return found

    def _permuted(self, arrays: dict[int, Any], first: tuple[Any, ...], row: int) -> list[int]:
        """The axis of each output that is an axis of rows, found by other rows in another order."""
        count = base = [4, FIRST][-self.rows :][row]
        order = np.random.default_rng(5).permutation(count)
        extra = {}
        for index, array in arrays.items():
            axis = row - (self.rows - self.terms[index].rows)
            if axis < 0:
                extra[index] = array
                continue
            more = np.flip(np.take(array, range(min(2, count)), axis), -1)
            extra[index] = np.concatenate([np.take(array, order, axis), more], axis)
        count += min(2, count)
        second = self.outputs(extra)
        axes = []
        for a, b in zip(first, second, strict=True):
            if not isinstance(a, np.ndarray):
                axes.append(-1)
                continue
            changed = [i for i, (m, n) in enumerate(zip(a.shape, b.shape, strict=False)) if m != n]
            whole = (
                len(changed) == 1 and a.ndim == b.ndim and (a.shape[changed[0]], b.shape[changed[0]]) == (base, count)
            )
            if not whole:
                raise layout.mixed_rows(f"operator {self.node.op} does not give one result for each row")
            part = np.take(b, range(base), changed[0])
            expected = np.take(a, order, changed[0])
            same = part == expected
            if a.dtype.kind == "f":
                same = np.isclose(part, expected, rtol=1e-4, atol=1e-5, equal_nan=True)
            if not np.all(same):
                raise layout.mixed_rows(f"operator {self.node.op} combines rows of the batch")
            axes.append(changed[0])
        return axes

    def _sizes(self, first: tuple[Any, ...], number: int, rows: list[int], base: tuple[int, ...]) -> tuple[Size, ...]:
        """The sizes of the other axes; free ones as symbols."""
        shape = first[number].shape
        sizes: dict[int, Size] = {i: int(n) for i, n in enumerate(shape) if i not in rows}
        for name, value in self.free.items():
            if name in self.fixed:
                continue
            other = self.outputs(self.arrays(base, {**self.free, name: value + 2}, 1))[number].shape
            for axis in sizes:
                if other[axis] != shape[axis]:
                    plain = (shape[axis], other[axis]) == (value, value + 2)
                    sizes[axis] = symbol(name) if plain else opaque("#", self.node.outputs[number], str(axis))
        return tuple(sizes.values())


def _symbols(size: Size) -> tuple[str, ...]:
    return size.symbols if isinstance(size, Dim) else ()


def _random(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "f":
        return rng.uniform(-0.9, 0.9, shape).astype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    return rng.integers(0, 2, shape).astype(dtype)
