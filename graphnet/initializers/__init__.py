"""Initializers."""

from graphnet.initializers.base import Initializer
from graphnet.initializers.constant import Constant
from graphnet.initializers.he import He
from graphnet.initializers.orthogonal import Orthogonal
from graphnet.initializers.uniform_random import UniformRandom
from graphnet.initializers.xavier import Xavier

__all__ = ["Constant", "He", "Initializer", "Orthogonal", "UniformRandom", "Xavier"]
