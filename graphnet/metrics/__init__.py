"""Metrics: objects with ``reset``, ``update``, ``result``, ``name`` and ``higher_is_better``."""

from typing import TYPE_CHECKING

from graphnet.core.arguments import explain_constructors
from graphnet.core.attributes import missing_from
from graphnet.metrics.accuracy import Accuracy
from graphnet.metrics.base import Metric
from graphnet.metrics.mean_absolute_error import MeanAbsoluteError
from graphnet.metrics.root_mean_squared_error import RootMeanSquaredError

__all__ = ["Accuracy", "MeanAbsoluteError", "Metric", "RootMeanSquaredError"]

explain_constructors([globals()[name] for name in __all__])

if not TYPE_CHECKING:  # with a __getattr__, a type checker would accept every name
    __getattr__ = missing_from(__name__)
