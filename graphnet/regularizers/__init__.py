"""Regularizers."""

from typing import TYPE_CHECKING

from graphnet.core.arguments import explain_constructors
from graphnet.core.attributes import missing_from
from graphnet.regularizers.base import Regularizer
from graphnet.regularizers.l1_regularizer import L1_Regularizer
from graphnet.regularizers.l2_regularizer import L2_Regularizer

__all__ = ["L1_Regularizer", "L2_Regularizer", "Regularizer"]

explain_constructors([globals()[name] for name in __all__])

if not TYPE_CHECKING:  # with a __getattr__, a type checker would accept every name
    __getattr__ = missing_from(__name__)
