"""Initializers."""

from typing import TYPE_CHECKING

from graphnet.core.arguments import explain_constructors
from graphnet.core.attributes import missing_from
from graphnet.initializers.base import Initializer
from graphnet.initializers.constant import Constant
from graphnet.initializers.he import He
from graphnet.initializers.orthogonal import Orthogonal
from graphnet.initializers.uniform_random import UniformRandom
from graphnet.initializers.xavier import Xavier

__all__ = ["Constant", "He", "Initializer", "Orthogonal", "UniformRandom", "Xavier"]

explain_constructors([globals()[name] for name in __all__])

if not TYPE_CHECKING:  # with a __getattr__, a type checker would accept every name
    __getattr__ = missing_from(__name__)
