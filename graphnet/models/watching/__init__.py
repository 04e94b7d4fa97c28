"""``graphnet watch``: the page of a run that is going on, served by a process of its own."""

from graphnet.models.watching.address import kept_address
from graphnet.models.watching.measured import Measurements, Parts
from graphnet.models.watching.run import WatchedRun
from graphnet.models.watching.server import Server, serve

__all__ = ["Measurements", "Parts", "Server", "WatchedRun", "kept_address", "serve"]
