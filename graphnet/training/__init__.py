"""Training: the configuration, the Trainer and its callbacks."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from graphnet.core.attributes import missing_from

if TYPE_CHECKING:
    from graphnet.training.callbacks import Callback, TrainingRun
    from graphnet.training.config import TrainingConfig
    from graphnet.training.history import EpochRecord, History
    from graphnet.training.rate_finder import RateCurve, find_rate
    from graphnet.training.trainer import Trainer

__all__ = [
    "Callback",
    "EpochRecord",
    "History",
    "RateCurve",
    "Trainer",
    "TrainingConfig",
    "TrainingRun",
    "find_rate",
]

#: The module of each public name; imported at first use, so that a callback's module does not import the Trainer.
_MODULES = {
    "Callback": "graphnet.training.callbacks",
    "EpochRecord": "graphnet.training.history",
    "History": "graphnet.training.history",
    "RateCurve": "graphnet.training.rate_finder",
    "Trainer": "graphnet.training.trainer",
    "TrainingConfig": "graphnet.training.config",
    "TrainingRun": "graphnet.training.callbacks",
    "find_rate": "graphnet.training.rate_finder",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    return missing_from(__name__)(name)
