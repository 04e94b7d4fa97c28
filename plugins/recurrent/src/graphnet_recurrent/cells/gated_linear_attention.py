"""Gated linear attention (Yang, Wang, Shen, Panda & Kim 2023, arXiv:2312.06635, section 4)."""

import numpy as np

from graphnet import Cell, CellGraph, dense, outer_product, vector_matrix
from graphnet_recurrent.cells.heads import head_widths, in_heads, joined, matrix_shape, projected, silu

#: The temperature τ of the decay.
TEMPERATURE = 16.0


def gated_linear_attention_cell(
    units: int, heads: int = 1, key: int | None = None, dtype: str = "float64", *, rank: int = 16
) -> CellGraph:
    """A matrix memory for each head with a decay of each key that depends on the input.

    ::

        log α = log σ(x_t · W_1 · W_2 + b) / 16        S_t = diag(α) S_{t-1} + k vᵀ        o = S_tᵀ q
        y_t = (RMSNorm(o) ⊙ SiLU(x_t · W_g + b_g)) · W_o

    Parameters
    ----------
    units : int
        Width of the output; each head has values of ``units / heads``.
    heads : int
        Number of heads; the state ``S`` is ``(batch, heads, key, value)``.
    key : int, optional
        Size of a key and a query of each head; None: that of a value.
    dtype : {'float64', 'float32'}
        Of the weights: W_q, W_k ``(features, heads · key)``, W_v ``(features, units)``, W_1 ``(features, rank)``,
        W_2 ``(rank + 1, heads · key)``, W_g ``(features + 1, units)``, W_o ``(units, units)``.
    rank : int
        Width between W_1 and W_2.

    Raises
    ------
    ConfigError
        If ``units`` is not a multiple of ``heads``.
    """
    key, value = head_widths("gated_linear_attention_cell", units, heads, key)
    states = {"S": matrix_shape(heads, key, value)}
    cell = Cell("gated_linear_attention", sequences="x", states=states, dtype=dtype)
    x = cell.x
    q, k = projected(x, heads, key, "query"), projected(x, heads, key, "key")
    v = projected(x, heads, value, "value")
    gate = dense(dense(x, rank, name="decay_low", bias=False), heads * key, name="decay")
    alpha = in_heads(np.exp(np.logaddexp(-gate, 0.0) * (-1.0 / TEMPERATURE)), heads)
    memory = alpha[..., None] * cell.S + outer_product(k, v)
    o = vector_matrix(q, memory)
    return cell.build(output=joined(o, units, gate=silu(dense(x, units, name="gate"))), S=memory)
