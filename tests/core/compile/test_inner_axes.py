"""Cells whose values have several inner axes: compiled programs against the reference backend."""

import pytest
from helpers.matrix_cells import CELLS, same

from graphnet.core.compile.pipeline import PASSES


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("batch", [1, 3])
def test_cell_equals_reference(name, batch):
    same(name, batch=batch)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("how", [{}, {"reverse": True}, {"bptt_length": 2}])
def test_cell_with_ragged_rows_equals_reference(name, how):
    same(name, steps=7, batch=4, lengths=[7, 3, 0, 5], **how)


@pytest.mark.parametrize("name", CELLS)
def test_one_pass_left_out_equals_reference(name):
    for left_out in PASSES:
        same(name, steps=3, batch=2, passes=[p for p in PASSES if p != left_out])
    same(name, steps=3, batch=2, passes=[])
