"""graphnet: neural-network layers as plugins, models as graphs, on a CPU.

Layers and graphs are here; training, model files and plugins load when they are first used, so that importing graphnet
stays quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from graphnet import lookup as _lookup  # noqa: F401  # the core finds the backends of plugins through it
from graphnet.core.blas_threads import threads
from graphnet.core.broadcasting import broadcast
from graphnet.core.builder import Builder, Value, functional
from graphnet.core.cell import Cell
from graphnet.core.composite import Composite, Subgraph
from graphnet.core.dtypes import as_array
from graphnet.core.errors import (
    ConfigError,
    DataError,
    DtypeError,
    FileError,
    ForkWarning,
    GraphError,
    GraphnetError,
    GraphnetWarning,
    PluginError,
    RuleError,
    ShapeError,
    StateError,
    UnknownNameError,
)
from graphnet.core.graph import Graph, Input, Node, Ref
from graphnet.core.layer import Layer, positive, require
from graphnet.core.logistic import inside_scan, logistic
from graphnet.core.parameter import Buffer, Parameter, Weight
from graphnet.core.phase import Phase
from graphnet.core.random import generator, seed, using
from graphnet.core.runner import Runner
from graphnet.core.scan import CellGraph, Scan
from graphnet.core.shapes import Shape
from graphnet.core.state import State
from graphnet.functions import concatenate, dense, dropout, embedding, flatten, multiply, reshape, split
from graphnet.layers import (
    Add,
    Affine,
    BatchNormalization,
    Concatenate,
    Dropout,
    Embedding,
    Flatten,
    FullyConnected,
    Last,
    LayerNormalization,
    MeanOverTime,
    Multiply,
    Reshape,
    Split,
    Subtract,
)

if TYPE_CHECKING:
    from graphnet.model import Model, load
    from graphnet.network import NeuralNetwork
    from graphnet.training import Trainer, TrainingConfig

    __version__: str

#: Public names that are imported when they are first asked for, and where they are.
_LATER = {
    "Model": "graphnet.model",
    "load": "graphnet.model",
    "NeuralNetwork": "graphnet.network",
    "Trainer": "graphnet.training",
    "TrainingConfig": "graphnet.training",
}

__all__ = [
    "Add",
    "Affine",
    "BatchNormalization",
    "Buffer",
    "Builder",
    "Cell",
    "CellGraph",
    "Composite",
    "Concatenate",
    "ConfigError",
    "DataError",
    "Dropout",
    "DtypeError",
    "Embedding",
    "FileError",
    "Flatten",
    "ForkWarning",
    "FullyConnected",
    "Graph",
    "GraphError",
    "GraphnetError",
    "GraphnetWarning",
    "Input",
    "Last",
    "Layer",
    "LayerNormalization",
    "MeanOverTime",
    "Model",
    "Multiply",
    "NeuralNetwork",
    "Node",
    "Parameter",
    "Phase",
    "PluginError",
    "Ref",
    "Reshape",
    "RuleError",
    "Runner",
    "Scan",
    "Shape",
    "ShapeError",
    "Split",
    "State",
    "StateError",
    "Subgraph",
    "Subtract",
    "Trainer",
    "TrainingConfig",
    "UnknownNameError",
    "Value",
    "Weight",
    "as_array",
    "broadcast",
    "concatenate",
    "dense",
    "dropout",
    "embedding",
    "flatten",
    "functional",
    "generator",
    "inside_scan",
    "load",
    "logistic",
    "multiply",
    "positive",
    "require",
    "reshape",
    "seed",
    "split",
    "threads",
    "using",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("graphnet")
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module 'graphnet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LATER])
