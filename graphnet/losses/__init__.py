"""Losses."""

from typing import TYPE_CHECKING

from graphnet.core.arguments import explain_constructors
from graphnet.core.attributes import missing_from
from graphnet.losses.base import Loss
from graphnet.losses.binary_cross_entropy import BinaryCrossEntropy
from graphnet.losses.cross_entropy import CrossEntropy
from graphnet.losses.cross_entropy_loss import CrossEntropyLoss
from graphnet.losses.mean_squared_error import MeanSquaredError

__all__ = ["BinaryCrossEntropy", "CrossEntropy", "CrossEntropyLoss", "Loss", "MeanSquaredError"]

explain_constructors([globals()[name] for name in __all__])

if not TYPE_CHECKING:  # with a __getattr__, a type checker would accept every name
    __getattr__ = missing_from(__name__)
