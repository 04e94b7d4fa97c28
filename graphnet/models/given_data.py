"""What users pass to ``fit``, ``evaluate`` and ``predict`` in place of arrays: data sets, files and DataFrames."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from graphnet.core.describe.graph import Graph
from graphnet.core.errors import ConfigError
from graphnet.data.datasets import Dataset
from graphnet.data.tables.frames import ENDINGS as TABLES
from graphnet.data.tables.frames import is_frame
from graphnet.data.tables.preparation import Preparation
from graphnet.data.tables.table import read_all, table
from graphnet.layers.standardize import Standardize
from graphnet.models.data_setting import Setting, learned, with_learned
from graphnet.models.dataset_lookup import check_inputs, open_dataset
from graphnet.models.fitted_data import fitted
from graphnet.models.standardized import standardized
from graphnet.training.config import TrainingConfig


class Given(NamedTuple):
    """The arguments of a fit as arrays, and its configuration with the data and the names of the classes."""

    inputs: Any
    targets: Any
    validation_data: Any
    config: TrainingConfig


def for_training(graph: Graph, config: TrainingConfig, inputs: Any, targets: Any, validation_data: Any) -> Given:
    """What a fit trains on.

    A Dataset, or the path of a file or folder, gives its training split, and its validation split unless another one is
    passed. A DataFrame, or the file of a table, with names of columns as targets, is trained on whole.

    Raises
    ------
    GraphnetError
        If the data cannot be read, or do not have the inputs of the graph.
    ConfigError
        If they have targets of their own and others are passed; or if they are to be standardized, and the graph does
        not do it.
    """
    data = _dataset(inputs, targets)
    if data is None:
        return Given(inputs, targets, validation_data, config)
    if targets is not None and not _names(targets):
        raise ConfigError("targets for data that have their own", where="fit", expected="None",
                          received=type(targets).__name__)  # fmt: skip
    check_inputs(graph, data)
    _require_standardized(graph, data)
    config, data = fitted(graph, config, data)
    held_out = data.validation
    if validation_data is None and held_out is not None:
        validation_data = (held_out.inputs, held_out.targets)
    path = str(inputs) if isinstance(inputs, (str, os.PathLike)) else None
    config = config.changed(data=with_learned(path, data))
    return Given(data.train.inputs, data.train.targets, validation_data, config)


def for_evaluation(graph: Graph, config: TrainingConfig, inputs: Any, targets: Any) -> tuple[Any, Any]:
    """The inputs and targets of an evaluation: of a data set its test split, of a table all rows."""
    preparation = learned(config.data) if targets is None and _is_table(inputs) else None
    if preparation is not None:
        split = read_all(inputs, preparation)
        name = str(inputs) if isinstance(inputs, (str, os.PathLike)) else "DataFrame"
        data = Dataset(name, split, split, preparation.classes)
        _, data = fitted(graph, config, data)
        return data.test.inputs, data.test.targets
    if not isinstance(inputs, (Dataset, str, os.PathLike)):
        return inputs, targets
    found = _dataset(inputs, targets)
    assert found is not None
    check_inputs(graph, found)
    _, data = fitted(graph, config, found)
    if not len(data.test):
        raise ConfigError("the data have no test split", where=data.name, expected="test examples", received="none")
    return data.test.inputs, data.test.targets


def for_prediction(setting: Setting, inputs: Any) -> Any:
    """The inputs of a prediction: a table is read as the one that the model was trained on.

    Raises
    ------
    ConfigError
        For a file, if the model was not trained on a table.
    """
    is_file = isinstance(inputs, (str, os.PathLike))
    if not is_file and not is_frame(inputs):  # arrays: what was learned from a table is not read
        return inputs
    preparation = learned(setting)
    if preparation is not None and _is_table(inputs):
        return preparation.inputs(inputs)
    if is_file:
        raise ConfigError(
            "a file that the model does not know how to read",
            where="predict",
            expected="arrays" if preparation is None else f"a file that ends in {', '.join(TABLES)}",
            received=str(inputs)[:200],
            remedy="On the command line, graphnet predict reads .npz files.",
        )
    return inputs


def _dataset(inputs: Any, targets: Any) -> Dataset | None:
    """The data set that is meant; None for arrays."""
    if isinstance(inputs, Dataset):
        return inputs
    if _is_table(inputs) and _names(targets):
        return table(inputs, targets, test=0.0)
    if isinstance(inputs, (str, os.PathLike)):
        return open_dataset(str(inputs))
    return None


def _is_table(value: Any) -> bool:
    if isinstance(value, (str, os.PathLike)):
        return Path(value).suffix.lower() in TABLES
    return is_frame(value)


def _names(targets: Any) -> bool:
    """Whether these name columns."""
    if isinstance(targets, str):
        return True
    return isinstance(targets, (list, tuple)) and bool(targets) and all(isinstance(name, str) for name in targets)


def _require_standardized(graph: Graph, data: Dataset) -> None:
    preparation = data.preparation
    if not isinstance(preparation, Preparation):
        return
    expected = standardized(graph, preparation)
    if _numbers(expected) != _numbers(graph):
        raise ConfigError(
            "the data are to be standardized, and the model does not do it",
            where="fit",
            expected="Standardize layers with the numbers of these data",
            received=repr(graph),
            remedy="Make the model of it: Model(graphnet.standardized(graph, data)).",
        )


def _numbers(graph: Graph) -> dict[str, tuple[tuple[float, ...], ...]]:
    """The numbers of the Standardize layers by node."""
    layers = {name: node.layer for name, node in graph.nodes.items()}
    return {name: (layer.mean, layer.scale) for name, layer in layers.items() if isinstance(layer, Standardize)}
