"""Exporters: functions that return a model in the format of another program."""

from graphnet.inspect.exporters.mermaid import mermaid

__all__ = ["mermaid"]
