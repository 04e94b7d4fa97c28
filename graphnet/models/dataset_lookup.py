"""The data that a configuration names."""

from __future__ import annotations

import os
from pathlib import Path

from graphnet.core.describe.graph import Graph
from graphnet.core.errors import ConfigError, DataError, GraphnetError, ShapeError
from graphnet.data import datasets
from graphnet.data.datasets import Dataset
from graphnet.plugins import manager


def is_file(data: str) -> bool:
    """Whether a name of data is the path of an ``.npz`` file."""
    return data.endswith(".npz")


def open_data(data: str | None, folder: str | os.PathLike[str] = ".") -> Dataset:
    """The data set of that name, or in that ``.npz`` file.

    Parameters
    ----------
    data : str
        A name, such as ``japanese_vowels``, or a path that ends in ``.npz``; see :func:`graphnet.datasets.npz`.
    folder : path
        Where a relative path begins.

    Raises
    ------
    ConfigError
        If it is None.
    UnknownNameError, PluginError, FileError, ShapeError, DtypeError, DataError
        If there is no such data set, or it cannot be read.
    """
    if data is None:
        raise ConfigError(
            "no data",
            where="training.data",
            expected="the name of a data set, or the path of an .npz file",
            remedy="Write it into the model file, or give --data.",
        )
    if is_file(data):
        return datasets.npz(Path(folder) / data)
    return _registered(data)


def _registered(name: str) -> Dataset:
    """What the function that is registered under a name returns."""
    try:
        entry = manager().registry.get("datasets", name)
    except GraphnetError as error:
        raise error.at("training.data") from None
    made = entry.object()
    if not isinstance(made, Dataset):
        received = type(made).__name__
        raise DataError("not a data set", where=entry.id, expected="a graphnet.datasets.Dataset", received=received)
    return made


def check_inputs(graph: Graph, data: Dataset) -> None:
    """Refuse data whose inputs are not those of the graph.

    Raises
    ------
    ShapeError
    """
    needed = [name for name, given in graph.inputs.items() if not given.optional]
    there = list(data.train.inputs)
    if not set(needed) <= set(there) <= set(graph.inputs):
        raise ShapeError(
            "the data do not have the inputs of the graph",
            where=data.name,
            expected=", ".join(graph.inputs),
            received=", ".join(there),
            remedy="Name the inputs of the graph as those of the data.",
        )
