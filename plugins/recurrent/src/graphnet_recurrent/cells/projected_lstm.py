"""LSTM with a recurrent projection (Sak, Senior & Beaufays 2014, arXiv:1402.1128, LSTMP)."""

from graphnet import Cell, CellGraph, concatenate, dense
from graphnet_recurrent.functional import sigmoid, tanh


def projected_lstm_cell(
    units: int, projection: int, dtype: str = "float64", *, forget_bias: bool | float = True
) -> CellGraph:
    """The LSTM whose state h and output are a projection of ``o ⊙ tanh(c_t)``, so that the products are narrower.

    With xh = [x_t, h_{t-1}]::

        i = σ(xh · W_i + b_i)       f = σ(xh · W_f + b_f)       g = tanh(xh · W_g + b_g)       o = σ(xh · W_o + b_o)
        c_t = f ⊙ c_{t-1} + i ⊙ g                               h_t = (o ⊙ tanh(c_t)) · P

    This is ``torch.nn.LSTM(proj_size=projection)``. The peepholes of Sak et al., and their second projection, which is
    not fed back, are left out.

    Parameters
    ----------
    units : int
        Width of the state ``c``.
    projection : int
        Width of the state ``h``, which is the output.
    dtype : {'float64', 'float32'}
        Of the weights: four arrays ``(features + projection + 1, units)``, the rows of ``x``, of ``h``, and the bias; P
        ``(units, projection)``, without bias.
    forget_bias : bool or float
        Initial value of the forget gate's bias; True: the bias initializer sets it.
    """
    cell = Cell("projected_lstm", sequences="x", states={"h": projection, "c": units}, dtype=dtype)
    xh = concatenate(cell.x, cell.h)
    i = sigmoid(dense(xh, units, name="input_gate"))
    f = sigmoid(dense(xh, units, name="forget_gate", bias=forget_bias))
    g = tanh(dense(xh, units, name="candidate"))
    o = sigmoid(dense(xh, units, name="output_gate"))
    c = f * cell.c + i * g
    h = dense(o * tanh(c), projection, name="projection", bias=False)
    return cell.build(output=h, h=h, c=c)
