"""The primitive layers of this plugin: activations, and the parts that cells and recurrent layers are built from."""

from graphnet_recurrent.layers.clip_error import ClipError
from graphnet_recurrent.layers.clocked import Clocked
from graphnet_recurrent.layers.first import First
from graphnet_recurrent.layers.initial_state import InitialState
from graphnet_recurrent.layers.peephole import Peephole
from graphnet_recurrent.layers.sequence_dropout import SequenceDropout
from graphnet_recurrent.layers.sequence_mask import SequenceMask
from graphnet_recurrent.layers.sigmoid import Sigmoid
from graphnet_recurrent.layers.slot_softmax import SlotSoftMax
from graphnet_recurrent.layers.tanh import TanH

__all__ = [
    "ClipError",
    "Clocked",
    "First",
    "InitialState",
    "Peephole",
    "SequenceDropout",
    "SequenceMask",
    "Sigmoid",
    "SlotSoftMax",
    "TanH",
]
