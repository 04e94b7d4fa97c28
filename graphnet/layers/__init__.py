"""The layers that ship with graphnet, and the operators on values that stand for some of them."""

from graphnet.core.builder import OPERATORS
from graphnet.layers.add import Add
from graphnet.layers.affine import Affine
from graphnet.layers.dropout import Dropout
from graphnet.layers.fully_connected import FullyConnected

OPERATORS |= {"add": Add, "affine": Affine}

__all__ = ["Add", "Affine", "Dropout", "FullyConnected"]
