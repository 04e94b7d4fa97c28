"""TanH and Sigmoid, the activations that recurrent cells are made of."""

from graphnet_recurrent.activations.sigmoid import Sigmoid
from graphnet_recurrent.activations.tanh import TanH

__all__ = ["Sigmoid", "TanH"]
