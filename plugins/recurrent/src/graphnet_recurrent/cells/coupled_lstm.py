"""LSTM with coupled input and forget gates (Greff et al. 2017, "LSTM: a search space odyssey", variant CIFG)."""

from graphnet import Cell, CellGraph, concatenate, dense
from graphnet_recurrent.functional import sigmoid, tanh


def coupled_lstm_cell(units: int, dtype: str = "float64") -> CellGraph:
    """The LSTM that forgets as much as it takes in, ``f = 1 - i``, without peepholes.

    With z = [x_t, h_{t-1}]::

        i = σ(z · W_i + b_i)        g = tanh(z · W_g + b_g)        o = σ(z · W_o + b_o)
        c_t = (1 - i) ⊙ c_{t-1} + i ⊙ g                            h_t = o ⊙ tanh(c_t)

    Parameters
    ----------
    units : int
        Width of the states ``h`` (the output) and ``c``.
    dtype : {'float64', 'float32'}
        Of the three weight arrays, each ``(features + units + 1, units)``: rows of ``x``, rows of ``h``, bias.
    """
    cell = Cell("coupled_lstm", sequences="x", states={"h": units, "c": units})
    z = concatenate(cell.x, cell.h, name="joined")
    i = sigmoid(dense(z, units, dtype=dtype, name="input_gate"), name="input_activation")
    g = tanh(dense(z, units, dtype=dtype, name="candidate"), name="candidate_activation")
    o = sigmoid(dense(z, units, dtype=dtype, name="output_gate"), name="output_activation")
    c = (1 - i) * cell.c + i * g
    h = o * tanh(c, name="squashed")
    return cell.build(output=h, h=h, c=c)
