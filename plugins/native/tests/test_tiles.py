"""Gradients made of parts of accumulators: the tiles that native code copies, against numpy's concatenation."""

from types import SimpleNamespace

import numpy as np
import pytest

from graphnet.core.compile.program import AccumulatorSlice, Expression
from graphnet.core.run.numpy_backend.packing import gradients
from graphnet_native.tiles import only_tiles, tiles

ROWS, COLUMNS = 9, 11


class Drawn:
    """The expressions of a program with two accumulators."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.expressions = []

    def add(self, name, args, attr, shape):
        self.expressions.append(Expression(name=name, args=tuple(args), attr=attr, shape=shape))
        return len(self.expressions) - 1

    def part(self, rows, columns, vector=False):
        first, left = self.rng.integers(ROWS - rows + 1), self.rng.integers(COLUMNS - columns + 1)
        accumulator = int(self.rng.integers(2))
        place = AccumulatorSlice(accumulator, (int(first), int(first) + rows), (int(left), int(left) + columns))
        return self.add("accumulator slice", (), place, (columns,) if vector else (rows, columns))

    def vector(self, columns, depth):
        if depth == 0 or columns < 2:
            return self.part(1, columns, vector=True)
        cut = int(self.rng.integers(1, columns))
        parts = [self.vector(cut, depth - 1), self.vector(columns - cut, depth - 1)]
        return self.add("concatenate", parts, 0, (columns,))

    def matrix(self, rows, columns, depth):
        if depth == 0:
            return self.part(rows, columns)
        if rows == 1 and self.rng.random() < 0.5:
            return self.add("reshape", (self.vector(columns, depth - 1),), (1, columns), (1, columns))
        axis = int(self.rng.integers(2))
        size = (rows, columns)[axis]
        if size < 2:
            return self.matrix(rows, columns, depth - 1)
        cut = int(self.rng.integers(1, size))
        sizes = [(cut, columns), (rows - cut, columns)] if axis == 0 else [(rows, cut), (rows, columns - cut)]
        parts = [self.matrix(*part, depth - 1) for part in sizes]
        return self.add("concatenate", parts, axis - 2 if self.rng.random() < 0.3 else axis, (rows, columns))

    def program(self, *numbers):
        keyed = tuple(((f"layer {k}", "weights"), number) for k, number in enumerate(numbers))
        return SimpleNamespace(gradient_expressions=tuple(self.expressions), gradients=keyed)


def copied(found, sums, shape):
    """The gradient as its tiles are copied, number by number."""
    result = np.full(int(np.prod(shape)), np.nan)
    for tile in found:
        part = tile.source
        block = sums[part.accumulator][slice(*part.rows), slice(*part.columns)]
        assert block.shape == (tile.rows, tile.width)
        for (i, j), number in np.ndenumerate(block):
            result[tile.start + i * tile.pitch + j] = number
    return result.reshape(shape)


@pytest.mark.parametrize("seed", range(60))
def test_tiles_are_the_concatenation(seed):
    drawn = Drawn(seed)
    numbers = [drawn.matrix(int(drawn.rng.integers(1, 8)), int(drawn.rng.integers(1, 9)), 4), drawn.vector(7, 3)]
    program = drawn.program(*numbers)
    sums = [np.random.default_rng(seed + k).normal(size=(ROWS, COLUMNS)) for k in range(2)]
    expected = gradients(program, sums, [], np.dtype(float))
    assert only_tiles(program)
    for key, number in program.gradients:
        assert np.array_equal(copied(tiles(program, number), sums, expected[key].shape), expected[key])


def test_neighbours_are_one_tile():
    drawn = Drawn(0)
    gates = [drawn.add("accumulator slice", (), AccumulatorSlice(0, (2, 5), (k, k + 2)), (3, 2)) for k in (1, 3, 5)]
    number = drawn.add("concatenate", gates, 1, (3, 6))
    (whole,) = tiles(drawn.program(), number)
    assert (whole.source.rows, whole.source.columns, whole.start, whole.pitch) == ((2, 5), (1, 7), 0, 6)


@pytest.mark.parametrize(
    ("name", "attr", "shape"),
    [("reshape", (6, 1), (6, 1)), ("transpose", None, (6, 1)), ("sum", ((0,), False), (6,)), ("constant", 2.0, ())],
)
def test_other_functions_are_not_tiles(name, attr, shape):
    drawn = Drawn(1)
    inner = drawn.part(1, 6)
    number = drawn.add(name, () if name == "constant" else (inner,), attr, shape)
    assert tiles(drawn.program(), number) is None
    assert not only_tiles(drawn.program(inner, number))


def test_single_slice_of_any_shape_is_copied_as_it_is():
    drawn = Drawn(2)
    number = drawn.add("accumulator slice", (), AccumulatorSlice(1, (0, 4), (3, 6)), (2, 2, 3))
    sums = [np.zeros((ROWS, COLUMNS)), np.arange(ROWS * COLUMNS, dtype=float).reshape(ROWS, COLUMNS)]
    found = copied(tiles(drawn.program(), number), sums, (2, 2, 3))
    assert np.array_equal(found, sums[1][0:4, 3:6].reshape(2, 2, 3))
