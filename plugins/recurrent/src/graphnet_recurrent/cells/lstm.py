"""Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers, Schmidhuber & Cummins 2000)."""

from graphnet import Cell, CellGraph, concatenate, dense
from graphnet_recurrent.functional import sigmoid, tanh


def lstm_cell(
    units: int, dtype: str = "float64", forget_bias: bool | float = True, *, input_bias: bool | float = True
) -> CellGraph:
    """The LSTM with forget gate and without peepholes.

    With z = [x_t, h_{t-1}]::

        i = σ(z · W_i + b_i)        f = σ(z · W_f + b_f)        g = tanh(z · W_g + b_g)        o = σ(z · W_o + b_o)
        c_t = f ⊙ c_{t-1} + i ⊙ g                               h_t = o ⊙ tanh(c_t)

    Parameters
    ----------
    units : int
        Width of the states ``h`` (the output) and ``c``.
    dtype : {'float64', 'float32'}
        Of the four weight arrays, each ``(features + units + 1, units)``: rows of ``x``, rows of ``h``, bias.
    forget_bias : bool or float
        Where the forget gate's bias starts (1.0: Jozefowicz, Zaremba & Sutskever 2015); True leaves it to the bias
        initializer.
    input_bias : bool or float
        The same for the input gate: below 0 it starts nearly closed, which helps where little of a long sequence
        matters (Hochreiter & Schmidhuber 1997, section 5).
    """
    cell = Cell("lstm", sequences="x", states={"h": units, "c": units})
    z = concatenate(cell.x, cell.h, name="joined")
    i = sigmoid(dense(z, units, dtype=dtype, bias=input_bias, name="input_gate"), name="input_activation")
    f = sigmoid(dense(z, units, dtype=dtype, bias=forget_bias, name="forget_gate"), name="forget_activation")
    g = tanh(dense(z, units, dtype=dtype, name="candidate"), name="candidate_activation")
    o = sigmoid(dense(z, units, dtype=dtype, name="output_gate"), name="output_activation")
    c = f * cell.c + i * g
    h = o * tanh(c, name="squashed")
    return cell.build(output=h, h=h, c=c)
