"""Closed-form continuous-time network (Hasani et al. 2022, arXiv:2106.13898, equation 10)."""

from graphnet import Cell, CellGraph, concatenate, dense
from graphnet_recurrent.functional import sigmoid, tanh


def cfc_cell(units: int, backbone: int | None = None, dtype: str = "float64", *, elapsed: bool = False) -> CellGraph:
    """A gate between two states that depends on the time since the last input.

    With t the time since the last step, 1 unless it is an input::

        b = tanh([x_t, h_{t-1}] · W_b + b_b)
        τ = σ(-(b · W_f + b_f) t)        h_t = τ ⊙ tanh(b · W_g + b_g) + (1 - τ) ⊙ tanh(b · W_h + b_h)

    Parameters
    ----------
    units : int
        Width of the state ``h``, which is the output.
    backbone : int, optional
        Width of b; None: ``units``.
    dtype : {'float64', 'float32'}
        Of the weights: W_b ``(features + units + 1, backbone)``, the other three ``(backbone + 1, units)``.
    elapsed : bool
        Read t from a second sequence, ``elapsed``, ``(time, batch, 1)``: for observations at irregular times.
    """
    sequences = {"x": None, "elapsed": 1} if elapsed else {"x": None}
    cell = Cell("cfc", sequences=sequences, states={"h": units}, dtype=dtype)
    width = units if backbone is None else backbone
    b = tanh(dense(concatenate(cell.x, cell.h), width, name="backbone"))
    rate = dense(b, units, name="rate")
    tau = sigmoid(-(rate * cell.elapsed) if elapsed else -rate)
    g = tanh(dense(b, units, name="early"))
    late = tanh(dense(b, units, name="late"))
    h = tau * g + (1 - tau) * late
    return cell.build(output=h, h=h)
