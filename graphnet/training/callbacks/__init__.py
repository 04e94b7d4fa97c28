"""Callbacks: what listens to a training run, and may end it."""

from graphnet.training.callbacks.base import Callback
from graphnet.training.callbacks.time_limit import TimeLimit

__all__ = ["Callback", "TimeLimit"]
