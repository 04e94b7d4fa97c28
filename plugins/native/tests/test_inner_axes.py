"""Cells whose values have several inner axes, as native code: numbers, layouts, threads, bounds."""

import numpy as np
import pytest
from test_threads import COUNTS, _own_cache, assert_equal_bits, use  # noqa: F401

pytest.importorskip("helpers", reason="the cells are those of graphnet's own tests")

from helpers.matrix_cells import CELLS, OTHERS, everything, graph, inputs, same, same_inputs

#: Keys and values, and rows of the batch: lanes that are full, and others.
SHAPES = [((2, 5), 1, "float32"), ((3, 9), 5, "float64"), ((4, 8), 8, "float64")]


@pytest.mark.parametrize("name", CELLS)
def test_cell_equals_reference(name):
    for sizes, batch, dtype in SHAPES:
        same(name, "native", sizes, 4, batch, dtype)


@pytest.mark.parametrize("name", OTHERS)
def test_other_inputs_equal_reference(name):
    same_inputs(name, "native")


@pytest.mark.parametrize("seed", range(100, 104))
def test_random_cell_equals_reference(seed):
    same(seed, "native", steps=4, batch=(1, 4, 9, 3)[seed % 4])


@pytest.mark.parametrize("name", CELLS)
def test_cell_with_ragged_rows_equals_reference(name):
    same(name, "native", steps=7, batch=4, lengths=[7, 3, 0, 5])


@pytest.mark.parametrize("name", ["delta", "wide", "normalized"])
def test_bits_do_not_depend_on_the_number_of_threads(name, use):  # noqa: F811
    for sizes, batch, dtype in (((5, 17), 3, "float32"), ((4, 8), 40, "float32")):
        made, given = graph(name, sizes), inputs(sizes, 5, batch, dtype)
        use(1)
        expected, _ = everything(made, given, "native")
        for number in COUNTS[:1]:
            use(number)
            found, scan = everything(made, given, "native")
            assert scan.programs[True].executable().backend == "native"
            assert_equal_bits(expected, found)


@pytest.mark.parametrize("name", ["slots", "matrices", "wide"])
def test_code_stays_inside_its_arrays(name, monkeypatch):
    monkeypatch.setenv("GRAPHNET_NATIVE_DEBUG", "1")
    for sizes, batch in (((2, 5), 1), ((4, 8), 8)):
        found, _ = everything(graph(name, sizes), inputs(sizes, 3, batch), "native")
        assert all(np.isfinite(array).all() for array in found.values())
