"""The weights and buffers of rank 0 as flat arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.core.run.runner import Runner

Layout = dict[str, list[tuple[str, tuple[int, ...]]]]


class SentWeights:
    """Which weights and buffers the other ranks have; both are replaced, and never written to.

    Parameters
    ----------
    runner : Runner
    """

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self._sent: dict[str, Array] = {}

    def forget(self) -> None:
        """Send all in the next task."""
        self._sent = {}

    def changed(self) -> tuple[dict[str, Array], Layout]:
        """Those that were replaced since the last call: a flat array by dtype, and the paths and shapes in it."""
        present = {path: parameter.value for path, parameter in self.runner.parameters.items()} | self.runner.buffers
        by_dtype: dict[str, list[tuple[str, Array]]] = {}
        for path, value in present.items():
            if self._sent.get(path) is not value:
                by_dtype.setdefault(value.dtype.str, []).append((path, value))
        self._sent = present
        flat = {dtype: np.concatenate([v.reshape(-1) for _, v in group]) for dtype, group in by_dtype.items()}
        return flat, {dtype: [(path, v.shape) for path, v in group] for dtype, group in by_dtype.items()}


def put_weights(runner: Runner, weights: Mapping[str, Array], layout: Layout) -> None:
    """Let the layers have the weights and buffers of rank 0; these are views of the arrays that were sent."""
    parameters = runner.parameters
    buffers: dict[str, dict[str, Any]] = {}
    for dtype, group in layout.items():
        start = 0
        for path, shape in group:
            size = int(np.prod(shape))
            value = weights[dtype][start : start + size].reshape(shape)
            start += size
            if path in parameters:
                parameters[path].value = value
            else:
                layer, _, name = path.rpartition("/")
                buffers.setdefault(layer, {})[name] = value
    for layer, values in buffers.items():
        store = runner.layers[layer].store
        store.replace_buffers({**store.buffers, **values})
