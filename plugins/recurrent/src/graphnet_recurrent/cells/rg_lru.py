"""Real-gated linear recurrent unit (De et al. 2024, "Griffin", arXiv:2402.19427, equations 1-4)."""

import numpy as np

from graphnet import Cell, CellGraph, dense, parameter
from graphnet_recurrent.cells.spread_values import evenly, inverse_softplus
from graphnet_recurrent.functional import sigmoid

#: The exponent c of the paper.
SHARPNESS = 8.0
#: The smallest 1 - a², so that the derivative of its root is finite where the gate is closed.
SMALLEST = 1e-30


def rg_lru_cell(units: int, dtype: str = "float64") -> CellGraph:
    """A linear recurrence whose decay and input are gated by the input.

    ::

        r = σ(x_t · W_r + b_r)        i = σ(x_t · W_i + b_i)        log a = -8 softplus(Λ) ⊙ r
        h_t = a ⊙ h_{t-1} + √(1 - a²) ⊙ i ⊙ x_t

    Λ starts so that ``exp(-8 softplus(Λ))``, the decay of an open gate, is spread evenly over [0.9, 0.999].

    Parameters
    ----------
    units : int
        Width of the state ``h``, which is the output, and of the input ``x``.
    dtype : {'float64', 'float32'}
        Of the two weight arrays, each ``(units + 1, units)``, and of Λ, ``(units,)``.
    """
    cell = Cell("rg_lru", sequences={"x": units}, states={"h": units}, dtype=dtype)
    r = sigmoid(dense(cell.x, units, name="recurrence_gate"))
    i = sigmoid(dense(cell.x, units, name="input_gate"))
    start = inverse_softplus(-np.log(evenly(units, 0.9, 0.999)) / SHARPNESS)
    rate = np.logaddexp(parameter(cell.x, units, start, name="decay"), 0.0) * -SHARPNESS
    log_a = rate * r
    scale = np.sqrt(np.maximum(-np.expm1(2 * log_a), SMALLEST))
    h = np.exp(log_a) * cell.h + scale * (i * cell.x)
    return cell.build(output=h, h=h)
