"""RWKV-6 time mixing (Peng et al. 2024, "Eagle and Finch", arXiv:2404.05892, equations 12-20)."""

import numpy as np

from graphnet import Cell, CellGraph, Value, dense, outer_product, parameter, vector_matrix
from graphnet_recurrent.cells.heads import head_widths, in_heads, joined, matrix_shape, projected, silu
from graphnet_recurrent.cells.spread_values import evenly
from graphnet_recurrent.functional import tanh


def rwkv6_cell(units: int, heads: int = 1, dtype: str = "float64", *, rank: int = 32) -> CellGraph:
    """A matrix memory for each head with a decay of each key that depends on this input and the last one.

    Five inputs are mixed of x_t and x_{t-1}, for r, k, v, g and the decay, with d = x_{t-1} - x_t and for each of them
    a μ, A and B of its own::

        x_a = x_t + d ⊙ (μ_a + tanh((x_t + d ⊙ μ) · A_a) · B_a)
        w = exp(-exp(ω + tanh(x_w · A) · B))        r, k, v = x_r · W_r, x_k · W_k, x_v · W_v
        o = (S_{t-1} + (u ⊙ k) vᵀ)ᵀ r               S_t = diag(w) S_{t-1} + k vᵀ
        y_t = (RMSNorm(o) ⊙ SiLU(x_g · W_g)) · W_o

    ω starts so that the decays of the keys of a head spread from fast to slow.

    Parameters
    ----------
    units : int
        Width of the input and of the output; each head has keys and values of ``units / heads``.
    heads : int
        Number of heads; the states are ``S`` ``(batch, heads, key, value)``, and ``previous``, the last input.
    dtype : {'float64', 'float32'}
        Of the weights: A ``(units, rank)``, B ``(rank, units)``, five W ``(units, units)``, vectors μ, u and ω.
    rank : int
        Width between each A and B.

    Raises
    ------
    ConfigError
        If ``units`` is not a multiple of ``heads``.
    """
    size, _ = head_widths("rwkv6_cell", units, heads, None)
    states = {"S": matrix_shape(heads, size, size), "previous": units}
    cell = Cell("rwkv6", sequences={"x": units}, states=states, dtype=dtype)
    x, d = cell.x, cell.previous - cell.x
    base = x + d * parameter(x, units, 0.5, name="mix")

    def mixed(name: str) -> Value:
        mu = parameter(x, units, 0.5, name=f"{name}_mix")
        return x + d * (mu + low_rank(base, name))

    def low_rank(value: Value, name: str) -> Value:
        return dense(tanh(dense(value, rank, name=f"{name}_low", bias=False)), units, name=f"{name}_high", bias=False)

    r, k, v = (projected(mixed(name), heads, size, name) for name in ("receptance", "key", "value"))
    g = silu(dense(mixed("gate"), units, name="gate", bias=False))
    omega = parameter(x, units, np.tile(evenly(size, -6.0, 1.0), heads), name="decay")
    w = in_heads(np.exp(-np.exp(omega + low_rank(mixed("decay_input"), "decay"))), heads)
    bonus = in_heads(parameter(x, units, 0.5, name="bonus"), heads)
    update = outer_product(k, v)
    o = vector_matrix(r, cell.S + bonus[..., None] * update)
    return cell.build(output=joined(o, units, gate=g), S=w[..., None] * cell.S + update, previous=x)
