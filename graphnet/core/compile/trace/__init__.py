"""Tracing: layer rules run on symbols, and the operations that they record."""

from graphnet.core.compile.trace import elementwise, functions

__all__ = ["elementwise", "functions"]
