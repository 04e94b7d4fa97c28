"""Functions that apply a recurrent layer to values of a graph.

Each has the name of its layer in snake case (``lstm`` for LSTM) and takes the arguments of its constructor, without the
size of the input, which is taken from the first value. Further values are the further inputs, such as initial states.

Examples
--------
>>> from graphnet import Builder, dense, last
>>> from graphnet_recurrent import lstm
>>> g = Builder("sequences")
>>> x = g.input("x", "time, batch, feature=3")
>>> g.build(dense(last(lstm(x, 64, returns="all", name="encoder")), 2))
Graph('sequences': x -> 3 nodes -> output)
"""

from graphnet.authoring import functional
from graphnet_recurrent.bidirectional import Bidirectional
from graphnet_recurrent.blocks import GatedMLP, MultiHead, RecurrentBlock
from graphnet_recurrent.gru import GRU
from graphnet_recurrent.lstm import LSTM
from graphnet_recurrent.recurrent import Recurrent
from graphnet_recurrent.rnn import RNN
from graphnet_recurrent.stack import Stack

lstm = functional(LSTM, "lstm", inferred=["input_size"], defaults={"output_size": None})
gru = functional(GRU, "gru", inferred=["input_size"], defaults={"output_size": None})
rnn = functional(RNN, "rnn", inferred=["input_size"], defaults={"output_size": None})
recurrent = functional(Recurrent, "recurrent")
bidirectional = functional(Bidirectional, "bidirectional")
stack = functional(Stack, "stack")
recurrent_block = functional(RecurrentBlock, "recurrent_block")
multi_head = functional(MultiHead, "multi_head")
gated_mlp = functional(GatedMLP, "gated_mlp")
