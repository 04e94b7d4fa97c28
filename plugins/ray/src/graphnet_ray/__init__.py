"""Training of graphnet models by several processes and machines, on Ray."""

from __future__ import annotations

from graphnet_ray.communicator import RayCommunicator
from graphnet_ray.session import connect, disconnect
from graphnet_ray.settings import Settings

__all__ = ["RayCommunicator", "Settings", "connect", "disconnect"]
