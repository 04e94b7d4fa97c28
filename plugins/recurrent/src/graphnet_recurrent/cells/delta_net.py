"""DeltaNet and Gated DeltaNet: linear attention with the delta rule."""

import numpy as np

from graphnet import Cell, CellGraph, Value, dense, outer_product, parameter, unit_normalization, vector_matrix
from graphnet_recurrent.cells.heads import head_widths, joined, matrix_shape, projected, silu
from graphnet_recurrent.cells.spread_values import evenly, inverse_softplus, shuffled
from graphnet_recurrent.functional import sigmoid


def delta_net_cell(units: int, heads: int = 1, key: int | None = None, dtype: str = "float64") -> CellGraph:
    """A matrix memory for each head in which a value replaces what the memory returns for its key.

    (Schlag, Irie & Schmidhuber 2021, arXiv:2102.11174, equation 24; normalization of Yang et al. 2024,
    arXiv:2406.06484.) With q and k of length 1, from SiLU(x_t · W), and β = σ(x_t · W_β + b_β), one number::

        S_t = S_{t-1} + β k (v - S_{t-1}ᵀ k)ᵀ        y_t = RMSNorm(S_tᵀ q) · W_o

    Parameters
    ----------
    units : int
        Width of the output; each head has values of ``units / heads``.
    heads : int
        Number of heads; the state ``S`` is ``(batch, heads, key, value)``.
    key : int, optional
        Size of a key and a query of each head; None: that of a value.
    dtype : {'float64', 'float32'}
        Of the weights: W_q, W_k ``(features, heads · key)``, W_v ``(features, units)``, W_β ``(features + 1, heads)``,
        W_o ``(units, units)``.

    Raises
    ------
    ConfigError
        If ``units`` is not a multiple of ``heads``.
    """
    key, value = head_widths("delta_net_cell", units, heads, key)
    cell = Cell("delta_net", sequences="x", states={"S": matrix_shape(heads, key, value)}, dtype=dtype)
    memory, o = _delta_rule(cell.x, cell.S, heads, key, value)
    return cell.build(output=joined(o, units), S=memory)


def gated_delta_net_cell(units: int, heads: int = 1, key: int | None = None, dtype: str = "float64") -> CellGraph:
    """DeltaNet with a decay that depends on the input (Yang, Kautz & Hatamizadeh 2024, arXiv:2412.06464, equation 10).

    With q, k, v and β as :func:`delta_net_cell`, and one number a and b for each head::

        α = exp(-exp(a) softplus(x_t · W_α + b))        S' = α S_{t-1}        S_t = S' + β k (v - S'ᵀ k)ᵀ
        y_t = (RMSNorm(S_tᵀ q) ⊙ SiLU(x_t · W_g)) · W_o

    exp(a) starts spread over [1, 16] and the softplus, for an input of zeros, over [0.001, 0.1].

    Parameters
    ----------
    units, heads, key, dtype
        As :func:`delta_net_cell`; W_α ``(features, heads)`` and W_g ``(features, units)`` are added.

    Raises
    ------
    ConfigError
        If ``units`` is not a multiple of ``heads``.
    """
    key, value = head_widths("gated_delta_net_cell", units, heads, key)
    cell = Cell("gated_delta_net", sequences="x", states={"S": matrix_shape(heads, key, value)}, dtype=dtype)
    x = cell.x
    start = inverse_softplus(np.exp(shuffled(heads, np.log(1e-3), np.log(1e-1))))
    step = np.logaddexp(dense(x, heads, name="decay", bias=False) + parameter(x, heads, start, name="step"), 0.0)
    rate = np.exp(parameter(x, heads, np.log(evenly(heads, 1.0, 16.0)), name="rate"))
    alpha = np.exp(-(rate * step))
    memory, o = _delta_rule(x, alpha[..., None, None] * cell.S, heads, key, value)
    gate = silu(dense(x, units, name="gate", bias=False))
    return cell.build(output=joined(o, units, gate=gate), S=memory)


def _delta_rule(x: Value, memory: Value, heads: int, key: int, value: int) -> tuple[Value, Value]:
    """The next memory, and what the query reads from it."""
    q = unit_normalization(silu(projected(x, heads, key, "query")))
    k = unit_normalization(silu(projected(x, heads, key, "key")))
    v = silu(projected(x, heads, value, "value"))
    beta = sigmoid(dense(x, heads, name="rate_of_writing"))
    change = beta[..., None] * (v - vector_matrix(k, memory))
    after = memory + outer_product(k, change)
    return after, vector_matrix(q, after)
