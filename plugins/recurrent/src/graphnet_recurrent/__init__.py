"""Recurrent layers for graphnet; each one is a cell graph in a Scan."""

import warnings
from typing import Any

from graphnet import GraphnetDeprecationWarning
from graphnet_recurrent.bidirectional import Bidirectional
from graphnet_recurrent.blocks import GatedMLP, MultiHead, RecurrentBlock
from graphnet_recurrent.cells import (
    attention_cell,
    causal_convolution_cell,
    cell_named,
    cfc_cell,
    clockwork_cell,
    coupled_lstm_cell,
    delta_net_cell,
    elman_cell,
    gated_delta_net_cell,
    gated_linear_attention_cell,
    gru_cell,
    hgrn2_cell,
    layer_norm_lstm_cell,
    lru_cell,
    lstm_cell,
    mamba_cell,
    min_gru_cell,
    min_lstm_cell,
    minimal_gated_cell,
    mlstm_cell,
    peephole_lstm_cell,
    projected_lstm_cell,
    qrnn_cell,
    retention_cell,
    rg_lru_cell,
    rwkv6_cell,
    s5_cell,
    slstm_cell,
    sru_cell,
    time_shift_cell,
)
from graphnet_recurrent.functional import (
    clip_error,
    clocked,
    first,
    initial_state,
    peephole,
    sequence_dropout,
    sequence_mask,
    sigmoid,
    slot_softmax,
    tanh,
)
from graphnet_recurrent.gru import GRU
from graphnet_recurrent.layers import (
    ClipError,
    Clocked,
    First,
    InitialState,
    Peephole,
    SequenceDropout,
    SequenceMask,
    Sigmoid,
    SlotSoftMax,
    TanH,
)
from graphnet_recurrent.lstm import LSTM
from graphnet_recurrent.recurrent import Recurrent, RNNBase
from graphnet_recurrent.recurrent_layer import RecurrentLayer
from graphnet_recurrent.rnn import RNN
from graphnet_recurrent.sequence_functions import (
    bidirectional,
    gated_mlp,
    gru,
    lstm,
    multi_head,
    recurrent,
    recurrent_block,
    rnn,
    stack,
)
from graphnet_recurrent.stack import Stack

#: Names of earlier releases, and what they are called now.
RENAMED = {"CellLayer": "RNNBase", "Arrangement": "RecurrentLayer", "SequenceLayer": "RecurrentLayer"}


def __getattr__(name: str) -> Any:
    """Return a class by the name that it had in an earlier release, with a warning."""
    if name not in RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    message = f"graphnet_recurrent.{name} is deprecated, use graphnet_recurrent.{RENAMED[name]}"
    warnings.warn(message, GraphnetDeprecationWarning, stacklevel=2)
    return globals()[RENAMED[name]]


__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "ClipError",
    "Clocked",
    "First",
    "GatedMLP",
    "InitialState",
    "MultiHead",
    "Peephole",
    "RNNBase",
    "Recurrent",
    "RecurrentBlock",
    "RecurrentLayer",
    "SequenceDropout",
    "SequenceMask",
    "Sigmoid",
    "SlotSoftMax",
    "Stack",
    "TanH",
    "attention_cell",
    "bidirectional",
    "causal_convolution_cell",
    "cell_named",
    "cfc_cell",
    "clip_error",
    "clocked",
    "clockwork_cell",
    "coupled_lstm_cell",
    "delta_net_cell",
    "elman_cell",
    "first",
    "gated_delta_net_cell",
    "gated_linear_attention_cell",
    "gated_mlp",
    "gru",
    "gru_cell",
    "hgrn2_cell",
    "initial_state",
    "layer_norm_lstm_cell",
    "lru_cell",
    "lstm",
    "lstm_cell",
    "mamba_cell",
    "min_gru_cell",
    "min_lstm_cell",
    "minimal_gated_cell",
    "mlstm_cell",
    "multi_head",
    "peephole",
    "peephole_lstm_cell",
    "projected_lstm_cell",
    "qrnn_cell",
    "recurrent",
    "recurrent_block",
    "retention_cell",
    "rg_lru_cell",
    "rnn",
    "rwkv6_cell",
    "s5_cell",
    "sequence_dropout",
    "sequence_mask",
    "sigmoid",
    "slot_softmax",
    "slstm_cell",
    "sru_cell",
    "stack",
    "tanh",
    "time_shift_cell",
]
