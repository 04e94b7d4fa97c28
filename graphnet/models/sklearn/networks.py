"""The graph of an estimator: from a model file, a graph, a cell, a function that makes one, or none of these."""

from __future__ import annotations

import copy
import inspect
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from graphnet.core.describe.builder import Builder
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.scan import CellGraph, Scan
from graphnet.core.errors import ConfigError
from graphnet.layers import FullyConnected, Last
from graphnet.models.loading import read_file
from graphnet.models.sequential import Sequential
from graphnet.plugins import manager
from graphnet.training.config import TrainingConfig


class Sizes(NamedTuple):
    """What X and y determine."""

    #: Features of X: of a table its columns, of sequences those of a step.
    features: int
    #: Features of a step, if X is read as sequences: one for a table, whose columns are steps then.
    step_features: int
    #: Classes or targets.
    outputs: int


class Network(NamedTuple):
    """A graph of its own for one fit, and the configuration of its file if it comes from one."""

    graph: Graph
    config: TrainingConfig | None


def network(model: Any, parameters: Mapping[str, Any] | None, hidden_units: int, sizes: Sizes, dtype: str) -> Network:
    """The network that ``model`` means; nothing that the caller passed is changed or shared.

    Parameters
    ----------
    model : None, path, Graph, CellGraph or callable
        As in ``GraphClassifier``.
    parameters : mapping, optional
        Arguments of the callable.
    hidden_units : int
        Of the hidden layer, if ``model`` is None.
    sizes : Sizes
    dtype : {'float64', 'float32'}
        Of the layers that are made here.

    Raises
    ------
    ConfigError
        If ``model`` is none of these, or the callable takes other arguments.
    FileError, UnknownNameError, PluginError
        As :func:`graphnet.load`.
    """
    if parameters and not (callable(model) and not isinstance(model, Graph)):
        raise ConfigError(
            "parameters for a model that takes none",
            where="model_parameters",
            expected="a function as model, or no parameters",
            received=f"{', '.join(parameters)} for {type(model).__name__}",
        )
    if model is None:
        return Network(hidden_layer(sizes.features, hidden_units, sizes.outputs, dtype), None)
    if isinstance(model, (str, os.PathLike)):
        content = read_file(model)
        return Network(content.graph, content.training)
    made = copy.deepcopy(model) if isinstance(model, Graph) else _called(model, parameters or {}, sizes)
    return Network(_around(made, sizes, dtype) if isinstance(made, CellGraph) else made, None)


def hidden_layer(features: int, units: int, outputs: int, dtype: str) -> Graph:
    """One hidden layer of rectified linear units.

    Raises
    ------
    UnknownNameError
        If the plugin graphnet-activations is not installed.
    """
    relu = manager().registry.get("layers", "ReLU").object
    return Sequential(
        {
            "hidden": FullyConnected(features, units, dtype=dtype),
            "relu": relu(),
            "output": FullyConnected(units, outputs, dtype=dtype),
        },
        shape=f"batch, feature={features}",
        name="hidden_layer",
    )


def _around(cell: CellGraph, sizes: Sizes, dtype: str) -> Graph:
    """A classifier or regressor that runs a cell over the sequences: its last output, then a dense layer."""
    if len(cell.sequences) != 1 or cell.contexts:
        raise ConfigError(
            "a cell with other inputs than one sequence",
            where=f"cell {cell.name!r}",
            expected="one sequence and no context",
            received=f"sequences {', '.join(cell.sequences)}; contexts {', '.join(cell.contexts) or 'none'}",
            remedy="Pass a function that builds the whole graph.",
        )
    g = Builder(cell.name)
    value = Scan(cell)(g.input("x", f"time, batch, feature={sizes.step_features}"), name="scan")
    if set(cell.outputs) - set(cell.states):  # the first port is a sequence, else the final value of a state
        value = Last()(value, name="last")
    return g.build(output=FullyConnected(None, sizes.outputs, dtype=dtype)(value, name="output"))


def _called(function: Any, parameters: Mapping[str, Any], sizes: Sizes) -> Graph:
    """What the function returns; it is given the sizes that it has parameters for."""
    if not callable(function):
        raise ConfigError(
            "not a model",
            where="model",
            expected="None, the path of a model file, a Graph, a cell, or a function that returns one of the last two",
            received=repr(function)[:100],
        )
    known = {"n_features": sizes.features, "n_outputs": sizes.outputs}
    try:
        signature = inspect.signature(function)
        passed = {name: size for name, size in known.items() if name in signature.parameters} | dict(parameters)
        signature.bind(**passed)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"the arguments of the model function do not fit: {error}",
            where=getattr(function, "__name__", repr(function)),
            expected="parameters among n_features, n_outputs and the names in model_parameters",
            received=", ".join(parameters) or "no model_parameters",
        ) from error
    made = function(**passed)
    if not isinstance(made, Graph):
        raise ConfigError("not a graph", where=getattr(function, "__name__", repr(function)),
                          expected="a Graph, or what Cell.build returns", received=repr(made)[:100])  # fmt: skip
    return made
