"""Multi-scale retention (Sun et al. 2023, "Retentive network", arXiv:2307.08621, equations 3, 6 and 8)."""

import numpy as np

from graphnet import Cell, CellGraph, constant, dense, outer_product, vector_matrix
from graphnet_recurrent.cells.heads import head_widths, joined, matrix_shape, projected, silu


def retention_cell(units: int, heads: int = 1, key: int | None = None, dtype: str = "float64") -> CellGraph:
    """A matrix memory for each head that decays at a fixed rate, without the rotation of queries and keys by position.

    With γ = 1 - 2^(-5-j) for head j, and keys k = x_t · W_k / √key::

        S_t = γ S_{t-1} + k vᵀ        o = S_tᵀ q        y_t = (RMSNorm(o) ⊙ SiLU(x_t · W_g)) · W_o

    The norm is that of each head; its gain is the same for all of them.

    Parameters
    ----------
    units : int
        Width of the output; each head has values of ``units / heads``.
    heads : int
        Number of heads; the state ``S`` is ``(batch, heads, key, value)``.
    key : int, optional
        Size of a key and a query of each head; None: that of a value.
    dtype : {'float64', 'float32'}
        Of the weights: W_q, W_k ``(features, heads · key)``, W_v, W_g ``(features, units)``, W_o ``(units, units)``.

    Raises
    ------
    ConfigError
        If ``units`` is not a multiple of ``heads``.
    """
    key, value = head_widths("retention_cell", units, heads, key)
    cell = Cell("retention", sequences="x", states={"S": matrix_shape(heads, key, value)}, dtype=dtype)
    x = cell.x
    q, v = projected(x, heads, key, "query"), projected(x, heads, value, "value")
    k = projected(x, heads, key, "key") * key**-0.5
    decay = constant(v, (1 - 2.0 ** (-5 - np.arange(heads)))[:, None], name="decay")
    memory = decay[..., None] * cell.S + outer_product(k, v)
    o = vector_matrix(q, memory)
    y = joined(o, units, gate=silu(dense(x, units, name="gate", bias=False)))
    return cell.build(output=y, S=memory)
