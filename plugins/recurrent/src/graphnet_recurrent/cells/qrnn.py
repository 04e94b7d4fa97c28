"""Quasi-recurrent network (Bradbury, Merity, Xiong & Socher 2016, arXiv:1611.01576)."""

from graphnet import Cell, CellGraph, concatenate, dense
from graphnet_recurrent.cells.windows import window, window_states
from graphnet_recurrent.functional import sigmoid, tanh


def qrnn_cell(units: int, dtype: str = "float64", *, window_size: int = 1) -> CellGraph:
    """Gates by a causal convolution over the last inputs, and fo-pooling (equations 2-4 of the paper).

    With X the last ``window_size`` inputs side by side, the newest first, zeros before the first step::

        n = tanh(X · W_n + b_n)        f = σ(X · W_f + b_f)        o = σ(X · W_o + b_o)
        c_t = f ⊙ c_{t-1} + (1 - f) ⊙ n                            h_t = o ⊙ c_t

    Parameters
    ----------
    units : int
        Width of the state ``c`` and of the output.
    dtype : {'float64', 'float32'}
        Of the three weight arrays, each ``(window_size · features + 1, units)``.
    window_size : int
        Number of inputs that the gates read; the earlier ones are the states ``past_1``, ``past_2``, …

    Raises
    ------
    ConfigError
        If ``window_size`` is not at least 1.
    """
    states = window_states(window_size, "qrnn_cell")
    cell = Cell("qrnn", sequences="x", states={"c": units, **states}, dtype=dtype)
    inputs, following = window(cell, window_size)
    x = concatenate(*inputs) if len(inputs) > 1 else cell.x
    n = tanh(dense(x, units, name="candidate"))
    f = sigmoid(dense(x, units, name="forget_gate"))
    c = f * cell.c + (1 - f) * n
    h = sigmoid(dense(x, units, name="output_gate")) * c
    return cell.build(output=h, c=c, **following)
