"""Metrics: objects with ``reset``, ``update``, ``result``, ``name`` and ``higher_is_better``."""

from graphnet.metrics.accuracy import Accuracy
from graphnet.metrics.base import Metric
from graphnet.metrics.mean_absolute_error import MeanAbsoluteError
from graphnet.metrics.root_mean_squared_error import RootMeanSquaredError

__all__ = ["Accuracy", "MeanAbsoluteError", "Metric", "RootMeanSquaredError"]
