"""Inputs from an ``.npz`` file, predictions into one."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from graphnet.core.errors import FileError, nearest
from graphnet.core.graph import Graph
from graphnet.core.parameter import Array
from graphnet.datasets.npz_file import _read
from graphnet.datasets.ragged import cut
from graphnet.model import load

LENGTHS = "_lengths"


def read_inputs(path: str | os.PathLike[str], graph: Graph) -> tuple[dict[str, Any], dict[str, Array]]:
    """What ``Model.predict`` takes, from a file that ``numpy.savez`` wrote: inputs and lengths by input name.

    For each input a key ``INPUT``; for sequences perhaps also ``INPUT_lengths`` (n,): the array then holds either all
    steps of the n sequences end to end, or, with one axis more, padded sequences (time, batch, …).

    Raises
    ------
    FileError
        If it cannot be read, or has other keys.
    ShapeError, DtypeError, DataError
        If lengths do not fit.
    """
    file = Path(path)
    if not file.is_file():
        raise FileError("cannot be read", where=str(file), expected="an .npz file", received="nothing there")
    arrays = _read(file)
    _check_keys(arrays, graph, file)
    inputs: dict[str, Any] = {}
    lengths: dict[str, Array] = {}
    for name in graph.inputs:
        counts = arrays.get(name + LENGTHS)
        if name not in arrays:
            continue
        if counts is None:
            inputs[name] = arrays[name]
        elif _padded(graph, name, arrays[name]):
            inputs[name], lengths[name] = arrays[name], counts
        else:
            inputs[name] = cut(arrays[name], counts, f"{file}: {name}{LENGTHS}")
    return inputs, lengths


def _padded(graph: Graph, name: str, array: Array) -> bool:
    shape = graph.inputs[name].shape
    return shape is not None and array.ndim == shape.rank


def _check_keys(arrays: dict[str, Array], graph: Graph, file: Path) -> None:
    keys = [*graph.inputs, *(name + LENGTHS for name in graph.inputs)]
    for name, given in graph.inputs.items():
        if name not in arrays and not given.optional:
            raise FileError(
                f"the input {name!r} is missing",
                where=str(file),
                expected=", ".join(n for n, i in graph.inputs.items() if not i.optional),
                received=", ".join(arrays) or "no arrays",
                remedy=f"Write it with numpy.savez(path, {name}=array).",
            )
    for key in arrays:
        if key not in keys or (
            key.endswith(LENGTHS) and key not in graph.inputs and key[: -len(LENGTHS)] not in arrays
        ):
            raise FileError(
                f"the key {key!r} is no input of the model",
                where=str(file),
                expected=", ".join(keys),
                received=key,
                remedy=nearest(key, keys) or "Leave it out.",
            )


def predict_file(
    run: str | os.PathLike[str], path: str | os.PathLike[str], output: str | os.PathLike[str] | None = None
) -> dict[str, Any]:
    """The predictions of a run for the inputs in a file, by output name.

    Parameters
    ----------
    run : path
        The folder of a run.
    path : path
        See :func:`read_inputs`.
    output : path, optional
        Where to write them as ``.npz``: an array for each output; sequences end to end, with ``OUTPUT_lengths``.

    Returns
    -------
    mapping of output name to array, or to a list of one array a sequence

    Raises
    ------
    GraphnetError
        Before anything runs.
    """
    if not Path(run).is_dir():
        raise FileError(
            "not the folder of a run", where=str(run), expected="a folder that graphnet train or Model.save wrote"
        )
    model = load(run)
    inputs, lengths = read_inputs(path, model.graph)
    found = model.predict(inputs, lengths=lengths or None)
    named = found if isinstance(found, dict) else {next(iter(model.graph.outputs)): found}
    if output is not None:
        _write(Path(output), named)
    return named


def _write(path: Path, outputs: dict[str, Any]) -> None:
    from graphnet.io import atomic

    arrays: dict[str, Any] = {}
    for name, values in outputs.items():
        if isinstance(values, list):
            arrays[name] = np.concatenate(values)
            arrays[name + LENGTHS] = np.array([len(each) for each in values], np.int64)
        else:
            arrays[name] = values
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    atomic.write(path, buffer.getvalue())
