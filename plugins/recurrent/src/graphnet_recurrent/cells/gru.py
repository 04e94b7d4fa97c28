"""Gated recurrent unit (Cho et al. 2014, "… using RNN encoder-decoder …", arXiv:1406.1078, equations 5-8)."""

from graphnet import Cell, CellGraph, concatenate, dense
from graphnet_recurrent.functional import sigmoid, tanh


def gru_cell(units: int, dtype: str = "float64", *, reset_after: bool = False) -> CellGraph:
    """The gated recurrent unit; an update gate z near 1 keeps the state.

    With xh = [x_t, h_{t-1}]::

        r = σ(xh · W_r + b_r)       z = σ(xh · W_z + b_z)       n = tanh([x_t, r ⊙ h_{t-1}] · W_n + b_n)
        h_t = (1 - z) ⊙ n + z ⊙ h_{t-1}

    With ``reset_after``, as torch and cuDNN compute it, ``n = tanh(x_t · W + b + r ⊙ (h_{t-1} · U + c))``. z has the
    meaning that it has in Cho et al. and torch; Chung et al. 2014 exchange z and ``1 - z``.

    Parameters
    ----------
    units : int
        Width of the state ``h``, which is the output.
    dtype : {'float64', 'float32'}
        Of the weights. Gates, and the candidate without ``reset_after``: ``(features + units + 1, units)``, the rows of
        ``x``, of ``h``, and the bias. With it: ``(features + 1, units)`` and ``(units + 1, units)``.
    reset_after : bool
        Whether the reset gate is applied after the product with the state instead of before it.
    """
    cell = Cell("gru", sequences="x", states={"h": units}, dtype=dtype)
    xh = concatenate(cell.x, cell.h)
    r = sigmoid(dense(xh, units, name="reset_gate"))
    z = sigmoid(dense(xh, units, name="update_gate"))
    if reset_after:
        state = dense(cell.h, units, name="candidate_state")
        n = tanh(dense(cell.x, units, name="candidate_input") + r * state)
    else:
        n = tanh(dense(concatenate(cell.x, r * cell.h), units, name="candidate"))
    h = (1 - z) * n + z * cell.h
    return cell.build(output=h, h=h)
