"""``graphnet watch``: the page of a run that is going on, served by a process of its own."""

from graphnet.models.watching.server import Server, serve

__all__ = ["Server", "serve"]
