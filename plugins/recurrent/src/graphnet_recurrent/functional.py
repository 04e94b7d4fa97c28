"""Functions that apply a new layer to a value of a graph."""

from graphnet.authoring import functional
from graphnet_recurrent.layers import Peephole, Sigmoid, TanH

tanh = functional(TanH, "tanh")
sigmoid = functional(Sigmoid, "sigmoid")
peephole = functional(Peephole, "peephole")
