"""Minimal LSTM (Feng, Tung, Ahmed, Bengio & Hajimirsadeghi 2024, "Were RNNs all we needed?", arXiv:2410.01201)."""

import numpy as np

from graphnet import Cell, CellGraph, dense
from graphnet_recurrent.functional import sigmoid


def min_lstm_cell(units: int, dtype: str = "float64") -> CellGraph:
    """An LSTM whose gates read the input only and add up to 1 (section 3.2 of the paper).

    ::

        f = σ(x_t · W_f + b_f)        i = σ(x_t · W_i + b_i)        n = x_t · W_n + b_n
        h_t = f / (f + i) ⊙ h_{t-1} + i / (f + i) ⊙ n

    Parameters
    ----------
    units : int
        Width of the state ``h``, which is the output.
    dtype : {'float64', 'float32'}
        Of the three weight arrays, each ``(features + 1, units)``: rows of ``x``, bias.
    """
    cell = Cell("min_lstm", sequences="x", states={"h": units}, dtype=dtype)
    keeps = np.logaddexp(-dense(cell.x, units, name="forget_gate"), 0.0)  # -log f
    takes = np.logaddexp(-dense(cell.x, units, name="input_gate"), 0.0)
    f = sigmoid(takes - keeps)  # f / (f + i), also where both are 0 within the range of numbers
    h = f * cell.h + (1 - f) * dense(cell.x, units, name="candidate")
    return cell.build(output=h, h=h)
