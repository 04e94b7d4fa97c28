"""Layer-normalized LSTM (Ba, Kiros & Hinton 2016, "Layer normalization", equations 20-22 of the supplement)."""

from graphnet import Cell, CellGraph, LayerNormalization, Value, dense, split
from graphnet_recurrent.functional import sigmoid, tanh


def layer_norm_lstm_cell(units: int, dtype: str = "float64", *, epsilon: float = 1e-5) -> CellGraph:
    """The LSTM with the product of the input, that of the state, and the cell normalized.

    LN has a gain and a bias of its own in each place; the first two take their statistics over all four gates::

        [i, f, g, o] = LN(x_t · W) + LN(h_{t-1} · U)
        c_t = σ(f) ⊙ c_{t-1} + σ(i) ⊙ tanh(g)        h_t = σ(o) ⊙ tanh(LN(c_t))

    The bias b of equation 20 is left out: the biases of the first two LN add up to it.

    Parameters
    ----------
    units : int
        Width of the states ``h`` (the output) and ``c``.
    dtype : {'float64', 'float32'}
        Of the weights: W ``(features, 4 · units)``, U ``(units, 4 · units)``, gains and biases.
    epsilon : float, above 0
        Added to each variance.
    """
    cell = Cell("layer_norm_lstm", sequences="x", states={"h": units, "c": units})

    def normalized(value: Value, name: str) -> Value:
        product = dense(value, 4 * units, bias=False, dtype=dtype, name=f"{name}_product")
        return LayerNormalization(4 * units, epsilon=epsilon, dtype=dtype)(product, name=f"{name}_norm")

    i, f, g, o = split(normalized(cell.x, "input") + normalized(cell.h, "state"), 4, name="gates")
    c = sigmoid(f, name="forget_activation") * cell.c
    c = c + sigmoid(i, name="input_activation") * tanh(g, name="candidate_activation")
    normal = LayerNormalization(units, epsilon=epsilon, dtype=dtype)(c, name="cell_norm")
    h = sigmoid(o, name="output_activation") * tanh(normal, name="squashed")
    return cell.build(output=h, h=h, c=c)
