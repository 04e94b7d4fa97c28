"""Weights as safetensors, keyed by node path."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphnet.core.checks import flag
from graphnet.core.concurrency.claims import READ, WRITE, Claim
from graphnet.core.describe.parameter import Array
from graphnet.core.dtypes import converted
from graphnet.core.errors import ConfigError, FileError, GraphnetWarning, ShapeError, did_you_mean
from graphnet.core.files.border import reading
from graphnet.core.files.tensors import read_header, read_tensors
from graphnet.core.run.runner import Runner
from graphnet.io import atomic
from graphnet.io.tensors import encoded

FORMAT = "graphnet-weights/1"


def _claiming(level: int, action: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function that claims the arrays of a runner, its first argument; see ``core.concurrency.claims``."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def claimed(runner: Runner, *arguments: Any) -> Any:
            with Claim(level, runner.keys, action, runner.graph):
                return function(runner, *arguments)

        return claimed

    return decorate


def save_weights(path: str | os.PathLike[str], runner: Runner) -> None:
    """Write all weights and buffers of a runner by ``node path/name``, with a checksum; the file is written atomically.

    Raises
    ------
    ShapeError
        If the size of a weight is not known yet.
    FileError
        If the file cannot be written.
    """
    atomic.write(path, b"".join(weights_file(runner, "save_weights")))


def require_replaceable(path: str | os.PathLike[str]) -> None:
    """Refuse to write weights in place of a file that holds something else.

    Raises
    ------
    FileError
        If the path is a regular file that is neither empty nor in the format of weights.
    """
    if not os.path.isfile(path) or not os.path.getsize(path):
        return
    try:
        read_header(path, "weights")
    except FileError as error:
        raise FileError(
            "a file that holds no weights would be replaced",
            where=str(path),
            expected="a new path, or a file of weights",
            received=error.received or error.problem,
            remedy="Choose another path, or remove the file.",
        ) from error


def weights_file(runner: Runner, where: str, metadata: Mapping[str, str] | None = None) -> list[Any]:
    """The bytes of a file of weights, in parts; ``metadata`` say more than its format.

    Raises
    ------
    ShapeError
        If the size of a weight is not known yet.

    Warns
    -----
    GraphnetWarning
        If a number is not finite.
    """
    _require_runner(runner, where)
    if not runner.drawn:
        runner.materialize()
    arrays = {name: np.array(array, order="C") for name, array in _arrays(runner).items()}
    bad = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if bad:
        warnings.warn(
            f"the weights that are being saved hold numbers that are not finite, in {', '.join(bad[:3])}; they are "
            "refused on loading, unless allow_nonfinite=True",
            GraphnetWarning,
            stacklevel=3,
        )
    return encoded(arrays, {"format": FORMAT, **(metadata or {})})


def _require_runner(runner: Any, where: str) -> None:
    if not isinstance(runner, Runner):
        remedy = "Pass the runner of the model: model.runner." if hasattr(runner, "runner") else None
        raise ConfigError("not a runner", where=where, expected="a Runner", received=repr(runner)[:100], remedy=remedy)


@_claiming(READ, "save_weights")
def _arrays(runner: Runner) -> dict[str, Array]:
    return {**{name: p.value for name, p in runner.parameters.items()}, **runner.buffers}


def load_weights(path: str | os.PathLike[str], runner: Runner, *, allow_nonfinite: bool = False) -> None:
    """Load the weights and buffers of a file into a runner; all arrays are checked before any is changed.

    Arrays are converted to the dtypes of the layers.

    Parameters
    ----------
    path : path
    runner : Runner
    allow_nonfinite : bool
        Whether NaN and infinity are accepted.

    Raises
    ------
    FileError
        If the file cannot be read, has another format, lacks an array, or has an unknown one; if a number is not
        finite. Missing ``optional_buffers`` of layers are zeros.
    ShapeError
        If an array has the wrong shape.
    """
    _require_runner(runner, "load_weights")
    allow_nonfinite = flag("load_weights", "allow_nonfinite", allow_nonfinite)
    with reading(path, "the weights of this model"):
        _load(path, read_arrays(path), runner, allow_nonfinite)


def set_weights(
    path: str | os.PathLike[str], arrays: Mapping[str, Array], runner: Runner, *, allow_nonfinite: bool = False
) -> None:
    """Set the weights and buffers of a runner to arrays that were read from ``path``; see :func:`load_weights`."""
    with reading(path, "the weights of this model"):
        _load(path, dict(arrays), runner, allow_nonfinite)


def _load(path: str | os.PathLike[str], arrays: dict[str, Array], runner: Runner, allow_nonfinite: bool) -> None:
    if not runner.drawn:
        runner.materialize()
    current = _arrays(runner)
    arrays |= {name: np.zeros_like(current[name]) for name in _optional(runner) - arrays.keys()}
    missing, extra = current.keys() - arrays.keys(), arrays.keys() - current.keys()
    if missing or extra:
        hint = did_you_mean(sorted(extra)[0], current) if extra else ""
        raise FileError(
            "not the weights of this model",
            where=str(path),
            expected=_few(missing, "it lacks ") or "no more arrays",
            received=_few(extra, "it also has ") or "fewer arrays",
            remedy=hint or None,
        )
    for name, array in current.items():
        _check_array(f"{path}: {name}", arrays[name], array)
        if not allow_nonfinite:
            _check_finite(f"{path}: {name}", arrays[name])
    _assign(runner, {n: np.array(converted(arrays[n], a.dtype, f"{path}: {n}")) for n, a in current.items()})


def _optional(runner: Runner) -> set[str]:
    """The buffers that are optional in a file."""
    return {
        f"{path}/{name}"
        for path, layer in runner.layers.items()
        for name in layer.optional_buffers
        if name in layer.buffer_values
    }


def _check_array(where: str, array: Array, current: Array) -> None:
    """Refuse an array of another shape or of an unsupported dtype."""
    if array.shape != current.shape:
        raise ShapeError("wrong shape of weights", where=where, expected=current.shape, received=array.shape)
    if array.dtype.name not in ("float32", "float64"):
        raise FileError("wrong dtype of weights", where=where, expected="float32 or float64", received=array.dtype)


def _check_finite(where: str, array: Array) -> None:
    """Refuse an array with NaN or infinity."""
    finite = np.isfinite(array)
    if not finite.all():
        at = [int(i) for i in np.argwhere(~finite)[0]]
        raise FileError(
            "the weights hold a number that is not finite",
            where=where,
            expected="finite numbers",
            received=f"{array[tuple(at)]} at {at}",
            remedy="Use an earlier checkpoint; or pass allow_nonfinite=True to graphnet.load or load_weights.",
        )


@_claiming(WRITE, "load_weights")
def _assign(runner: Runner, arrays: dict[str, Array]) -> None:
    for path, layer in runner.layers.items():
        for name, parameter in layer.params.items():
            parameter.value = arrays[f"{path}/{name}"]
        layer.store.replace_buffers({name: arrays[f"{path}/{name}"] for name in layer.buffer_values})


def _few(names: set[str], lead: str) -> str:
    shown = sorted(names)[:5]
    return f"{lead}{', '.join(shown)}{', …' if len(names) > 5 else ''}" if shown else ""


def read_arrays(path: str | os.PathLike[str], form: str = FORMAT, what: str = "weights") -> dict[str, Array]:
    """Read all arrays of a weights file, or of another kind of safetensors file.

    Raises
    ------
    FileError
        If the file does not exist, is not complete, or has another format. A safetensors file without a format is
        accepted.
    """
    arrays, metadata = read_tensors(path, what)
    received = metadata.get("format", form)
    if received != form:
        raise FileError(f"{what} in another format", where=str(path), expected=form, received=repr(received)[:80])
    return arrays
