"""Gated recurrent unit (Cho et al. 2014, "… using RNN encoder-decoder …", arXiv:1406.1078, equations 5-8)."""

from graphnet import Cell, CellGraph, concatenate, dense
from graphnet_recurrent.functional import sigmoid, tanh


def gru_cell(units: int, dtype: str = "float64", *, reset_after: bool = False) -> CellGraph:
    """The gated recurrent unit; an open update gate (z near 1) keeps the state.

    With v = [x_t, h_{t-1}]::

        r = σ(v · W_r + b_r)        z = σ(v · W_z + b_z)        n = tanh([x_t, r ⊙ h_{t-1}] · W_n + b_n)
        h_t = (1 - z) ⊙ n + z ⊙ h_{t-1}

    with ``reset_after``, as torch and cuDNN compute it: ``n = tanh(x_t · W + b + r ⊙ (h_{t-1} · U + c))``. The sign of
    z is that of Cho et al. and of torch; Chung et al. 2014 have ``1 - z`` for z.

    Parameters
    ----------
    units : int
        Width of the state ``h``, which is the output.
    dtype : {'float64', 'float32'}
        Of the weights. Gates, and the candidate without ``reset_after``: ``(features + units + 1, units)``, the rows of
        ``x``, of ``h``, and the bias. With it: ``(features + 1, units)`` and ``(units + 1, units)``.
    reset_after : bool
        Whether the reset gate follows the product with the state instead of preceding it.
    """
    cell = Cell("gru", sequences="x", states={"h": units})
    joined = concatenate(cell.x, cell.h, name="joined")
    r = sigmoid(dense(joined, units, dtype=dtype, name="reset_gate"), name="reset_activation")
    z = sigmoid(dense(joined, units, dtype=dtype, name="update_gate"), name="update_activation")
    if reset_after:
        state = dense(cell.h, units, dtype=dtype, name="candidate_state")
        candidate = dense(cell.x, units, dtype=dtype, name="candidate_input") + r * state
    else:
        candidate = dense(concatenate(cell.x, r * cell.h, name="reset"), units, dtype=dtype, name="candidate")
    n = tanh(candidate, name="candidate_activation")
    h = (1 - z) * n + z * cell.h
    return cell.build(output=h, h=h)
