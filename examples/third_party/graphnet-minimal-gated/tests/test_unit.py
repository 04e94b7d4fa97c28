"""The unit equals its equations, computed step by step and row by row."""

import math

import numpy as np
import pytest

from graphnet_minimal_gated import MinimalGated


def states_of_row(x, h, gate, candidate):
    """Return the states of all steps of one row."""
    states = []
    for step in x:
        f = np.array([1 / (1 + math.exp(-a)) for a in gate.T @ [*step, *h, 1]])
        new = np.array([math.tanh(a) for a in candidate.T @ [*step, *(f * h), 1]])
        h = h + f * (new - h)
        states.append(h)
    return states


@pytest.mark.parametrize("with_first_state", [False, True])
def test_unit_equals_equations(with_first_state):
    rng = np.random.default_rng(0)
    x, h = rng.normal(size=(5, 3, 4)), rng.normal(size=(3, 2)) * with_first_state
    unit = MinimalGated(2)
    states = unit.forward(x, h) if with_first_state else unit.forward(x)
    cell = unit.graph.nodes["scan"].layer.cell
    gate, candidate = (cell.nodes[name].layer.get_weights() for name in ("forget_gate", "candidate"))
    expected = np.stack([states_of_row(x[:, b], h[b], gate, candidate) for b in range(3)], axis=1)
    np.testing.assert_allclose(states, expected, rtol=1e-12)
