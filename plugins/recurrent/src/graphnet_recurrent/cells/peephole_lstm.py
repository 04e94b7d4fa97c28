"""LSTM with peepholes (Gers & Schmidhuber 2000; Graves 2013, arXiv:1308.0850)."""

from graphnet import Cell, CellGraph, Value, concatenate, dense
from graphnet_recurrent.functional import sigmoid, tanh
from graphnet_recurrent.layers import Peephole


def peephole_lstm_cell(units: int, dtype: str = "float64", *, forget_bias: bool | float = True) -> CellGraph:
    """The LSTM whose gates see the cell state: input and forget gate the last one, the output gate the new one.

    With z = [x_t, h_{t-1}] and vectors p (diagonal matrices)::

        i = σ(z · W_i + p_i ⊙ c_{t-1} + b_i)        f = σ(z · W_f + p_f ⊙ c_{t-1} + b_f)        g = tanh(z · W_g + b_g)
        c_t = f ⊙ c_{t-1} + i ⊙ g                   o = σ(z · W_o + p_o ⊙ c_t + b_o)            h_t = o ⊙ tanh(c_t)

    Parameters
    ----------
    units : int
        Width of the states ``h`` (the output) and ``c``.
    dtype : {'float64', 'float32'}
        Of the weights: four arrays ``(features + units + 1, units)``, the rows of ``x``, of ``h``, and the bias; three
        peepholes ``(units,)``.
    forget_bias : bool or float
        Where the forget gate's bias starts; True leaves it to the bias initializer.
    """
    cell = Cell("peephole_lstm", sequences="x", states={"h": units, "c": units})
    z = concatenate(cell.x, cell.h, name="joined")

    def gate(name: str, seen: Value, bias: bool | float = True) -> Value:
        peephole = Peephole(units, dtype=dtype)(seen, name=f"{name}_peephole")
        return sigmoid(dense(z, units, dtype=dtype, bias=bias, name=f"{name}_gate") + peephole)

    i, f = gate("input", cell.c), gate("forget", cell.c, forget_bias)
    c = f * cell.c + i * tanh(dense(z, units, dtype=dtype, name="candidate"), name="candidate_activation")
    h = gate("output", c) * tanh(c, name="squashed")
    return cell.build(output=h, h=h, c=c)
