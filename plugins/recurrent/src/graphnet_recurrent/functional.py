"""Functions that apply a primitive layer of this plugin to values of a graph.

Each has the name of its layer in snake case (``tanh`` for TanH) and takes the arguments of its constructor.
"""

from graphnet.authoring import functional
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

tanh = functional(TanH, "tanh")
sigmoid = functional(Sigmoid, "sigmoid")
peephole = functional(Peephole, "peephole")
clip_error = functional(ClipError, "clip_error")
clocked = functional(Clocked, "clocked")
first = functional(First, "first")
initial_state = functional(InitialState, "initial_state")
sequence_dropout = functional(SequenceDropout, "sequence_dropout")
sequence_mask = functional(SequenceMask, "sequence_mask")
slot_softmax = functional(SlotSoftMax, "slot_softmax")
