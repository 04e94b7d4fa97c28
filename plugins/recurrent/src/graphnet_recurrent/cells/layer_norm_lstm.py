"""Layer-normalized LSTM (Ba, Kiros & Hinton 2016, "Layer normalization", equations 20-22 of the supplement)."""

from graphnet import Cell, CellGraph, LayerNormalization, dense, split
from graphnet.authoring import functional
from graphnet_recurrent.functional import sigmoid, tanh

layer_norm = functional(LayerNormalization, "layer_norm")


def layer_norm_lstm_cell(units: int, dtype: str = "float64", *, epsilon: float = 1e-5) -> CellGraph:
    """The LSTM with layer normalization of the product of the input, of that of the state, and of the cell state.

    Each LN has its own gain and bias; the first two compute their statistics over all four gates::

        [i, f, g, o] = LN(x_t · W) + LN(h_{t-1} · U)
        c_t = σ(f) ⊙ c_{t-1} + σ(i) ⊙ tanh(g)        h_t = σ(o) ⊙ tanh(LN(c_t))

    The bias b of equation 20 is left out, because it is the sum of the biases of the first two LN.

    Parameters
    ----------
    units : int
        Width of the states ``h`` (the output) and ``c``.
    dtype : {'float64', 'float32'}
        Of the weights: W ``(features, 4 · units)``, U ``(units, 4 · units)``, gains and biases.
    epsilon : float, above 0
        Added to each variance.
    """
    cell = Cell("layer_norm_lstm", sequences="x", states={"h": units, "c": units}, dtype=dtype)
    x_product = dense(cell.x, 4 * units, name="input_product", bias=False)
    x_gates = layer_norm(x_product, 4 * units, name="input_norm", epsilon=epsilon)
    h_product = dense(cell.h, 4 * units, name="state_product", bias=False)
    h_gates = layer_norm(h_product, 4 * units, name="state_norm", epsilon=epsilon)
    i, f, g, o = split(x_gates + h_gates, 4, name="gates")
    c = sigmoid(f) * cell.c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(layer_norm(c, units, name="cell_norm", epsilon=epsilon))
    return cell.build(output=h, h=h, c=c)
