"""A shift of one step in time."""

from graphnet import Cell, CellGraph


def time_shift_cell(units: int) -> CellGraph:
    """The previous input, zeros at the first step: ``y_t = x_{t-1}`` (token shift, Peng et al. 2023, arXiv:2305.13048).

    Parameters
    ----------
    units : int
        Width of the input, of the state ``past`` and of the output. There are no weights.
    """
    cell = Cell("time_shift", sequences={"x": units}, states={"past": units})
    return cell.build(output=cell.past, past=cell.x)
