"""graphnet: neural-network layers as plugins, models as graphs, on a CPU.

Layers and graphs are imported here. Training, model files, plugins and every other submodule are imported when they
are first used, so that ``import graphnet`` stays fast: ``graphnet.optimizers.Adam`` works without another import.
Names for authors of layers are in :mod:`graphnet.authoring`.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

from graphnet.core import late, module_aliases
from graphnet.core.attributes import missing_from
from graphnet.core.concurrency.blas_threads import threads
from graphnet.core.concurrency.gil import require_gil
from graphnet.core.describe import operators as _operators
from graphnet.core.describe.builder import Builder
from graphnet.core.describe.cell import Cell
from graphnet.core.describe.composite import Composite, Subgraph
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.parameter import Weight
from graphnet.core.describe.scan import CellGraph, Scan
from graphnet.core.describe.shapes import Shape
from graphnet.core.describe.value import Value
from graphnet.core.distribution import VERSION as _VERSION
from graphnet.core.errors import (
    ConfigError,
    DataError,
    DtypeError,
    FileError,
    ForkWarning,
    GraphError,
    GraphnetDeprecationWarning,
    GraphnetError,
    GraphnetWarning,
    NonFiniteError,
    PluginError,
    RuleError,
    ShapeError,
    StateError,
    UnknownNameError,
    UnsavableWarning,
    WorkerError,
)
from graphnet.core.files import private as _private
from graphnet.core.garbage import count_as_old as _count_as_old
from graphnet.core.phase import Phase
from graphnet.core.random import generator, seed, using
from graphnet.core.run import backends as _backends
from graphnet.core.run.runner import Runner
from graphnet.core.run.state import State
from graphnet.layers import (
    Absolute,
    Add,
    Affine,
    BatchNormalization,
    Concatenate,
    ConstantArray,
    Cos,
    Divide,
    Dropout,
    Embedding,
    Exp,
    Expm1,
    Flatten,
    FullyConnected,
    Gain,
    Last,
    LayerNormalization,
    LearnedArray,
    Log,
    Log1p,
    LogAddExp,
    MatrixProduct,
    MatrixVector,
    Maximum,
    MeanOver,
    MeanOverTime,
    Minimum,
    Multiply,
    NewAxis,
    OuterProduct,
    Power,
    Reshape,
    RMSNormalization,
    ScalarPower,
    Sin,
    Slice,
    Split,
    Sqrt,
    Standardize,
    Subtract,
    SumOver,
    SwapAxes,
    UnitNormalization,
    VectorMatrix,
)
from graphnet.layers.functional import (
    batch_normalization,
    concatenate,
    constant,
    dense,
    dropout,
    embedding,
    flatten,
    gain,
    last,
    layer_normalization,
    matrix_product,
    matrix_vector,
    mean_over,
    mean_over_time,
    multiply,
    new_axis,
    outer_product,
    parameter,
    reshape,
    rms_normalization,
    split,
    standardize,
    sum_over,
    swap_axes,
    unit_normalization,
    vector_matrix,
)

if TYPE_CHECKING:
    from graphnet import authoring as authoring
    from graphnet import callbacks as callbacks
    from graphnet import cli as cli
    from graphnet import core as core
    from graphnet import data as data
    from graphnet import datasets as datasets
    from graphnet import exercise as exercise
    from graphnet import initializers as initializers
    from graphnet import inspect as inspect
    from graphnet import io as io
    from graphnet import layers as layers
    from graphnet import losses as losses
    from graphnet import metrics as metrics
    from graphnet import models as models
    from graphnet import optimizers as optimizers
    from graphnet import plugins as plugins
    from graphnet import regularizers as regularizers
    from graphnet import sklearn as sklearn
    from graphnet import sweeps as sweeps
    from graphnet import testing as testing
    from graphnet import training as training
    from graphnet.inspect.equations import equations
    from graphnet.inspect.explain import explain
    from graphnet.inspect.multiply_adds import multiply_adds
    from graphnet.inspect.summary import summary
    from graphnet.models.loading import load
    from graphnet.models.model import Model
    from graphnet.models.network import NeuralNetwork
    from graphnet.models.pages import report, trace
    from graphnet.models.sequential import Sequential
    from graphnet.models.standardized import standardized
    from graphnet.models.weight_import import import_weights
    from graphnet.optimizers import schedules as schedules
    from graphnet.plugins.local import register
    from graphnet.sweeps import sweep
    from graphnet.training import Trainer, TrainingConfig

    __version__: str

#: The submodules, by their names in ``graphnet``; each is imported when it is first used.
_SUBMODULES = {
    "authoring": "graphnet.authoring",
    "callbacks": "graphnet.models.callbacks",
    "cli": "graphnet.cli",
    "core": "graphnet.core",
    "data": "graphnet.data",
    "datasets": "graphnet.data.datasets",
    "distributed": "graphnet.training.distributed",
    "exercise": "graphnet.exercise",
    "initializers": "graphnet.initializers",
    "inspect": "graphnet.inspect",
    "io": "graphnet.io",
    "layers": "graphnet.layers",
    "losses": "graphnet.losses",
    "metrics": "graphnet.metrics",
    "models": "graphnet.models",
    "optimizers": "graphnet.optimizers",
    "plugins": "graphnet.plugins",
    "regularizers": "graphnet.regularizers",
    "schedules": "graphnet.optimizers.schedules",
    "sklearn": "graphnet.models.sklearn",
    "sweeps": "graphnet.sweeps",
    "testing": "graphnet.testing",
    "training": "graphnet.training",
}

#: Public names whose module is imported when they are first used.
_LAZY = {
    "Model": "graphnet.models.model",
    "NeuralNetwork": "graphnet.models.network",
    "Sequential": "graphnet.models.sequential",
    "Trainer": "graphnet.training",
    "TrainingConfig": "graphnet.training",
    "equations": "graphnet.inspect.equations",
    "explain": "graphnet.inspect.explain",
    "multiply_adds": "graphnet.inspect.multiply_adds",
    "import_weights": "graphnet.models.weight_import",
    "load": "graphnet.models.loading",
    "register": "graphnet.plugins.local",
    "report": "graphnet.models.pages",
    "standardized": "graphnet.models.standardized",
    "summary": "graphnet.inspect.summary",
    "sweep": "graphnet.sweeps",
    "trace": "graphnet.models.pages",
}

#: Import paths of modules that live elsewhere: two public names, and those of the last release.
_ALIASES = {
    "graphnet.callbacks": module_aliases.Alias("graphnet.models.callbacks"),
    "graphnet.core.backends": module_aliases.Alias("graphnet.core.run.backends", deprecated=True),
    "graphnet.datasets": module_aliases.Alias("graphnet.data.datasets"),
    "graphnet.distributed": module_aliases.Alias("graphnet.training.distributed"),
    "graphnet.exporters": module_aliases.Alias("graphnet.inspect.exporters", deprecated=True),
    "graphnet.functions": module_aliases.Alias("graphnet.layers.functional", deprecated=True),
    "graphnet.model": module_aliases.Alias("graphnet.models", deprecated=True),
    "graphnet.network": module_aliases.Alias("graphnet.models.network", deprecated=True),
    "graphnet.scaffold": module_aliases.Alias("graphnet.cli.scaffold", deprecated=True),
    "graphnet.schedules": module_aliases.Alias("graphnet.optimizers.schedules"),
    "graphnet.sklearn": module_aliases.Alias("graphnet.models.sklearn"),
    "graphnet.sequences": module_aliases.Alias("graphnet.data.sequences", deprecated=True),
}
module_aliases.install(_ALIASES)

late.provide(
    {
        "graph_svg": ("graphnet.inspect.exporters.pictures", "graph_svg"),
        "mimebundle": ("graphnet.inspect.notebook", "mimebundle"),
        "plot_confusion_matrix": ("graphnet.inspect.figures", "confusion_figure"),
        "plot_history": ("graphnet.inspect.figures", "history_figure"),
        "named_at": ("graphnet.training.names", "named_at"),
        "unsavable": ("graphnet.io.writing", "unsavable"),
    }
)

# The library logs under "graphnet"; an application that wants the messages adds its own handler.
logging.getLogger("graphnet").addHandler(logging.NullHandler())

#: Names for authors of layers, which were here in 0.1; removed in 0.3.
_MOVED_TO_AUTHORING = frozenset(
    {
        "Buffer",
        "Input",
        "Node",
        "Parameter",
        "Ref",
        "as_array",
        "broadcast",
        "functional",
        "inside_scan",
        "logistic",
        "positive",
        "require",
    }
)

__all__ = [
    "Absolute",
    "Add",
    "Affine",
    "BatchNormalization",
    "Builder",
    "Cell",
    "CellGraph",
    "Composite",
    "Concatenate",
    "ConfigError",
    "ConstantArray",
    "Cos",
    "DataError",
    "Divide",
    "Dropout",
    "DtypeError",
    "Embedding",
    "Exp",
    "Expm1",
    "FileError",
    "Flatten",
    "ForkWarning",
    "FullyConnected",
    "Gain",
    "Graph",
    "GraphError",
    "GraphnetDeprecationWarning",
    "GraphnetError",
    "GraphnetWarning",
    "Last",
    "Layer",
    "LayerNormalization",
    "LearnedArray",
    "Log",
    "Log1p",
    "LogAddExp",
    "MatrixProduct",
    "MatrixVector",
    "Maximum",
    "MeanOver",
    "MeanOverTime",
    "Minimum",
    "Model",
    "Multiply",
    "NeuralNetwork",
    "NewAxis",
    "NonFiniteError",
    "OuterProduct",
    "Phase",
    "PluginError",
    "Power",
    "RMSNormalization",
    "Reshape",
    "RuleError",
    "Runner",
    "ScalarPower",
    "Scan",
    "Sequential",
    "Shape",
    "ShapeError",
    "Sin",
    "Slice",
    "Split",
    "Sqrt",
    "Standardize",
    "State",
    "StateError",
    "Subgraph",
    "Subtract",
    "SumOver",
    "SwapAxes",
    "Trainer",
    "TrainingConfig",
    "UnitNormalization",
    "UnknownNameError",
    "UnsavableWarning",
    "Value",
    "VectorMatrix",
    "Weight",
    "WorkerError",
    "batch_normalization",
    "concatenate",
    "constant",
    "dense",
    "dropout",
    "embedding",
    "equations",
    "explain",
    "flatten",
    "gain",
    "generator",
    "import_weights",
    "last",
    "layer_normalization",
    "load",
    "matrix_product",
    "matrix_vector",
    "mean_over",
    "mean_over_time",
    "multiply",
    "multiply_adds",
    "new_axis",
    "outer_product",
    "parameter",
    "register",
    "report",
    "reshape",
    "rms_normalization",
    "seed",
    "split",
    "standardize",
    "standardized",
    "sum_over",
    "summary",
    "swap_axes",
    "sweep",
    "threads",
    "trace",
    "unit_normalization",
    "using",
    "vector_matrix",
]


def _explain_graph(graph: Graph, **options: Any) -> Any:
    from graphnet.inspect.explain import explain

    return explain(graph, **options)


require_gil()
Graph.explainer = staticmethod(_explain_graph)


def _plugin_backends() -> _backends.Source:
    """The backends of plugins; the plugins load when a backend that is not built in is first asked for."""
    from graphnet.plugins import backends

    return backends


def _private_writer() -> _private.Writer:
    """What creates files for packages that graphnet.io imports."""
    from graphnet.io.filesystem import write_private

    return write_private


def _plugin_layers() -> _operators.LayerSource:
    """The layers of plugins; the plugins load when a layer is first looked for by its name."""
    from graphnet.plugins import layer_lookup

    return layer_lookup.SOURCE


_backends.add_source(_plugin_backends)
_operators.find_layers_with(_plugin_layers)
_private.use_writer(_private_writer)
_count_as_old()

if not TYPE_CHECKING:  # with a module-level __getattr__, a type checker would accept every name

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            return _VERSION
        if name in _LAZY:
            return getattr(importlib.import_module(_LAZY[name]), name)
        if name in _SUBMODULES:
            return importlib.import_module(_SUBMODULES[name])
        if f"graphnet.{name}" in _ALIASES:
            return importlib.import_module(f"graphnet.{name}")
        if name in _MOVED_TO_AUTHORING:
            return _moved(name)
        return missing_from(__name__)(name)


def _moved(name: str) -> Any:
    """Return a name of ``graphnet.authoring``, with a warning for the line that asked for it here."""
    import warnings

    warnings.warn(
        f"graphnet.{name} has moved; write: from graphnet.authoring import {name}",
        GraphnetDeprecationWarning,
        stacklevel=3,
    )
    return getattr(importlib.import_module("graphnet.authoring"), name)


def __dir__() -> list[str]:
    return sorted({*__all__, *_SUBMODULES})
