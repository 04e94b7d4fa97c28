"""Losses."""

from graphnet.losses.base import Loss
from graphnet.losses.binary_cross_entropy import BinaryCrossEntropy
from graphnet.losses.cross_entropy import CrossEntropy
from graphnet.losses.mean_squared_error import MeanSquaredError

__all__ = ["BinaryCrossEntropy", "CrossEntropy", "Loss", "MeanSquaredError"]
