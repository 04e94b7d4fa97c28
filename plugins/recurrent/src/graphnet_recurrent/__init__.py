"""Recurrent layers for graphnet: every one a cell graph in a Scan."""

from graphnet_recurrent.activations import Sigmoid, TanH
from graphnet_recurrent.cells import (
    attention_cell,
    clockwork_cell,
    coupled_lstm_cell,
    elman_cell,
    gru_cell,
    layer_norm_lstm_cell,
    lstm_cell,
    minimal_gated_cell,
    peephole_lstm_cell,
    projected_lstm_cell,
)
from graphnet_recurrent.functional import sigmoid, tanh
from graphnet_recurrent.gru import GRU
from graphnet_recurrent.lstm import LSTM
from graphnet_recurrent.recurrent import Recurrent
from graphnet_recurrent.rnn import RNN
from graphnet_recurrent.scale import Peephole

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Peephole",
    "Recurrent",
    "Sigmoid",
    "TanH",
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
    "sigmoid",
    "tanh",
]
