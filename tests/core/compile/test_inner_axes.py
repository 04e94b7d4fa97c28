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


@pytest.mark.parametrize("seed", range(16))
def test_random_cell_equals_reference(seed):
    batch = (1, 3, 2, 4)[seed % 4]
    lengths = [4, 1, 3, 0][:batch] if seed % 3 == 0 else None
    passes = None if seed % 2 else [p for i, p in enumerate(PASSES) if (seed >> (i % 4)) & 1]
    same(seed, steps=4, batch=batch, lengths=lengths, passes=passes, reverse=bool(seed % 2))
