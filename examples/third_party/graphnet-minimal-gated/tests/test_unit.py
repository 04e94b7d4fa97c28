"""The unit against its equations, written out step by step and row by row."""

import math

import numpy as np
import pytest

from graphnet_minimal_gated import MinimalGated


def by_hand(x, h, gate, candidate):
    """One row: the states of all steps."""
    states = []
    for step in x:
        f = np.array([1 / (1 + math.exp(-a)) for a in gate.T @ [*step, *h, 1]])
        new = np.array([math.tanh(a) for a in candidate.T @ [*step, *(f * h), 1]])
        h = h + f * (new - h)
        states.append(h)
    return states


@pytest.mark.parametrize("given", [False, True])
def test_the_unit_computes_its_equations(given):
    rng = np.random.default_rng(0)
    x, h = rng.normal(size=(5, 3, 4)), rng.normal(size=(3, 2)) * given
    unit = MinimalGated(2)
    found = unit.forward(x, h) if given else unit.forward(x)
    cell = unit.graph.nodes["scan"].layer.cell
    gate, candidate = (cell.nodes[name].layer.get_weights() for name in ("forget_gate", "candidate"))
    expected = np.stack([by_hand(x[:, b], h[b], gate, candidate) for b in range(3)], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
