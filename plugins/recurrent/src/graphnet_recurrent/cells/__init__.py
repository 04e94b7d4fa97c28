"""Cells: the graph of one time step each; run one with ``graphnet.Scan``, or as a layer with ``Recurrent``."""

from graphnet_recurrent.cells.elman import elman_cell
from graphnet_recurrent.cells.lstm import lstm_cell

__all__ = ["elman_cell", "lstm_cell"]
