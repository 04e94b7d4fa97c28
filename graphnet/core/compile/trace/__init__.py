"""Tracing: layer rules run on symbols, and the operations that they record."""
