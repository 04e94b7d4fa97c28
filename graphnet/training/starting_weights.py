"""The weights with which a training run begins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from graphnet.core import random
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.shapes import Shape
from graphnet.core.run.runner import Runner
from graphnet.data.batches import Batch
from graphnet.training.config import TrainingConfig


def create_weights(runner: Runner, config: TrainingConfig, first: Batch, warm_start: bool) -> None:
    """Create the missing weights, from a separate generator; then, unless warm-started, initialize all weights."""
    sized = Runner(_sized(runner.graph, first))
    with random.using(np.random.default_rng(0)):
        sized.materialize()
        if warm_start:
            return
        for layer in runner.layers.values():
            layer.store.replace_buffers({})
        sized.materialize()
    runner.initialize(config.weights_initializer, config.bias_initializer)


def _sized(graph: Graph, batch: Batch) -> Graph:
    """The graph with the same layers, and with its inputs declared to have the sizes of a batch."""
    inputs = dict(graph.inputs)
    for name, array in batch.inputs.items():
        declared = inputs[name].shape
        shape = Shape.of(array.shape, None if declared is None else declared.names)
        inputs[name] = replace(inputs[name], shape=shape)
    return Graph(graph.name, inputs, graph.nodes, graph.outputs)
