"""Callbacks: they follow a training run, and may stop it."""

from typing import TYPE_CHECKING

from graphnet.core.attributes import missing_from
from graphnet.training.callbacks.base import Callback, TrainingRun
from graphnet.training.callbacks.early_stopping import EarlyStopping
from graphnet.training.callbacks.time_limit import TimeLimit

__all__ = ["Callback", "EarlyStopping", "TimeLimit", "TrainingRun"]

if not TYPE_CHECKING:  # with a __getattr__, a type checker would accept every name
    __getattr__ = missing_from(__name__)
