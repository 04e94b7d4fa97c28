"""Communicators by name."""

from __future__ import annotations

from typing import Any

from graphnet.core.errors import ConfigError
from graphnet.training.distributed.communicator import Communicator
from graphnet.training.distributed.threads import ThreadCommunicator


def communicator_class(value: Any) -> type[Communicator]:
    """The class that a name stands for, or the class itself."""
    if isinstance(value, type) and issubclass(value, Communicator):
        return value
    if value == "threads":
        return ThreadCommunicator
    raise ConfigError("unknown communicator", where="DataParallel", received=repr(value))
