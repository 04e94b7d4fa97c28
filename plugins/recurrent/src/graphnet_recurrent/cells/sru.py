"""Simple recurrent unit (Lei, Zhang, Wang, Dai & Artzi 2018, arXiv:1709.02755, equations 1-4)."""

import math

from graphnet import Cell, CellGraph, dense, parameter
from graphnet_recurrent.cells.ranges import is_number, required
from graphnet_recurrent.functional import peephole, sigmoid


def sru_cell(units: int, dtype: str = "float64", *, highway_bias: float = 0.0, project: bool = False) -> CellGraph:
    """Gates that read the state by a vector only, and a highway connection of the input.

    With α = √(1 + 2 exp(b_0)), b_0 the initial bias of the highway gate (section 3.2 of the paper)::

        f = σ(x_t · W_f + v_f ⊙ c_{t-1} + b_f)        c_t = f ⊙ c_{t-1} + (1 - f) ⊙ (x_t · W)
        r = σ(x_t · W_r + v_r ⊙ c_{t-1} + b_r)        h_t = r ⊙ c_t + (1 - r) ⊙ α x_t

    Parameters
    ----------
    units : int
        Width of the state ``c`` and of the output, and of the input unless ``project``.
    dtype : {'float64', 'float32'}
        Of the weights: W_f and W_r ``(features + 1, units)``, W ``(features, units)``, v_f and v_r ``(units,)``.
    highway_bias : float
        b_0, from -100 to 100; negative: the input passes through at first.
    project : bool
        Replace ``x_t`` in the highway connection by a product with a further matrix, for inputs of another width.

    Raises
    ------
    ConfigError
        If ``highway_bias`` is out of its range.
    """
    valid = is_number(highway_bias) and abs(highway_bias) <= 100
    required(valid, "sru_cell", "highway_bias", "a number from -100 to 100", highway_bias)
    cell = Cell("sru", sequences={"x": None if project else units}, states={"c": units}, dtype=dtype)
    read_f = peephole(cell.c, units, name="forget_peephole")
    read_r = peephole(cell.c, units, name="highway_peephole")
    f = sigmoid(dense(cell.x, units, name="forget_gate") + read_f)
    b = parameter(cell.x, units, highway_bias, name="highway_bias")
    r = sigmoid(dense(cell.x, units, name="highway_gate", bias=False) + read_r + b)
    c = f * cell.c + (1 - f) * dense(cell.x, units, name="candidate", bias=False)
    x = dense(cell.x, units, name="highway", bias=False) if project else cell.x
    h = r * c + (1 - r) * (x * math.sqrt(1 + 2 * math.exp(highway_bias)))
    return cell.build(output=h, c=c)
