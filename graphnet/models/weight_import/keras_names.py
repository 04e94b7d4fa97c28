"""The layers in a Keras 3 file of weights (``.weights.h5``), from its groups.

A layer is a group ``layers/NAME`` with its arrays ``vars/0``, ``vars/1``, ...; recurrent layers have them in
``cell/vars``, bidirectional ones in ``forward_layer`` and ``backward_layer``. NAME is the class in snake case with a
number; arrays are in the order in which the layer creates them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from graphnet.core.array_types import Array
from graphnet.core.errors import FileError, PluginError
from graphnet.core.files.border import reading
from graphnet.models.weight_import.units import Unit

_VARS = re.compile(r"(?P<layer>.+)/vars/(?P<number>\d+)\Z")


def read_h5(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Every array of an HDF5 file by its path.

    Raises
    ------
    PluginError
        If h5py is not installed.
    FileError
        If the file is not HDF5.
    """
    try:
        import h5py
    except ImportError as error:
        raise PluginError(
            "files of Keras need h5py, which cannot be imported", received=str(error), remedy="pip install h5py"
        ) from error
    arrays: dict[str, Array] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "fiub":
            arrays[name] = np.asarray(item[()])

    with reading(path, "a file of weights that Keras wrote"):
        try:
            with h5py.File(path, "r") as file:
                file.visititems(visit)
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise FileError(
                "not an HDF5 file", where=str(path), expected="what model.save_weights('m.weights.h5') writes",
                received=str(error)[:200],
            ) from error  # fmt: skip
    return arrays


def keras_units(arrays: Mapping[str, Array], where: str) -> list[Unit]:
    """The layers of a file.

    Raises
    ------
    FileError
        If it has a layer other than Dense, Conv1D, Conv2D, SimpleRNN, LSTM, GRU, BatchNormalization,
        LayerNormalization and Embedding, or has none.
    """
    grouped: dict[str, dict[int, Array]] = {}
    for name, array in arrays.items():
        found = _VARS.match(name)
        if found and not re.search(r"(^|/)(optimizer|seed_generator)(/|\Z)", found["layer"]):
            grouped.setdefault(found["layer"], {})[int(found["number"])] = array
    if not grouped:
        raise FileError(
            "no weights of layers", where=where, expected="groups layers/NAME/vars, as Keras 3 writes them",
            received=", ".join(list(arrays)[:5]) or "no arrays",
        )  # fmt: skip
    return [_unit(layer, [parts[i] for i in sorted(parts)], where) for layer, parts in grouped.items()]


def _unit(layer: str, arrays: list[Array], where: str) -> Unit:
    keys = [key for key in layer.split("/") if key not in ("layers", "cell", "layer")]
    reverse = "backward_layer" in keys
    keys = [key for key in keys if key not in ("forward_layer", "backward_layer")]
    name = "/".join(keys)
    for kind, parts in _readings(arrays, layer):
        return Unit(name, kind, parts, reverse, channels_last=True)
    raise FileError(
        "a layer that cannot be imported",
        where=f"{where}: {layer}",
        expected="Dense, Conv1D, Conv2D, SimpleRNN, LSTM, GRU, BatchNormalization, LayerNormalization or Embedding",
        received=", ".join(str(array.shape) for array in arrays),
        remedy="If the model does not need it, leave it out: --skip NAME.",
    )


def _readings(arrays: list[Array], layer: str) -> Iterator[tuple[str, dict[str, Array]]]:
    """The kind and the arrays of a layer, in torch's layout."""
    first, ranks = arrays[0], [array.ndim for array in arrays]
    if layer.endswith("/cell"):
        yield from _recurrent(arrays)
    elif ranks in ([2], [2, 1]):
        is_embedding = "embedding" in layer.rpartition("/")[2]
        weight = first if is_embedding else first.T
        bias = {"bias": arrays[1]} if len(arrays) == 2 else {}
        yield "embedding" if is_embedding else "linear", {"weight": weight, **bias}
    elif ranks in ([3], [3, 1], [4], [4, 1]):
        bias = {"bias": arrays[1]} if len(arrays) == 2 else {}
        yield "conv", {"weight": np.moveaxis(first, (-1, -2), (0, 1)), **bias}
    elif ranks == [1, 1]:
        yield "layer_norm", {"weight": arrays[0], "bias": arrays[1]}
    elif ranks == [1, 1, 1, 1]:
        yield "batch_norm", dict(zip(("weight", "bias", "mean", "variance"), arrays, strict=True))


def _recurrent(arrays: list[Array]) -> Iterator[tuple[str, dict[str, Array]]]:
    """Kernel ``(in, gates * units)``, recurrent kernel ``(units, gates * units)``, bias."""
    if len(arrays) not in (2, 3) or arrays[1].ndim != 2 or not arrays[1].shape[0]:
        return
    kernel, recurrent = arrays[0].T, arrays[1].T
    bias = arrays[2] if len(arrays) == 3 else None
    gates = recurrent.shape[0] // recurrent.shape[1]
    if gates not in (1, 3, 4):
        return
    kind = {1: "rnn", 3: "gru_before" if bias is None or bias.ndim == 1 else "gru", 4: "lstm"}[gates]
    order: Callable[[Array], Array] = _reset_first if gates == 3 else _same
    parts = {"input": order(kernel), "hidden": order(recurrent)}
    if bias is not None:
        rows = np.atleast_2d(bias)
        parts["input_bias"] = order(rows[0])
        if len(rows) == 2:
            parts["hidden_bias"] = order(rows[1])
    yield kind, parts


def _same(array: Array) -> Array:
    return array


def _reset_first(array: Array) -> Array:
    """Keras has the update gate first, then the reset gate, then the candidate."""
    update, reset, candidate = np.split(array, 3)
    return np.concatenate([reset, update, candidate])
