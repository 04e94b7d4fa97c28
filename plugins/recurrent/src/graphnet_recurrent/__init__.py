"""Recurrent layers for graphnet: every one a cell graph in a Scan."""

from graphnet_recurrent.activations import Sigmoid, TanH
from graphnet_recurrent.arrangement import Arrangement
from graphnet_recurrent.bidirectional import Bidirectional
from graphnet_recurrent.cell_layer import CellLayer
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
from graphnet_recurrent.parts import ClipError, First, InitialState, SequenceDropout, SequenceMask
from graphnet_recurrent.recurrent import Recurrent
from graphnet_recurrent.rnn import RNN
from graphnet_recurrent.scale import Peephole
from graphnet_recurrent.sequence_layer import SequenceLayer
from graphnet_recurrent.stack import Stack

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Arrangement",
    "Bidirectional",
    "CellLayer",
    "ClipError",
    "First",
    "InitialState",
    "Peephole",
    "Recurrent",
    "SequenceDropout",
    "SequenceLayer",
    "SequenceMask",
    "Sigmoid",
    "Stack",
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
