"""Functions that apply an activation to a value of a graph."""

from graphnet.authoring import functional
from graphnet_recurrent.layers import Sigmoid, TanH

tanh = functional(TanH, "tanh")
sigmoid = functional(Sigmoid, "sigmoid")
