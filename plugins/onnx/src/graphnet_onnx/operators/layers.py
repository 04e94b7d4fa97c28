"""Runs layers of graphnet on the arrays of a node."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from graphnet import Layer, Phase, using
from graphnet_onnx.operators.context import Context


def runs(*arrays: Any) -> bool:
    """Whether graphnet can compute with these arrays: one of its dtypes, and no axis of size 0."""
    return all(a.dtype.char in "fd" and a.dtype == arrays[0].dtype and a.size for a in arrays)


def layer_of(context: Context, key: Hashable, make: Callable[[], Layer]) -> Layer:
    """Return a layer of this node in the test phase: one that was made with the same key, or a new one.

    The node's random generator is not drawn from: weights of a new layer are replaced before they are used.
    """
    known = context.cache.get(key)
    if known is None:
        with using(np.random.default_rng(0)):
            known = context.cache[key] = make()
        known.phase = Phase.test
    layer: Layer = known
    return layer


def whole(layer: Layer, *arrays: Any) -> Any:
    """Run a layer on arrays as one row: each has a leading axis of size 1 for graphnet."""
    result = layer.forward(*(array[None] for array in arrays))
    return np.asarray(result)[0]
