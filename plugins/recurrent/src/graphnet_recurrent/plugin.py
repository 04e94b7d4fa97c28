"""What graphnet finds through this distribution's entry point."""

from typing import TYPE_CHECKING

from graphnet.plugins import hookimpl
from graphnet.plugins.hookspecs import Register
from graphnet_recurrent.activations import Sigmoid, TanH
from graphnet_recurrent.bidirectional import Bidirectional
from graphnet_recurrent.cells.clocked import Clocked
from graphnet_recurrent.cells.slot_softmax import SlotSoftMax
from graphnet_recurrent.gru import GRU
from graphnet_recurrent.lstm import LSTM
from graphnet_recurrent.parts import ClipError, First, InitialState, SequenceDropout, SequenceMask
from graphnet_recurrent.recurrent import Recurrent
from graphnet_recurrent.rnn import RNN
from graphnet_recurrent.scale import Peephole
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
)


@hookimpl
def graphnet_register_layers(register: Register) -> None:
    """Register the layers of this distribution."""
    for layer in LAYERS:
        register(layer)


@hookimpl
def graphnet_register_cases(register: Register) -> None:
    """Register the cases of these layers."""
    register(cases)


def cases() -> "list[Case]":
    """The cases, imported when they are asked for."""
    from graphnet_recurrent.cases import CASES

    return CASES
