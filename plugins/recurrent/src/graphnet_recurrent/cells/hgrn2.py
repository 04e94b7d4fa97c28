"""Gated linear recurrence with state expansion (Qin et al. 2024, "HGRN2", arXiv:2404.07904, section 3.2)."""

from graphnet import Cell, CellGraph, dense, outer_product, vector_matrix
from graphnet_recurrent.cells.heads import head_widths, in_heads, joined, matrix_shape, projected, silu
from graphnet_recurrent.cells.ranges import is_number, required
from graphnet_recurrent.functional import sigmoid


def hgrn2_cell(
    units: int, heads: int = 1, key: int | None = None, dtype: str = "float64", *, lower_bound: float = 0.0
) -> CellGraph:
    """A matrix memory for each head whose key is what the forget gate lets go.

    With β the lower bound::

        f = β + (1 - β) σ(x_t · W_f + b_f)        S_t = diag(f) S_{t-1} + (1 - f) vᵀ
        y_t = RMSNorm(S_tᵀ SiLU(x_t · W_q)) · W_o

    Parameters
    ----------
    units : int
        Width of the output; each head has values of ``units / heads``.
    heads : int
        Number of heads; the state ``S`` is ``(batch, heads, key, value)``.
    key : int, optional
        Size of the gate and the query of each head; None: that of a value.
    dtype : {'float64', 'float32'}
        Of the weights: W_f ``(features + 1, heads · key)``, W_q ``(features, heads · key)``, W_v ``(features, units)``,
        W_o ``(units, units)``.
    lower_bound : float
        β in [0, 1); higher in the upper layers of a stack, which then keep their memory for longer.

    Raises
    ------
    ConfigError
        If ``units`` is not a multiple of ``heads``, or ``lower_bound`` is out of its range.
    """
    key, value = head_widths("hgrn2_cell", units, heads, key)
    valid = is_number(lower_bound) and 0 <= lower_bound < 1
    required(valid, "hgrn2_cell", "lower_bound", "a number from 0 and below 1", lower_bound)
    cell = Cell("hgrn2", sequences="x", states={"S": matrix_shape(heads, key, value)}, dtype=dtype)
    x = cell.x
    gate = sigmoid(dense(x, heads * key, name="forget_gate"))
    f = in_heads(lower_bound + (1 - lower_bound) * gate if lower_bound else gate, heads)
    v = projected(x, heads, value, "value")
    q = silu(projected(x, heads, key, "query"))
    memory = f[..., None] * cell.S + outer_product(1 - f, v)
    return cell.build(output=joined(vector_matrix(q, memory), units), S=memory)
