"""Functions that apply a new layer to values of a graph, for cells and models that read like their equations."""

from __future__ import annotations

from typing import Any

from graphnet.core.describe.builder import Value, functional
from graphnet.layers import Concatenate, Dropout, Embedding, Flatten, FullyConnected, Multiply, Reshape, Split


def dense(x: Value, units: int, *, name: str | None = None, **config: Any) -> Value:
    """A FullyConnected with ``units`` outputs; the number of inputs follows from ``x``.

    Examples
    --------
    >>> from graphnet import Builder, dense
    >>> g = Builder("scores")
    >>> g.build(dense(g.input("x", "batch, feature=4"), 3, name="scores"))
    Graph('scores': x -> 1 nodes -> output)
    """
    return FullyConnected(None, units, **config)(x, name=name)


concatenate = functional(Concatenate, "concatenate")
dropout = functional(Dropout, "dropout")
embedding = functional(Embedding, "embedding")
flatten = functional(Flatten, "flatten")
multiply = functional(Multiply, "multiply")
reshape = functional(Reshape, "reshape")
split = functional(Split, "split")

__all__ = ["concatenate", "dense", "dropout", "embedding", "flatten", "multiply", "reshape", "split"]
