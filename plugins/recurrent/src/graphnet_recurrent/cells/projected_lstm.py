"""LSTM with a recurrent projection (Sak, Senior & Beaufays 2014, arXiv:1402.1128, LSTMP)."""

from graphnet import Cell, CellGraph, concatenate, dense
from graphnet_recurrent.functional import sigmoid, tanh


def projected_lstm_cell(
    units: int, projection: int, dtype: str = "float64", *, forget_bias: bool | float = True
) -> CellGraph:
    """The LSTM whose state and output are a projection of what its cells give, so that the products are narrower.

    With z = [x_t, h_{t-1}]::

        i = σ(z · W_i + b_i)        f = σ(z · W_f + b_f)        g = tanh(z · W_g + b_g)        o = σ(z · W_o + b_o)
        c_t = f ⊙ c_{t-1} + i ⊙ g                               h_t = (o ⊙ tanh(c_t)) · P

    This is ``torch.nn.LSTM(proj_size=projection)``. Sak et al. have peepholes besides, and a second projection that is
    not fed back; neither is here.

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
        Where the forget gate's bias starts; True leaves it to the bias initializer.
    """
    cell = Cell("projected_lstm", sequences="x", states={"h": projection, "c": units})
    z = concatenate(cell.x, cell.h, name="joined")
    i = sigmoid(dense(z, units, dtype=dtype, name="input_gate"), name="input_activation")
    f = sigmoid(dense(z, units, dtype=dtype, bias=forget_bias, name="forget_gate"), name="forget_activation")
    g = tanh(dense(z, units, dtype=dtype, name="candidate"), name="candidate_activation")
    o = sigmoid(dense(z, units, dtype=dtype, name="output_gate"), name="output_activation")
    c = f * cell.c + i * g
    h = dense(o * tanh(c, name="squashed"), projection, bias=False, dtype=dtype, name="projection")
    return cell.build(output=h, h=h, c=c)
