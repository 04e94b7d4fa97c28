"""The data set that a training configuration names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphnet.core.describe.graph import Graph
from graphnet.core.errors import ConfigError, DataError, GraphnetError, RuleError, ShapeError
from graphnet.data import datasets
from graphnet.data.datasets import Dataset
from graphnet.data.folders.folder import read_folder
from graphnet.data.folders.schema import FolderSchema
from graphnet.data.tables.frames import ENDINGS as TABLES
from graphnet.data.tables.schema import TableSchema
from graphnet.data.tables.table import read_table
from graphnet.models.data_paths import is_file
from graphnet.models.data_setting import PATH, Setting, fold_of, learned, path_in, schema_values
from graphnet.plugins import manager


def open_dataset(data: Setting, folder: str | os.PathLike[str] = ".") -> Dataset:
    """The data set of that name, in that file or folder, or as a mapping says.

    Parameters
    ----------
    data : str or mapping
        A name, such as ``japanese_vowels``; the path of an ``.npz`` file (see :func:`graphnet.data.datasets.npz`) or of
        a folder; or a mapping with ``path`` and the settings of a table or a folder, see
        :mod:`graphnet.models.data_setting`.
    folder : path
        The folder to which a path is relative.

    Raises
    ------
    ConfigError
        If ``data`` is None.
    UnknownNameError, PluginError, FileError, ShapeError, DtypeError, DataError
        If there is no such data set, or it cannot be read.
    """
    if data is None:
        raise ConfigError(
            "no data",
            where="training.data",
            expected="the name of a data set, or the path of a file or folder",
            remedy="Write it into the model file, or pass --data.",
        )
    setting = data if isinstance(data, Mapping) else {PATH: data}
    name = path_in(setting)
    if name is None:
        raise ConfigError("no path", where="training.data", expected="path: FILE", received=", ".join(setting) or "{}",
                          remedy="Name the file; data from a DataFrame must be passed again.")  # fmt: skip
    fold = fold_of(setting)
    path = Path(folder) / os.path.expanduser(name)
    if is_file(name, folder) and not path.is_dir() and path.suffix.lower() in TABLES:
        return read_table(path, TableSchema.of(schema_values(setting)), folder, learned(setting), fold)
    found = _without_fold(setting, name, folder)
    return found if fold is None else fold.of_dataset(found)


def _without_fold(setting: Mapping[str, Any], name: str, folder: str | os.PathLike[str]) -> Dataset:
    """A data set that is not a table."""
    path = Path(folder) / os.path.expanduser(name)
    if is_file(name, folder) and path.is_dir():
        return read_folder(path, FolderSchema.of(schema_values(setting)))
    _refuse_settings(setting, name)
    return datasets.npz(path) if is_file(name, folder) else _registered(name)


def _refuse_settings(setting: Mapping[str, Any], name: str) -> None:
    """Raise a ConfigError if there are settings for data that have none."""
    if schema_values(setting):
        raise ConfigError(
            f"settings of a table or a folder for {name!r}",
            where="training.data",
            expected=f"a folder, or a file that ends in {', '.join(TABLES)}",
            received=", ".join(schema_values(setting)),
        )


def _registered(name: str) -> Dataset:
    """The result of the function that is registered under a name."""
    try:
        entry = manager().registry.get("datasets", name)
    except GraphnetError as error:
        raise error.at("training.data") from None
    try:
        dataset = entry.object()
    except GraphnetError as error:
        raise error.at(entry.id) from None
    except Exception as error:  # the function may be of a plugin
        raise RuleError(
            f"the data set cannot be loaded: {type(error).__name__}: {error}",
            where=entry.id,
            remedy="Report it to the authors of the plugin.",
        ) from error
    if not isinstance(dataset, Dataset):
        received = type(dataset).__name__
        raise DataError(
            "not a data set", where=entry.id, expected="a graphnet.data.datasets.Dataset", received=received
        )
    return dataset


def check_inputs(graph: Graph, data: Dataset) -> None:
    """Raise a ShapeError if the inputs of the data are not those of the graph."""
    required = [name for name, graph_input in graph.inputs.items() if not graph_input.optional]
    names = list(data.train.inputs)
    if not set(required) <= set(names) <= set(graph.inputs):
        raise ShapeError(
            "the data do not have the inputs of the graph",
            where=data.name,
            expected=", ".join(graph.inputs),
            received=", ".join(names),
            remedy="Give the inputs of the graph the names of those of the data.",
        )
