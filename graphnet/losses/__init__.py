"""Losses."""

from typing import TYPE_CHECKING

from graphnet.core.arguments import explain_constructors
from graphnet.core.attributes import missing_from
from graphnet.losses.base import Loss
from graphnet.losses.binary_cross_entropy import BinaryCrossEntropy
from graphnet.losses.cross_entropy import CrossEntropy
from graphnet.losses.cross_entropy_loss import CrossEntropyLoss
from graphnet.losses.hinge import Hinge
from graphnet.losses.huber import Huber
from graphnet.losses.kl_divergence import KLDivergence
from graphnet.losses.mean_absolute_error import MeanAbsoluteError
from graphnet.losses.mean_squared_error import MeanSquaredError
from graphnet.losses.multiclass_hinge import MulticlassHinge

__all__ = [
    "BinaryCrossEntropy",
    "CrossEntropy",
    "CrossEntropyLoss",
    "Hinge",
    "Huber",
    "KLDivergence",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "MulticlassHinge",
]

explain_constructors([globals()[name] for name in __all__])

if not TYPE_CHECKING:  # with a __getattr__, a type checker would accept every name
    __getattr__ = missing_from(__name__)
