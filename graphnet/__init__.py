"""graphnet: neural-network layers as plugins, models as graphs, on a CPU.

Layers and graphs are here; training, model files and plugins load when they are first used, so that importing graphnet
stays quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from graphnet.core import module_aliases
from graphnet.core.concurrency.blas_threads import threads
from graphnet.core.describe.broadcasting import broadcast
from graphnet.core.describe.builder import Builder, Value, functional
from graphnet.core.describe.cell import Cell
from graphnet.core.describe.composite import Composite, Subgraph
from graphnet.core.describe.graph import Graph, Input, Node, Ref
from graphnet.core.describe.layer import Layer, positive, require
from graphnet.core.describe.logistic import inside_scan, logistic
from graphnet.core.describe.parameter import Buffer, Parameter, Weight
from graphnet.core.describe.scan import CellGraph, Scan
from graphnet.core.describe.shapes import Shape
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
from graphnet.core.phase import Phase
from graphnet.core.random import generator, seed, using
from graphnet.core.run.runner import Runner
from graphnet.core.run.state import State
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
from graphnet.layers.functional import concatenate, dense, dropout, embedding, flatten, multiply, reshape, split
from graphnet.models import backend_lookup as _lookup  # noqa: F401  # the core finds the backends of plugins through it

if TYPE_CHECKING:
    from graphnet.models.model import Model, load
    from graphnet.models.network import NeuralNetwork
    from graphnet.training import Trainer, TrainingConfig

    __version__: str

#: Public names that are imported when they are first asked for, and where they are.
_LATER = {
    "Model": "graphnet.models.model",
    "load": "graphnet.models.model",
    "NeuralNetwork": "graphnet.models.network",
    "Trainer": "graphnet.training",
    "TrainingConfig": "graphnet.training",
}

#: Import paths of modules that live elsewhere: two public names, and those of the last release.
_ALIASES = {
    "graphnet.callbacks": module_aliases.Alias("graphnet.training.callbacks"),
    "graphnet.datasets": module_aliases.Alias("graphnet.data.datasets"),
    "graphnet.exporters": module_aliases.Alias("graphnet.inspect.exporters", deprecated=True),
    "graphnet.functions": module_aliases.Alias("graphnet.layers.functional", deprecated=True),
    "graphnet.model": module_aliases.Alias("graphnet.models.model", deprecated=True),
    "graphnet.network": module_aliases.Alias("graphnet.models.network", deprecated=True),
    "graphnet.scaffold": module_aliases.Alias("graphnet.cli.scaffold", deprecated=True),
    "graphnet.sequences": module_aliases.Alias("graphnet.data.sequences", deprecated=True),
}
module_aliases.install(_ALIASES)

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


def _explain(graph: Graph, **options: Any) -> Any:
    from graphnet.inspect.explain import explain

    return explain(graph, **options)


Graph.explainer = staticmethod(_explain)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("graphnet")
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    if f"graphnet.{name}" in _ALIASES:
        return importlib.import_module(f"graphnet.{name}")
    raise AttributeError(f"module 'graphnet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LATER])
