"""The activations as functions on values of a graph."""

from graphnet import functional
from graphnet_recurrent.sigmoid import Sigmoid
from graphnet_recurrent.tanh import TanH

tanh = functional(TanH, "tanh")
sigmoid = functional(Sigmoid, "sigmoid")
