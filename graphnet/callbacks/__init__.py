"""Callbacks: what listens to a training run, and may end it."""

from graphnet.callbacks.base import Callback
from graphnet.callbacks.time_limit import TimeLimit

__all__ = ["Callback", "TimeLimit"]
