"""Callbacks: they follow a training run, and may stop it."""

from graphnet.training.callbacks.base import Callback, TrainingRun
from graphnet.training.callbacks.time_limit import TimeLimit

__all__ = ["Callback", "TimeLimit", "TrainingRun"]
