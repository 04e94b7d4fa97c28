"""Exporters: functions that turn a model into a file for other programs."""

from graphnet.exporters.mermaid import mermaid

__all__ = ["mermaid"]
