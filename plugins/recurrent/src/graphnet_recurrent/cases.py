"""Conformance cases of the layers of this distribution."""

from graphnet.testing import Case
from graphnet_recurrent.bidirectional import Bidirectional
from graphnet_recurrent.blocks import GatedMLP, MultiHead, RecurrentBlock
from graphnet_recurrent.cells import attention_cell, elman_cell, gru_cell, lstm_cell
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

ROWS, SEQUENCE = "batch=4, feature=3", "time=6, batch=2, feature=3"
SIZES = {"input_size": 3, "hidden_size": 4, "output_size": 5}
#: The checks of memory apply to layers that run forward and return an output at each step.
MEMORY = ["memory", "truncation"]
#: A layer that clips errors deliberately differs from its derivative.
CLIPPED = ["linear", "derivative"]

CASES = [
    *(Case(layer, {}, shape) for layer in (TanH, Sigmoid) for shape in (ROWS, SEQUENCE)),
    *(Case(layer, {**SIZES, "bptt_length": 6}, SEQUENCE, refused=[{"hidden_size": 0}]) for layer in (RNN, LSTM, GRU)),
    *(Case(layer, {**SIZES, "output_size": None}, SEQUENCE) for layer in (RNN, LSTM, GRU)),
    Case(LSTM, {**SIZES, "input_size": None, "forget_bias": 1.0}, SEQUENCE),
    Case(GRU, {**SIZES, "reverse": True, "returns": "last", "learn_initial": True}, SEQUENCE, disclaims=MEMORY),
    Case(RNN, {**SIZES, "keep_input": 0.7, "keep_state": 0.6, "clip_error": 9.0}, SEQUENCE, disclaims=["linear"]),
    Case(Recurrent, {"cell": gru_cell(4)}, SEQUENCE, refused=[{"returns": "some"}, {"keep_state": 0.0}]),
    Case(Recurrent, {"cell": attention_cell(4, 2), "output_size": 5, "returns": "last"}, SEQUENCE, disclaims=MEMORY),
    Case(Recurrent, {"cell": lstm_cell(4), "returns": "state", "learn_initial": True}, SEQUENCE, disclaims=MEMORY),
    Case(Bidirectional, {"cell": lstm_cell(4)}, SEQUENCE, refused=[{"merge": "both"}], disclaims=MEMORY),
    Case(Bidirectional, {"cell": elman_cell(4), "returns": "last", "merge": "add"}, SEQUENCE, disclaims=MEMORY),
    Case(Stack, {"cells": [gru_cell(4), elman_cell(4)], "residual": True}, SEQUENCE, refused=[{"cells": []}]),
    Case(MultiHead, {"cells": [gru_cell(2), elman_cell(4)]}, "time=6, batch=2, feature=4", refused=[{"cells": []}]),
    Case(
        RecurrentBlock,
        {"cell": "retention", "units": 4, "heads": 2},
        "time=6, batch=2, feature=4",
        refused=[{"units": 0}, {"inner": 3}, {"returns": "state"}],
        disclaims=["truncation"],
    ),
    Case(
        RecurrentBlock,
        {"cell": "rg_lru", "units": 3, "gated": True, "window_size": 2, "hidden": 0},
        SEQUENCE,
        disclaims=["truncation"],
    ),
    *(Case(GatedMLP, {"units": 4}, shape, refused=[{"units": 0}]) for shape in (ROWS, SEQUENCE)),
    Case(Stack, {"cells": [elman_cell(4), gru_cell(5)], "bidirectional": True}, SEQUENCE, disclaims=MEMORY),
    *(Case(Peephole, {"units": 3}, shape, refused=[{"units": 0}]) for shape in (ROWS, SEQUENCE)),
    Case(Clocked, {"period": 2}, [ROWS, ROWS, "batch=4, feature=1"], refused=[{"period": 0}]),
    Case(SlotSoftMax, {}, [ROWS, ROWS]),
    Case(ClipError, {"limit": 0.7}, ROWS, refused=[{"limit": 0.0}], disclaims=CLIPPED),
    Case(ClipError, {"limit": 0.7}, SEQUENCE, disclaims=CLIPPED),
    Case(First, {}, SEQUENCE, claims=["ragged"]),
    Case(InitialState, {"units": 4}, SEQUENCE, refused=[{"units": 0}]),
    Case(InitialState, {"units": (2, 3)}, SEQUENCE, refused=[{"units": ()}]),
    Case(SequenceMask, {"units": (2, 1, 3), "probability": 0.7}, SEQUENCE),
    Case(SequenceDropout, {"probability": 0.7}, SEQUENCE, refused=[{"probability": 0.0}]),
    Case(SequenceMask, {"units": 4, "probability": 0.7}, SEQUENCE, refused=[{"probability": 1.5}]),
]
