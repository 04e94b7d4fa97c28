"""Minimal gated unit (Zhou, Wu, Zhang & Zhou 2016, arXiv:1603.09420)."""

from graphnet import Cell, CellGraph, concatenate, dense
from graphnet_recurrent.functional import sigmoid, tanh


def minimal_gated_cell(units: int, dtype: str = "float64") -> CellGraph:
    """A gated unit with one gate, used both as forget gate and as reset gate.

    ::

        f = σ([x_t, h_{t-1}] · W_f + b_f)        n = tanh([x_t, f ⊙ h_{t-1}] · W_n + b_n)
        h_t = (1 - f) ⊙ h_{t-1} + f ⊙ n

    Parameters
    ----------
    units : int
        Width of the state ``h``, which is the output.
    dtype : {'float64', 'float32'}
        Of the two weight arrays, each ``(features + units + 1, units)``: rows of ``x``, rows of ``h``, bias.
    """
    cell = Cell("minimal_gated", sequences="x", states={"h": units}, dtype=dtype)
    xh = concatenate(cell.x, cell.h)
    f = sigmoid(dense(xh, units, name="forget_gate"))
    n = tanh(dense(concatenate(cell.x, f * cell.h), units, name="candidate"))
    h = (1 - f) * cell.h + f * n
    return cell.build(output=h, h=h)
