"""Exporters: functions that turn a model into a file for other programs."""

from graphnet.inspect.exporters.mermaid import mermaid

__all__ = ["mermaid"]
