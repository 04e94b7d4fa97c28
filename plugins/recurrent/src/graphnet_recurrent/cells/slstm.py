"""sLSTM, the LSTM with exponential gates of xLSTM (Beck et al. 2024, arXiv:2405.04517, equations 8-18)."""

import numpy as np

from graphnet import Cell, CellGraph, Value, concatenate, dense, split
from graphnet_recurrent.cells.heads import head_widths
from graphnet_recurrent.functional import sigmoid, tanh

#: The smallest normalizer: n is 0 where the input gate has been closed since the first step.
SMALLEST = 1e-30


def slstm_cell(units: int, heads: int = 1, dtype: str = "float64", *, forget_bias: bool | float = True) -> CellGraph:
    """An LSTM with an exponential input gate and a normalizer; m keeps the exponentials within the range of numbers.

    With R block-diagonal, one block for each head, and ã = x_t · W_a + h_{t-1} · R_a + b_a for each gate a::

        z = tanh(z̃)        o = σ(õ)        m_t = max(log σ(f̃) + m_{t-1}, ĩ)
        i = exp(ĩ - m_t)                   f = exp(log σ(f̃) + m_{t-1} - m_t)
        c_t = f ⊙ c_{t-1} + i ⊙ z          n_t = f ⊙ n_{t-1} + i          h_t = o ⊙ c_t / n_t

    Parameters
    ----------
    units : int
        Width of the states ``h`` (the output), ``c``, ``n`` and ``m``.
    heads : int
        Number of blocks of R; units of different heads do not read each other's state.
    dtype : {'float64', 'float32'}
        Of the weights: for each gate W and b, ``(features + 1, units)``, and for each head R
        ``(units / heads, units / heads)``; with one head both are one array ``(features + units + 1, units)``.
    forget_bias : bool or float
        Initial value of the forget gate's bias; True: the bias initializer sets it.

    Raises
    ------
    ConfigError
        If ``units`` is not a multiple of ``heads``.
    """
    width, _ = head_widths("slstm_cell", units, heads, None)
    states = {"h": units, "c": units, "n": units, "m": units}
    cell = Cell("slstm", sequences="x", states=states, dtype=dtype)
    parts = list(split(cell.h, heads, name="heads")) if heads > 1 else []

    def gate(name: str, bias: bool | float = True) -> Value:
        if not parts:
            return dense(concatenate(cell.x, cell.h), units, name=name, bias=bias)
        blocks = [dense(part, width, name=f"{name}_{i}", bias=False) for i, part in enumerate(parts)]
        return dense(cell.x, units, name=name, bias=bias) + concatenate(*blocks)

    z, o = tanh(gate("candidate")), sigmoid(gate("output_gate"))
    log_i, log_f = gate("input_gate"), -np.logaddexp(-gate("forget_gate", forget_bias), 0.0)
    kept = log_f + cell.m
    m = np.maximum(kept, log_i)
    i, f = np.exp(log_i - m), np.exp(kept - m)
    c, n = f * cell.c + i * z, f * cell.n + i
    h = o * (c / np.maximum(n, SMALLEST))
    return cell.build(output=h, h=h, c=c, n=n, m=m)
