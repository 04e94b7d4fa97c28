"""Rows of different length, each of which must come out as if it were alone, whatever arises beyond its end."""

import numpy as np
import padded_rows as padded
import pytest

BACKENDS = ("numpy", "reference")
LENGTHS = ([6, 3], [1, 6, 4], [3, 0, 5, 2], [0, 2, 0], [0, 0], [6, 6, 6])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(60))
def test_random_graph_gives_rows_alone(seed, backend):
    lengths = LENGTHS[seed % len(LENGTHS)]
    found, expected = padded.both(padded.graph(seed), padded.batch(seed, lengths), lengths, seed, backend=backend)
    padded.agree(found, expected, 1e-9)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(60, 72))
def test_random_graph_in_float32(seed, backend):
    lengths = LENGTHS[seed % len(LENGTHS)]
    inputs = padded.batch(seed, lengths, "float32")
    found, expected = padded.both(padded.graph(seed), inputs, lengths, seed, backend=backend)
    assert all(a.dtype == np.float32 for part in found[:2] for a in part.values())
    padded.agree(found, expected, 2e-3)
