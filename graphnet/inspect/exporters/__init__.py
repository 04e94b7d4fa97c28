"""Exporters: functions that return a model in the format of another program."""

from graphnet.inspect.exporters.mermaid import mermaid
from graphnet.inspect.exporters.pictures import dot, png, svg

__all__ = ["dot", "mermaid", "png", "svg"]
