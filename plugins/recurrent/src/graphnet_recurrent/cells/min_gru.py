"""Minimal GRU (Feng, Tung, Ahmed, Bengio & Hajimirsadeghi 2024, "Were RNNs all we needed?", arXiv:2410.01201)."""

from graphnet import Cell, CellGraph, dense
from graphnet_recurrent.functional import sigmoid


def min_gru_cell(units: int, dtype: str = "float64") -> CellGraph:
    """A GRU whose gate and candidate read the input only, so that the recurrence is linear (section 3.1 of the paper).

    ::

        z = σ(x_t · W_z + b_z)        n = x_t · W_n + b_n        h_t = (1 - z) ⊙ h_{t-1} + z ⊙ n

    Parameters
    ----------
    units : int
        Width of the state ``h``, which is the output.
    dtype : {'float64', 'float32'}
        Of the two weight arrays, each ``(features + 1, units)``: rows of ``x``, bias.
    """
    cell = Cell("min_gru", sequences="x", states={"h": units}, dtype=dtype)
    z = sigmoid(dense(cell.x, units, name="update_gate"))
    h = (1 - z) * cell.h + z * dense(cell.x, units, name="candidate")
    return cell.build(output=h, h=h)
