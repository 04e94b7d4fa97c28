"""mLSTM, the LSTM with a matrix memory of xLSTM (Beck et al. 2024, arXiv:2405.04517, equations 19-27)."""

import numpy as np

from graphnet import Cell, CellGraph, dense, outer_product, reshape, vector_matrix
from graphnet_recurrent.cells.heads import head_widths, in_heads, matrix_shape, projected
from graphnet_recurrent.functional import sigmoid

#: The largest -m whose exponential is computed; it is finite in float32, and outputs below exp(-80) become 0.
LARGEST = 80.0


def mlstm_cell(
    units: int, heads: int = 1, key: int | None = None, dtype: str = "float64", *, forget_bias: bool | float = 3.0
) -> CellGraph:
    """A matrix memory with exponential gates and a normalizer; m keeps the exponentials within the range of numbers.

    For each head, with ĩ and f̃ single numbers, and the keys k = x_t · W_k / √key::

        m_t = max(log σ(f̃) + m_{t-1}, ĩ)        i = exp(ĩ - m_t)        f = exp(log σ(f̃) + m_{t-1} - m_t)
        S_t = f S_{t-1} + i k vᵀ                 n_t = f n_{t-1} + i k
        h_t = σ(x_t · W_o + b_o) ⊙ S_tᵀ q / max(|n_tᵀ q|, exp(-m_t))

    Parameters
    ----------
    units : int
        Width of the output; each head has values of ``units / heads``.
    heads : int
        Number of heads. The states are ``S`` ``(batch, heads, key, value)``, ``n`` ``(batch, heads, key)``, and ``m``
        ``(batch, heads)``.
    key : int, optional
        Size of a key and a query of each head; None: that of a value.
    dtype : {'float64', 'float32'}
        Of the weights: W_q, W_k ``(features, heads · key)``, W_v ``(features, units)``; with biases, gates
        ``(features + 1, heads)`` and W_o ``(features + 1, units)``.
    forget_bias : bool or float
        Initial value of the forget gate's bias; True: the bias initializer sets it.

    Raises
    ------
    ConfigError
        If ``units`` is not a multiple of ``heads``.
    """
    key, value = head_widths("mlstm_cell", units, heads, key)
    states = {"S": matrix_shape(heads, key, value), "n": f"batch, head={heads}, key={key}", "m": heads}
    cell = Cell("mlstm", sequences="x", states=states, dtype=dtype)
    x = cell.x
    q, v = projected(x, heads, key, "query"), projected(x, heads, value, "value")
    k = projected(x, heads, key, "key") * key**-0.5
    log_i = dense(x, heads, name="input_gate")
    log_f = -np.logaddexp(-dense(x, heads, name="forget_gate", bias=forget_bias), 0.0)
    kept = log_f + cell.m
    m = np.maximum(kept, log_i)
    i, f = np.exp(log_i - m)[..., None], np.exp(kept - m)[..., None]
    memory = f[..., None] * cell.S + outer_product(i * k, v)
    n = f * cell.n + i * k
    size = np.maximum(abs((n * q).sum(-1)), np.exp(np.minimum(-m, LARGEST)))
    read = vector_matrix(q, memory) / size[..., None]
    o = in_heads(sigmoid(dense(x, units, name="output_gate")), heads)
    return cell.build(output=reshape(o * read, (units,)), S=memory, n=n, m=m)
