"""Regularizers."""

from graphnet.regularizers.base import Regularizer
from graphnet.regularizers.l1_regularizer import L1_Regularizer
from graphnet.regularizers.l2_regularizer import L2_Regularizer

__all__ = ["L1_Regularizer", "L2_Regularizer", "Regularizer"]
