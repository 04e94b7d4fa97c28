"""Selective state space model (Gu & Dao 2023, "Mamba", arXiv:2312.00752, algorithm 2)."""

import math

import numpy as np

from graphnet import Cell, CellGraph, dense, gain, matrix_vector, outer_product, parameter
from graphnet_recurrent.cells.ranges import whole
from graphnet_recurrent.cells.spread_values import inverse_softplus, shuffled


def mamba_cell(units: int, states: int = 16, rank: int | None = None, dtype: str = "float64") -> CellGraph:
    """A diagonal state space model for each feature, whose step size, input and output depend on the input.

    With A = -exp(a) ``(units, states)``; ⊗ is the outer product::

        Δ = log(1 + exp(x_t · W_r · W_Δ + b_Δ))        B = x_t · W_B        C = x_t · W_C
        h_t = exp(Δ A) ⊙ h_{t-1} + (Δ ⊙ x_t) ⊗ B       y_t = h_t C + d ⊙ x_t

    Each row of A starts at -1, -2, …, -states (S4D-Real), and the step sizes of the features at values spread over
    [0.001, 0.1] evenly in their logarithm. The input projection, the convolution and the gate of a Mamba block are
    layers of their own: :class:`~graphnet_recurrent.RecurrentBlock`, :func:`causal_convolution_cell`.

    Parameters
    ----------
    units : int
        Width of the input and of the output.
    states : int
        N, the states of each feature; the state ``h`` is ``(batch, units, N)``.
    rank : int, optional
        Width between W_r and W_Δ; None: ``units / 16``, rounded up.
    dtype : {'float64', 'float32'}
        Of the weights: W_r ``(units, rank)``, W_Δ ``(rank, units)``, b_Δ and d ``(units,)``, W_B and W_C
        ``(units, N)``, a ``(units, N)``.

    Raises
    ------
    ConfigError
        If a size is not a positive integer.
    """
    for name, number in (("units", units), ("states", states)):
        whole("mamba_cell", name, number)
    cell = Cell("mamba", sequences={"x": units}, states={"h": f"batch, feature={units}, state={states}"}, dtype=dtype)
    x = cell.x
    low = dense(x, math.ceil(units / 16) if rank is None else rank, name="step_low", bias=False)
    start = inverse_softplus(np.exp(shuffled(units, math.log(1e-3), math.log(1e-1))))
    bias = parameter(x, units, start, name="step_bias")
    delta = np.logaddexp(dense(low, units, name="step", bias=False) + bias, 0.0)
    a = -np.exp(parameter(x, (units, states), np.log(np.arange(1.0, states + 1)), name="decay"))
    b, c = dense(x, states, name="input", bias=False), dense(x, states, name="output", bias=False)
    h = np.exp(delta[..., None] * a) * cell.h + outer_product(delta * x, b)
    y = matrix_vector(h, c) + gain(x, units, name="skip")
    return cell.build(output=y, h=h)
