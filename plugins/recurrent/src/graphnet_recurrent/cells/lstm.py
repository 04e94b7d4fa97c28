"""Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers, Schmidhuber & Cummins 2000)."""

from graphnet import Cell, CellGraph, concatenate, dense
from graphnet_recurrent.functional import sigmoid, tanh


def lstm_cell(
    units: int, dtype: str = "float64", forget_bias: bool | float = True, *, input_bias: bool | float = True
) -> CellGraph:
    """The LSTM with forget gate and without peepholes.

    With xh = [x_t, h_{t-1}]::

        i = σ(xh · W_i + b_i)       f = σ(xh · W_f + b_f)       g = tanh(xh · W_g + b_g)       o = σ(xh · W_o + b_o)
        c_t = f ⊙ c_{t-1} + i ⊙ g                               h_t = o ⊙ tanh(c_t)

    Parameters
    ----------
    units : int
        Width of the states ``h`` (the output) and ``c``.
    dtype : {'float64', 'float32'}
        Of the four weight arrays, each ``(features + units + 1, units)``: rows of ``x``, rows of ``h``, bias.
    forget_bias : bool or float
        Initial value of the forget gate's bias (1.0: Jozefowicz, Zaremba & Sutskever 2015); True: the bias initializer
        sets it.
    input_bias : bool or float
        The same for the input gate. Below 0 the gate starts nearly closed, which helps if few steps of a long sequence
        matter (Hochreiter & Schmidhuber 1997, section 5).
    """
    cell = Cell("lstm", sequences="x", states={"h": units, "c": units}, dtype=dtype)
    xh = concatenate(cell.x, cell.h)
    i = sigmoid(dense(xh, units, name="input_gate", bias=input_bias))
    f = sigmoid(dense(xh, units, name="forget_gate", bias=forget_bias))
    g = tanh(dense(xh, units, name="candidate"))
    o = sigmoid(dense(xh, units, name="output_gate"))
    c = f * cell.c + i * g
    h = o * tanh(c)
    return cell.build(output=h, h=h, c=c)
