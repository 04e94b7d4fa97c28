"""What the conformance kit is told of the layers of this distribution."""

from graphnet.testing import Case
from graphnet_recurrent.activations import Sigmoid, TanH
from graphnet_recurrent.cells.clocked import Clocked
from graphnet_recurrent.cells.slot_softmax import SlotSoftMax
from graphnet_recurrent.gru import GRU
from graphnet_recurrent.lstm import LSTM
from graphnet_recurrent.rnn import RNN
from graphnet_recurrent.scale import Peephole

ROWS, SEQUENCE = "batch=4, feature=3", "time=6, batch=2, feature=3"
SIZES = {"input_size": 3, "hidden_size": 4, "output_size": 5}

CASES = [
    *(Case(layer, {}, shape) for layer in (TanH, Sigmoid) for shape in (ROWS, SEQUENCE)),
    *(Case(layer, {**SIZES, "bptt_length": 6}, SEQUENCE, refused=[{"hidden_size": 0}]) for layer in (RNN, LSTM, GRU)),
    *(Case(layer, {**SIZES, "output_size": None}, SEQUENCE) for layer in (RNN, LSTM, GRU)),
    Case(LSTM, {**SIZES, "input_size": None, "forget_bias": 1.0}, SEQUENCE),
    *(Case(Peephole, {"units": 3}, shape, refused=[{"units": 0}]) for shape in (ROWS, SEQUENCE)),
    Case(Clocked, {"period": 2}, [ROWS, ROWS, "batch=4, feature=1"], refused=[{"period": 0}]),
    Case(SlotSoftMax, {}, [ROWS, ROWS]),
]
