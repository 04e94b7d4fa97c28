"""Weights as safetensors, keyed by node path: data, and never code."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from graphnet.core.concurrency.claims import READ, WRITE, Claim
from graphnet.core.describe.parameter import Array
from graphnet.core.dtypes import converted
from graphnet.core.errors import FileError, ShapeError, did_you_mean
from graphnet.core.run.runner import Runner
from graphnet.io import atomic

FORMAT = "graphnet-weights/1"


def _claiming(level: int, action: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a function claim the arrays of the runner that is its first argument; see ``core.concurrency.claims``."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def claimed(runner: Runner, *arguments: Any) -> Any:
            with Claim(level, runner.keys, action, runner.graph):
                return function(runner, *arguments)

        return claimed

    return decorate


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

    if not runner.drawn:
        runner.materialize()
    arrays = {name: np.array(array, order="C") for name, array in _arrays(runner).items()}
    atomic.write(path, save(arrays, metadata={"format": FORMAT}))


@_claiming(READ, "save_weights")
def _arrays(runner: Runner) -> dict[str, Array]:
    return {**{name: p.value for name, p in runner.parameters.items()}, **runner.buffers}


def load_weights(path: str | os.PathLike[str], runner: Runner) -> None:
    """Put the weights and buffers of a file into a runner; everything is checked before anything changes.

    An array keeps the dtype that its layer has; a file of the other one is converted.

    Raises
    ------
    FileError
        If the file cannot be read, is of another format, lacks an array (but for the ``optional_buffers`` of layers,
        which are zeros then) or has one too many.
    ShapeError
        If an array has another shape; the message has both.
    """
    found = read_arrays(path)
    if not runner.drawn:
        runner.materialize()
    wanted = _arrays(runner)
    found |= {name: np.zeros_like(wanted[name]) for name in _optional(runner) - found.keys()}
    missing, extra = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    if missing or extra:
        near = did_you_mean(sorted(extra)[0], wanted) if extra else ""
        raise FileError(
            "not the weights of this model",
            where=str(path),
            expected=_few(missing, "it lacks ") or "no more arrays",
            received=_few(extra, "it also has ") or "fewer arrays",
            remedy=near or None,
        )
    for name, array in wanted.items():
        _check_array(f"{path}: {name}", found[name], array)
    _put(runner, {n: np.array(converted(found[n], a.dtype, f"{path}: {n}")) for n, a in wanted.items()})


def _optional(runner: Runner) -> set[str]:
    """The buffers that a file may lack."""
    return {
        f"{path}/{name}"
        for path, layer in runner.layers.items()
        for name in layer.optional_buffers
        if name in layer.buffer_values
    }


def _check_array(where: str, found: Array, wanted: Array) -> None:
    """Refuse an array of another shape, or of no floats."""
    if found.shape != wanted.shape:
        raise ShapeError("weights of another shape", where=where, expected=wanted.shape, received=found.shape)
    if found.dtype.name not in ("float32", "float64"):
        raise FileError("weights of another dtype", where=where, expected="float32 or float64", received=found.dtype)


@_claiming(WRITE, "load_weights")
def _put(runner: Runner, found: dict[str, Array]) -> None:
    for path, layer in runner.layers.items():
        for name, parameter in layer.params.items():
            parameter.value = found[f"{path}/{name}"]
        layer.store.replace_buffers({name: found[f"{path}/{name}"] for name in layer.buffer_values})


def _few(names: set[str], lead: str) -> str:
    shown = sorted(names)[:5]
    return f"{lead}{', '.join(shown)}{', …' if len(names) > 5 else ''}" if shown else ""


def read_arrays(path: str | os.PathLike[str], form: str = FORMAT, what: str = "weights") -> dict[str, Array]:
    """All arrays of a weights file, or of another kind of safetensors file.

    Raises
    ------
    FileError
        If there is no such file, it is not whole, or it is of another format. Safetensors without a word on their
        format are taken as they are.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise FileError("cannot be read", where=str(path), expected=what, received=error.strerror) from None
    try:
        arrays: dict[str, Any] = load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise FileError("not a whole safetensors file", where=str(path), received=str(error)) from None
    told = _metadata(data).get("format", form)
    if told != form:
        raise FileError(f"{what} in another format", where=str(path), expected=form, received=told)
    return arrays


def _metadata(data: bytes) -> dict[str, str]:
    """What a whole safetensors file says of itself, in the JSON header after its length in 8 bytes."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]).get("__metadata__") or {}
