"""LSTM with coupled input and forget gates (Greff et al. 2017, "LSTM: a search space odyssey", variant CIFG)."""

from graphnet import Cell, CellGraph, concatenate, dense
from graphnet_recurrent.functional import sigmoid, tanh


def coupled_lstm_cell(units: int, dtype: str = "float64") -> CellGraph:
    """The LSTM whose forget gate is ``f = 1 - i``, without peepholes.

    With xh = [x_t, h_{t-1}]::

        i = σ(xh · W_i + b_i)       g = tanh(xh · W_g + b_g)       o = σ(xh · W_o + b_o)
        c_t = (1 - i) ⊙ c_{t-1} + i ⊙ g                            h_t = o ⊙ tanh(c_t)

    Parameters
    ----------
    units : int
        Width of the states ``h`` (the output) and ``c``.
    dtype : {'float64', 'float32'}
        Of the three weight arrays, each ``(features + units + 1, units)``: rows of ``x``, rows of ``h``, bias.
    """
    cell = Cell("coupled_lstm", sequences="x", states={"h": units, "c": units}, dtype=dtype)
    xh = concatenate(cell.x, cell.h)
    i = sigmoid(dense(xh, units, name="input_gate"))
    g = tanh(dense(xh, units, name="candidate"))
    o = sigmoid(dense(xh, units, name="output_gate"))
    c = (1 - i) * cell.c + i * g
    h = o * tanh(c)
    return cell.build(output=h, h=h, c=c)
