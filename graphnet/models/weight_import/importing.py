"""Setting the weights of a model to those of another framework."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.arguments import explained
from graphnet.core.array_types import Array, plain
from graphnet.core.checks import flag
from graphnet.core.describe.scan import Scan
from graphnet.core.errors import ConfigError, DtypeError, FileError
from graphnet.core.files.tensors import read_tensors
from graphnet.io.weights import set_weights
from graphnet.models.model import Model
from graphnet.models.weight_import.cell_check import check_cell
from graphnet.models.weight_import.conversion import converted
from graphnet.models.weight_import.flattened import flattened_images
from graphnet.models.weight_import.keras_names import keras_units, read_h5
from graphnet.models.weight_import.matching import match
from graphnet.models.weight_import.places import Place, places
from graphnet.models.weight_import.torch_names import torch_units
from graphnet.models.weight_import.units import Unit

#: The epsilon of normalization layers by default.
EPSILON = {"torch": {"batch_norm": 1e-5, "layer_norm": 1e-5}, "keras": {"batch_norm": 1e-3, "layer_norm": 1e-3}}
SOURCES = ("torch", "keras")


@dataclass(frozen=True)
class WeightImport:
    """What an import assigned; prints as a table.

    Attributes
    ----------
    layers : tuple of (str, str, str)
        The node, the layer of the file, and its kind, in the order of the graph.
    unchanged : tuple of str
        Nodes with weights that the file does not have.
    notes : tuple of str
        Settings that the file does not have, and that may differ.
    """

    layers: tuple[tuple[str, str, str], ...]
    unchanged: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        rows = [("node", "weights", "kind"), *self.layers]
        widths = [max(len(row[i]) for row in rows) for i in range(2)]
        lines = [f"{a:{widths[0]}}  {b:{widths[1]}}  {c}" for a, b, c in rows]
        lines += [f"unchanged: {name}" for name in self.unchanged]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


@explained
def import_weights(
    model: Model,
    source: Any,
    framework: str,
    *,
    names: Mapping[str, str] | None = None,
    skip: str | Iterable[str] = (),
    partial: bool = False,
) -> WeightImport:
    """Set the weights of a model to those of the same model in torch or Keras; all are checked before any is changed.

    Layers are matched by ``names``, then by equal names (``encoder.0`` is the node ``encoder/0``), then by kind and
    shapes where these leave no choice; of layers of the same shape whose names differ only in numbers, in the order of
    the numbers. Recurrent layers match a Scan of a cell with the gates of ``lstm_cell``, ``gru_cell`` or
    ``elman_cell``, whose equations are compared on random numbers.

    Parameters
    ----------
    model : Model
        Of which the sizes of all weights are known.
    source : path, or mapping of name to array
        torch: a safetensors file of a state dict, or the state dict. Keras: a file ``.weights.h5`` of Keras 3 (needs
        h5py).
    framework : {'torch', 'keras'}
    names : mapping of str to str, optional
        The layer of the file for nodes: ``{"scores": "fc"}``.
    skip : str or iterable of str
        Names or patterns of layers of the file that are left out: ``'head.*'``.
    partial : bool
        Whether layers of the model may keep their weights, because the file has none for them.

    Returns
    -------
    WeightImport
        What was assigned to what. Print it and read it.

    Raises
    ------
    ConfigError, UnknownNameError
        If names are unknown or do not fit, or it is not clear which weights belong to which layer.
    FileError
        If the file cannot be read, has layers that cannot be imported or that have no place, or lacks layers.
    GraphError
        If a cell has the gates of a known one and computes something else.
    ShapeError
        If sizes of the model are not known.
    DtypeError
        If weights are complex numbers.
    PluginError
        If h5py is needed and not installed.
    """
    if not isinstance(model, Model):
        raise ConfigError("not a model", where="import_weights", expected="a Model", received=repr(model)[:100])
    if framework not in SOURCES:
        raise ConfigError("an unknown framework", where="import_weights", expected=" or ".join(SOURCES),
                          received=repr(framework)[:100])  # fmt: skip
    partial = flag("import_weights", "partial", partial)
    if names is not None and not isinstance(names, Mapping):
        raise ConfigError("names must be a mapping from nodes to layers of the file", where="import_weights",
                          expected="{'scores': 'fc'}", received=repr(names)[:100])  # fmt: skip
    patterns = [skip] if isinstance(skip, str) else list(skip) if isinstance(skip, Iterable) else [skip]
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise ConfigError("skip must be a pattern or a list of patterns", where="import_weights",
                          expected="'head*'", received=repr(skip)[:100])  # fmt: skip
    arrays, where = _arrays(source, framework)
    read = torch_units if framework == "torch" else keras_units
    units = [unit for unit in read(_kept(arrays, patterns, framework), where) if not _matches(unit.name, patterns)]
    runner = model.runner
    with random.using(np.random.default_rng(model.config.seed)):
        runner.materialize()
    found = places(model.graph, runner)
    pairs = match(units, found, names or {}, where, partial=partial)
    images = flattened_images(runner)
    new = {**{name: p.value for name, p in runner.parameters.items()}, **runner.buffers}
    for unit, place in pairs:
        made = converted(unit, place, images.get(place.path))
        if isinstance(place.layer, Scan):
            check_cell(unit, place, made)
        new |= {f"{place.path}/{name}": _float(array) for name, array in made.items()}
    set_weights(where, new, runner)
    taken = {place.name for _, place in pairs}
    return WeightImport(
        tuple((place.name, unit.name, unit.kind) for unit, place in pairs),
        tuple(place.name for place in found if place.name not in taken),
        _notes(pairs, framework),
    )


def _arrays(source: Any, framework: str) -> tuple[dict[str, Array], str]:
    """The arrays by name, and where they come from."""
    if isinstance(source, Mapping):
        return {str(name): plain(_detached(value), f"{framework} {name}") for name, value in source.items()}, framework
    if not isinstance(source, (str, os.PathLike)):
        raise ConfigError("not weights", where="import_weights", expected="a path, or a mapping of name to array",
                          received=repr(source)[:100])  # fmt: skip
    path = os.fspath(source)
    if framework == "keras":
        return read_h5(path), path
    if path.endswith((".pt", ".pth", ".bin", ".pkl", ".ckpt")):
        raise FileError(
            "a pickle, which can run code when it is read", where=path, expected="a safetensors file",
            received=os.path.splitext(path)[1],
            remedy="In torch: safetensors.torch.save_file(model.state_dict(), 'model.safetensors').",
        )  # fmt: skip
    return read_tensors(path, "the weights of a torch model")[0], path


def _detached(value: Any) -> Any:
    """A tensor without its gradient: only its numbers are meant here."""
    return value.detach() if getattr(value, "requires_grad", False) is True else value


def _kept(arrays: Mapping[str, Array], patterns: list[str], framework: str) -> dict[str, Array]:
    """Without the arrays of layers that are left out, some of which cannot be read as layers."""
    separator = "." if framework == "torch" else "/"
    kept = {}
    for name, array in arrays.items():
        parts = name.removeprefix("layers/").split(separator)
        prefixes = [separator.join(parts[:end]) for end in range(1, len(parts) + 1)]
        if not any(_matches(prefix, patterns) for prefix in prefixes):
            kept[name] = array
    return kept


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _float(array: Array) -> Array:
    """Halves as float32; other numbers as they are.

    Raises
    ------
    DtypeError
        If they are complex: their imaginary part would be lost.
    """
    if array.dtype.kind not in "fiub":
        raise DtypeError("weights must be real numbers", where="import_weights", received=array.dtype.name)
    return array if array.dtype.name in ("float32", "float64") else array.astype(np.float32)


def _notes(pairs: list[tuple[Unit, Place]], framework: str) -> tuple[str, ...]:
    """What else must be equal for equal results."""
    notes = []
    for _, place in pairs:
        default = EPSILON[framework].get(place.kind)
        epsilon = getattr(place.layer, "epsilon", default)
        if default is not None and epsilon != default:
            notes.append(f"{place.name} has epsilon {epsilon:g}, the default of {framework} is {default:g}")
    return tuple(notes)
