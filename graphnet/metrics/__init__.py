"""Metrics: objects with ``reset``, ``update``, ``result``, ``name`` and ``higher_is_better``."""

from typing import TYPE_CHECKING

from graphnet.core.arguments import explain_constructors
from graphnet.core.attributes import missing_from
from graphnet.metrics.accuracy import Accuracy
from graphnet.metrics.auc import AUC
from graphnet.metrics.base import Metric
from graphnet.metrics.confusion_matrix import ConfusionMatrix
from graphnet.metrics.f1 import F1
from graphnet.metrics.mean_absolute_error import MeanAbsoluteError
from graphnet.metrics.perplexity import Perplexity
from graphnet.metrics.precision import Precision
from graphnet.metrics.r2 import R2
from graphnet.metrics.recall import Recall
from graphnet.metrics.root_mean_squared_error import RootMeanSquaredError
from graphnet.metrics.top_k_accuracy import TopKAccuracy

__all__ = [
    "AUC",
    "F1",
    "R2",
    "Accuracy",
    "ConfusionMatrix",
    "MeanAbsoluteError",
    "Metric",
    "Perplexity",
    "Precision",
    "Recall",
    "RootMeanSquaredError",
    "TopKAccuracy",
]

explain_constructors([globals()[name] for name in __all__])

if not TYPE_CHECKING:  # with a __getattr__, a type checker would accept every name
    __getattr__ = missing_from(__name__)
