"""The simple recurrent cell (Elman 1990, "Finding structure in time", Cognitive Science 14)."""

from graphnet import Cell, CellGraph, concatenate, dense
from graphnet_recurrent.functional import tanh


def elman_cell(units: int, dtype: str = "float64") -> CellGraph:
    """``h_t = tanh([x_t, h_{t-1}] · W + b)``; the output is ``h_t``.

    Parameters
    ----------
    units : int
        Width of the hidden state ``h``.
    dtype : {'float64', 'float32'}
        Of the weights ``(features + units + 1, units)``: rows of ``x``, rows of ``h``, bias.
    """
    cell = Cell("elman", sequences="x", states={"h": units}, dtype=dtype)
    h = tanh(dense(concatenate(cell.x, cell.h), units, name="hidden"))
    return cell.build(output=h, h=h)
