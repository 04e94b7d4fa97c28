"""Tracing: layer rules run on symbols, and the operations that they record."""

from graphnet.core.compile.trace import einsum, elementwise, functions

__all__ = ["einsum", "elementwise", "functions"]
