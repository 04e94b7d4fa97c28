"""The data set that a training configuration names."""

from __future__ import annotations

import os
from pathlib import Path

from graphnet.core.describe.graph import Graph
from graphnet.core.errors import ConfigError, DataError, GraphnetError, RuleError, ShapeError
from graphnet.core.files.source import is_regular
from graphnet.data import datasets
from graphnet.data.datasets import Dataset
from graphnet.plugins import manager

#: Endings of files of data, of any kind: a name with one of them is a path, and a reader says what it expects.
ENDINGS = (".npz", ".npy", ".csv", ".tsv", ".txt", ".json", ".pkl", ".parquet", ".h5", ".hdf5", ".mat", ".zip", ".gz")


def is_file(data: str, folder: str | os.PathLike[str] = ".") -> bool:
    """Whether ``data`` is the path of a file rather than the name of a data set.

    Examples
    --------
    >>> is_file("steps.npz"), is_file("/dev/fd/63"), is_file("./steps"), is_file("japanese_vowels")
    (True, True, True, False)
    """
    return data.lower().endswith(ENDINGS) or data.startswith(("/", "./", "../", "~")) or is_regular(Path(folder) / data)


def folder_of(path: str | os.PathLike[str]) -> Path:
    """The folder to which the paths in a model file are relative; for a pipe, the working directory."""
    return Path(path).parent if is_regular(path) else Path()


def open_dataset(data: str | None, folder: str | os.PathLike[str] = ".") -> Dataset:
    """The data set of that name, or in that ``.npz`` file.

    Parameters
    ----------
    data : str
        A name, such as ``japanese_vowels``, or a path that ends in ``.npz``; see :func:`graphnet.data.datasets.npz`.
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
            expected="the name of a data set, or the path of an .npz file",
            remedy="Write it into the model file, or pass --data.",
        )
    if is_file(data, folder):
        return datasets.npz(Path(folder) / os.path.expanduser(data))
    return _registered(data)


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
