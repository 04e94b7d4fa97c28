"""LSTM with peepholes (Gers & Schmidhuber 2000; Graves 2013, arXiv:1308.0850)."""

from graphnet import Cell, CellGraph, concatenate, dense
from graphnet_recurrent.functional import peephole, sigmoid, tanh


def peephole_lstm_cell(units: int, dtype: str = "float64", *, forget_bias: bool | float = True) -> CellGraph:
    """The LSTM whose gates read the cell state: input and forget gate c_{t-1}, the output gate c_t.

    With xh = [x_t, h_{t-1}] and vectors p (diagonal matrices)::

        i = σ(xh · W_i + p_i ⊙ c_{t-1} + b_i)       f = σ(xh · W_f + p_f ⊙ c_{t-1} + b_f)       g = tanh(xh · W_g + b_g)
        c_t = f ⊙ c_{t-1} + i ⊙ g                   o = σ(xh · W_o + p_o ⊙ c_t + b_o)           h_t = o ⊙ tanh(c_t)

    Parameters
    ----------
    units : int
        Width of the states ``h`` (the output) and ``c``.
    dtype : {'float64', 'float32'}
        Of the weights: four arrays ``(features + units + 1, units)``, the rows of ``x``, of ``h``, and the bias; three
        peepholes ``(units,)``.
    forget_bias : bool or float
        Initial value of the forget gate's bias; True: the bias initializer sets it.
    """
    cell = Cell("peephole_lstm", sequences="x", states={"h": units, "c": units}, dtype=dtype)
    xh = concatenate(cell.x, cell.h)
    i = sigmoid(dense(xh, units, name="input_gate") + peephole(cell.c, units, name="input_peephole"))
    f = sigmoid(
        dense(xh, units, name="forget_gate", bias=forget_bias) + peephole(cell.c, units, name="forget_peephole")
    )
    g = tanh(dense(xh, units, name="candidate"))
    c = f * cell.c + i * g
    o = sigmoid(dense(xh, units, name="output_gate") + peephole(c, units, name="output_peephole"))
    h = o * tanh(c)
    return cell.build(output=h, h=h, c=c)
