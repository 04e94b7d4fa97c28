"""The activations as functions on values of a graph."""

from graphnet.authoring import functional
from graphnet_recurrent.activations import Sigmoid, TanH

tanh = functional(TanH, "tanh")
sigmoid = functional(Sigmoid, "sigmoid")
