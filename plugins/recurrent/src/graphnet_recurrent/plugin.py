"""The hooks of this distribution, which graphnet finds through its entry point."""

from typing import TYPE_CHECKING

from graphnet.plugins import hookimpl
from graphnet.plugins.hookspecs import Register
from graphnet_recurrent.bidirectional import Bidirectional
from graphnet_recurrent.blocks import GatedMLP, MultiHead, RecurrentBlock
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
from graphnet_recurrent.recurrent import Recurrent
from graphnet_recurrent.rnn import RNN
from graphnet_recurrent.stack import Stack

if TYPE_CHECKING:
    from graphnet.testing import Case

LAYERS = (
    TanH,
    Sigmoid,
    RNN,
    LSTM,
    GRU,
    Recurrent,
    Bidirectional,
    Stack,
    Peephole,
    Clocked,
    SlotSoftMax,
    ClipError,
    First,
    InitialState,
    SequenceDropout,
    SequenceMask,
    RecurrentBlock,
    MultiHead,
    GatedMLP,
)


@hookimpl
def graphnet_register_layers(register: Register) -> None:
    """Register the layers of this distribution."""
    for layer in LAYERS:
        register(layer)


@hookimpl
def graphnet_register_cases(register: Register) -> None:
    """Register the conformance cases of these layers."""
    register(cases)


def cases() -> "list[Case]":
    """Return the conformance cases; they are imported only when they are needed."""
    from graphnet_recurrent.cases import CASES

    return CASES
