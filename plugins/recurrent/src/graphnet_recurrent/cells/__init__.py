"""Cells, each the graph of one time step; run one with ``graphnet.Scan``, or as a layer with ``Recurrent``.

The names of nodes with weights (``input_gate``, ``candidate``, …) are keys of weight files, so they must not change;
``tests/test_old_files.py`` loads files of an earlier version. Other names, such as ``input_gate_sigmoid``, may change.
"""

from graphnet_recurrent.cells.attention import attention_cell
from graphnet_recurrent.cells.clockwork import clockwork_cell
from graphnet_recurrent.cells.coupled_lstm import coupled_lstm_cell
from graphnet_recurrent.cells.elman import elman_cell
from graphnet_recurrent.cells.gru import gru_cell
from graphnet_recurrent.cells.layer_norm_lstm import layer_norm_lstm_cell
from graphnet_recurrent.cells.lstm import lstm_cell
from graphnet_recurrent.cells.minimal_gated import minimal_gated_cell
from graphnet_recurrent.cells.peephole_lstm import peephole_lstm_cell
from graphnet_recurrent.cells.projected_lstm import projected_lstm_cell

__all__ = [
    "attention_cell",
    "clockwork_cell",
    "coupled_lstm_cell",
    "elman_cell",
    "gru_cell",
    "layer_norm_lstm_cell",
    "lstm_cell",
    "minimal_gated_cell",
    "peephole_lstm_cell",
    "projected_lstm_cell",
]
