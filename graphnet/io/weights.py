"""Weights as safetensors, keyed by node path: data, and never code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from graphnet.core.errors import FileError, ShapeError, nearest
from graphnet.core.parameter import Array
from graphnet.core.runner import Runner
from graphnet.io import atomic

FORMAT = "graphnet-weights/1"


def save_weights(path: str | os.PathLike[str], runner: Runner) -> None:
    """Write all weights and buffers of a runner by ``node path/name``, whole or not at all.

    Raises
    ------
    ShapeError
        If the size of a weight is not known yet.
    FileError
        If the file cannot be written.
    """
    from safetensors.numpy import save

    runner.materialize() if _undrawn(runner) else None
    arrays = {name: np.array(array, order="C") for name, array in _arrays(runner).items()}
    atomic.write(path, save(arrays, metadata={"format": FORMAT}))


def _undrawn(runner: Runner) -> bool:
    return any(not layer._parameters and layer.trainable for layer in runner.layers.values())


def _arrays(runner: Runner) -> dict[str, Array]:
    return {**{name: p.value for name, p in runner.parameters.items()}, **runner.buffers}


def load_weights(path: str | os.PathLike[str], runner: Runner) -> None:
    """Put the weights and buffers of a file into a runner; everything is checked before anything changes.

    An array keeps the dtype that its layer has; a file of the other one is converted.

    Raises
    ------
    FileError
        If the file cannot be read, lacks an array or has one too many.
    ShapeError
        If an array has another shape; the message has both.
    """
    found = read_arrays(path)
    if _undrawn(runner):
        runner.materialize()
    wanted = _arrays(runner)
    missing, extra = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    if missing or extra:
        near = nearest(sorted(extra)[0], wanted) if extra else ""
        raise FileError(
            "not the weights of this model",
            where=str(path),
            expected=_few(missing, "it lacks ") or "no more arrays",
            received=_few(extra, "it also has ") or "fewer arrays",
            remedy=near or None,
        )
    for name, array in wanted.items():
        if found[name].shape != array.shape:
            raise ShapeError(
                "weights of another shape", where=f"{path}: {name}", expected=array.shape, received=found[name].shape
            )
        if found[name].dtype.name not in ("float32", "float64"):
            raise FileError(
                "weights of another dtype",
                where=f"{path}: {name}",
                expected="float32 or float64",
                received=found[name].dtype,
            )
    _put(runner, found)


def _put(runner: Runner, found: dict[str, Array]) -> None:
    for path, layer in runner.layers.items():
        for name, parameter in layer._parameters.items():
            parameter.value = found[f"{path}/{name}"].astype(parameter.value.dtype)
        for name, old in layer._buffers.items():
            layer._buffers[name] = found[f"{path}/{name}"].astype(old.dtype)


def _few(names: set[str], lead: str) -> str:
    shown = sorted(names)[:5]
    return f"{lead}{', '.join(shown)}{', …' if len(names) > 5 else ''}" if shown else ""


def read_arrays(path: str | os.PathLike[str]) -> dict[str, Array]:
    """All arrays of a weights file.

    Raises
    ------
    FileError
        If there is no such file, or it is not whole.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise FileError("cannot be read", where=str(path), expected="weights", received=error.strerror) from None
    try:
        arrays: dict[str, Any] = load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise FileError("not a whole safetensors file", where=str(path), received=str(error)) from None
    return arrays
