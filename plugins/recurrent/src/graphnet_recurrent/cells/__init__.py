"""Cells, each the graph of one time step; run one with ``graphnet.Scan``, or as a layer with ``Recurrent``.

The names of nodes with weights (``input_gate``, ``candidate``, …) are keys of weight files, so they must not change;
``tests/test_old_files.py`` loads files of an earlier version. Other names, such as ``input_gate_sigmoid``, may change.
"""

from graphnet_recurrent.cells.attention import attention_cell
from graphnet_recurrent.cells.by_name import BY_NAME, cell_named
from graphnet_recurrent.cells.causal_convolution import causal_convolution_cell
from graphnet_recurrent.cells.cfc import cfc_cell
from graphnet_recurrent.cells.clockwork import clockwork_cell
from graphnet_recurrent.cells.coupled_lstm import coupled_lstm_cell
from graphnet_recurrent.cells.delta_net import delta_net_cell, gated_delta_net_cell
from graphnet_recurrent.cells.elman import elman_cell
from graphnet_recurrent.cells.gated_linear_attention import gated_linear_attention_cell
from graphnet_recurrent.cells.gru import gru_cell
from graphnet_recurrent.cells.hgrn2 import hgrn2_cell
from graphnet_recurrent.cells.layer_norm_lstm import layer_norm_lstm_cell
from graphnet_recurrent.cells.lru import lru_cell
from graphnet_recurrent.cells.lstm import lstm_cell
from graphnet_recurrent.cells.mamba import mamba_cell
from graphnet_recurrent.cells.min_gru import min_gru_cell
from graphnet_recurrent.cells.min_lstm import min_lstm_cell
from graphnet_recurrent.cells.minimal_gated import minimal_gated_cell
from graphnet_recurrent.cells.mlstm import mlstm_cell
from graphnet_recurrent.cells.peephole_lstm import peephole_lstm_cell
from graphnet_recurrent.cells.projected_lstm import projected_lstm_cell
from graphnet_recurrent.cells.qrnn import qrnn_cell
from graphnet_recurrent.cells.retention import retention_cell
from graphnet_recurrent.cells.rg_lru import rg_lru_cell
from graphnet_recurrent.cells.rwkv6 import rwkv6_cell
from graphnet_recurrent.cells.s5 import s5_cell
from graphnet_recurrent.cells.slstm import slstm_cell
from graphnet_recurrent.cells.sru import sru_cell
from graphnet_recurrent.cells.time_shift import time_shift_cell

__all__ = [
    "BY_NAME",
    "attention_cell",
    "causal_convolution_cell",
    "cell_named",
    "cfc_cell",
    "clockwork_cell",
    "coupled_lstm_cell",
    "delta_net_cell",
    "elman_cell",
    "gated_delta_net_cell",
    "gated_linear_attention_cell",
    "gru_cell",
    "hgrn2_cell",
    "layer_norm_lstm_cell",
    "lru_cell",
    "lstm_cell",
    "mamba_cell",
    "min_gru_cell",
    "min_lstm_cell",
    "minimal_gated_cell",
    "mlstm_cell",
    "peephole_lstm_cell",
    "projected_lstm_cell",
    "qrnn_cell",
    "retention_cell",
    "rg_lru_cell",
    "rwkv6_cell",
    "s5_cell",
    "slstm_cell",
    "sru_cell",
    "time_shift_cell",
]
