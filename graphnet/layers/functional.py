"""Functions that apply a new layer to values of a graph, as in equations."""

from __future__ import annotations

from graphnet.core.describe.functional import functional
from graphnet.core.describe.value import Value
from graphnet.layers import Concatenate, Dropout, Embedding, Flatten, FullyConnected, Multiply, Reshape, Split


def dense(
    x: Value, units: int, *, name: str | None = None, bias: bool | float = True, dtype: str | None = None
) -> Value:
    """Apply a new FullyConnected layer with ``units`` outputs; the number of inputs is taken from ``x``.

    Parameters
    ----------
    x : Value
    units : int
    name : str, optional
        Of the node.
    bias : bool or float
        False: no bias. True: filled by the bias initializer. A number: the value it starts at.
    dtype : {'float64', 'float32'}, optional
        Of the weights; None: the dtype of the builder or cell, which is float64 unless it was given.

    Examples
    --------
    >>> from graphnet import Builder, dense
    >>> g = Builder("scores", dtype="float32")
    >>> g.build(dense(g.input("x", "batch, feature=4"), 3, name="scores", bias=0.5)).nodes["scores"].layer
    FullyConnected(input_size=None, output_size=3, bias=0.5, dtype='float32')
    """
    return _fully_connected(x, None, units, name=name, bias=bias, **({} if dtype is None else {"dtype": dtype}))


_fully_connected = functional(FullyConnected, "fully_connected")
concatenate = functional(Concatenate, "concatenate")
dropout = functional(Dropout, "dropout")
embedding = functional(Embedding, "embedding")
flatten = functional(Flatten, "flatten")
multiply = functional(Multiply, "multiply")
reshape = functional(Reshape, "reshape")
split = functional(Split, "split")

__all__ = ["concatenate", "dense", "dropout", "embedding", "flatten", "multiply", "reshape", "split"]
