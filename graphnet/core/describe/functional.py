"""Functions that make a layer and apply it to values of a graph."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.value import Value
from graphnet.core.errors import GraphError


def functional(layer: Callable[..., Layer], name: str) -> Callable[..., Value]:
    """A function that makes a layer and applies it: values are its inputs, all other arguments are its configuration.

    If the layer has a field ``dtype`` (or the function that makes it a parameter of this name), it gets the builder's
    dtype unless the call gives another one.

    Examples
    --------
    >>> from graphnet import Builder, FullyConnected
    >>> dense = functional(lambda *a, **k: FullyConnected(None, *a, **k), "dense")
    >>> g = Builder()
    >>> dense(g.input("x"), 7, name="scores")
    Value(scores, in 'model')
    """

    name_ = name

    def apply(*arguments: Any, name: str | None = None, **config: Any) -> Value:
        values = [a for a in arguments if isinstance(a, Value)]
        if not values:
            raise GraphError(
                f"{name_} was called without a value of a graph",
                expected="a value of a Builder or Cell first",
                received=", ".join(type(value).__name__ for value in arguments) or "nothing",
                remedy="To compute with arrays, make the layer and call its forward(array).",
            )
        if values and values[0].builder.dtype is not None and takes_dtype(layer):
            config.setdefault("dtype", values[0].builder.dtype)
        return layer(*(a for a in arguments if not isinstance(a, Value)), **config)(*values, name=name)

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = (
        f"Apply a new {getattr(layer, '__name__', name)} layer to values of a graph; ``name=`` names the node."
    )
    return apply


@lru_cache(maxsize=256)
def takes_dtype(layer: Callable[..., Layer]) -> bool:
    """Whether a layer class, or a function that makes a layer, has a parameter named ``dtype``."""
    make = layer.__init__ if isinstance(layer, type) else layer  # type: ignore[misc]
    try:
        return "dtype" in inspect.signature(make).parameters
    except ValueError:  # a callable without a signature
        return False
