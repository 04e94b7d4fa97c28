"""Predictions of a run from an ``.npz`` file to another one, or to lines of JSON: ``graphnet predict``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphnet.core.describe.graph import Graph
from graphnet.core.describe.parameter import Array
from graphnet.core.errors import FileError, unknown
from graphnet.core.files.arrays import NPZ
from graphnet.core.files.border import reading
from graphnet.data.datasets.npz_file import load_arrays
from graphnet.data.datasets.ragged import cut
from graphnet.data.ports import OutputPort, output_ports
from graphnet.data.tables.frames import ENDINGS as TABLES
from graphnet.io import atomic, write_npz
from graphnet.models.given_data import for_prediction
from graphnet.models.loading import run_model
from graphnet.models.model import Model

LENGTHS = "_lengths"


def read_inputs(path: str | os.PathLike[str], graph: Graph) -> tuple[dict[str, Any], dict[str, Array]]:
    """The arguments of ``Model.predict`` from a file that ``numpy.savez`` wrote: inputs and lengths by input name.

    Each input has a key ``INPUT``. Sequences may also have ``INPUT_lengths`` (n,), unless that is the name of another
    input: the array then holds either all steps of the n sequences end to end, or, with one more axis, padded sequences
    (time, batch, …).

    Raises
    ------
    FileError
        If it cannot be read, or has other keys.
    ShapeError, DtypeError, DataError
        If lengths do not fit.
    """
    file = Path(path)
    arrays = load_arrays(file)
    _check_keys(arrays, graph, file)
    inputs: dict[str, Any] = {}
    lengths: dict[str, Array] = {}
    for name in graph.inputs:
        counts = None if name + LENGTHS in graph.inputs else arrays.get(name + LENGTHS)
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
    for name, graph_input in graph.inputs.items():
        if name not in arrays and not graph_input.optional:
            raise FileError(
                f"the input {name!r} is missing",
                where=str(file),
                expected=", ".join(n for n, i in graph.inputs.items() if not i.optional),
                received=", ".join(arrays) or "no arrays",
                remedy=f"Write it with {_write_call(name)}.",
            )
    for key in arrays:
        if key not in keys or (
            key.endswith(LENGTHS) and key not in graph.inputs and key[: -len(LENGTHS)] not in arrays
        ):
            raise unknown("key", key, keys, where=str(file), remedy="Leave it out.", error=FileError)


def _write_call(name: str) -> str:
    """The call that writes an array of this name; two names are parameters of ``numpy.savez`` itself."""
    reserved = name in ("file", "allow_pickle")
    return f"graphnet.io.write_npz(path, {{{name!r}: array}})" if reserved else f"numpy.savez(path, {name}=array)"


@dataclass(frozen=True)
class PredictionJob:
    """A model and its inputs, read and checked before anything runs.

    Attributes
    ----------
    model : Model
    inputs, lengths : mapping of input name to the arguments of ``Model.predict``
    form : str
        As in ``Model.predict``.
    """

    model: Model
    inputs: Mapping[str, Any]
    lengths: Mapping[str, Array]
    form: str = "outputs"

    @classmethod
    def read(cls, run: str | os.PathLike[str], path: str | os.PathLike[str], form: str = "outputs") -> PredictionJob:
        """Read the run in a folder and the inputs in a file.

        Raises
        ------
        GraphnetError
            If one of them cannot be read; for a table, also if the run was not trained on one.
        """
        model = run_model(run)
        if Path(path).suffix.lower() in TABLES:
            return cls(model, for_prediction(model.config.data, path), {})
        with reading(path, NPZ):
            return cls(model, *read_inputs(path, model.graph), form)

    def run(self) -> dict[str, Any]:
        """The outputs by name, each an array, or a list with one array for each sequence."""
        outputs = self.model.predict(dict(self.inputs), lengths=self.lengths or None, form=self.form)
        return outputs if isinstance(outputs, dict) else {next(iter(self.model.graph.outputs)): outputs}

    def ports(self) -> dict[str, OutputPort]:
        """The batch and time axes of the outputs."""
        return output_ports(self.model.runner)

    def is_list(self, name: str) -> bool:
        """Whether an output is a list of sequences."""
        origin = self.ports()[name].origin
        return origin is not None and isinstance(self.inputs.get(origin), list)

    def keys(self) -> list[str]:
        """The names of all arrays in the file with the predictions."""
        outputs = self.model.graph.outputs
        return [key for name in outputs for key in ([name, name + LENGTHS] if self.is_list(name) else [name])]


def predict_file(
    run: str | os.PathLike[str],
    path: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    force: bool = False,
    form: str = "outputs",
) -> dict[str, Any]:
    """The predictions of a run for the inputs in a file, by output name.

    Parameters
    ----------
    run : path
        The folder of the run.
    path : path
        See :func:`read_inputs`.
    output : path, optional
        The ``.npz`` file to write: an array for each output; sequences end to end, with ``OUTPUT_lengths``. A pipe or a
        device is written to.
    force : bool
        Whether an existing file may be replaced.
    form : {'outputs', 'probabilities', 'classes'}
        As in ``Model.predict``.

    Returns
    -------
    mapping of output name to array, or to a list with one array for each sequence

    Raises
    ------
    GraphnetError
        Before anything runs or is written; a FileError if two arrays of the file would have the same name.
    """
    job = PredictionJob.read(run, path, form)
    if output is not None:
        _check_target(Path(output), job, force)
    outputs = job.run()
    if output is not None:
        _write(Path(output), outputs)
    return outputs


def predict_lines(run: str | os.PathLike[str], path: str | os.PathLike[str], *, form: str = "outputs") -> list[str]:
    """The predictions as one JSON object for each example; sequences have their valid steps only.

    Probabilities of classes with names are objects, by name.

    Raises
    ------
    GraphnetError
        Before anything runs.
    """
    job = PredictionJob.read(run, path, form)
    rows = {name: _rows(job, name, values) for name, values in job.run().items()}
    count = min(map(len, rows.values()))
    return [json.dumps({name: _plain(job, name, values[i]) for name, values in rows.items()}) for i in range(count)]


def _plain(job: PredictionJob, name: str, value: Array) -> Any:
    """One example of an output as JSON."""
    classes = job.model.classes.get(name)
    if job.form != "probabilities" or classes is None or value.ndim == 0 or value.shape[-1] != len(classes):
        return value.tolist()
    keys = [str(label) for label in classes]
    flat = [dict(zip(keys, row, strict=True)) for row in value.reshape(-1, len(keys)).tolist()]
    return flat[0] if value.ndim == 1 else flat


def _rows(job: PredictionJob, name: str, values: Any) -> list[Array]:
    """One array for each example."""
    if isinstance(values, list):
        return values
    port = job.ports()[name]
    over_time = port.origin is not None
    rows = np.moveaxis(values, 0 if over_time and job.model.config.batch_major else port.axis, 0)
    counts = job.lengths.get(port.origin) if over_time else None  # type: ignore[arg-type]
    return list(rows) if counts is None else [row[:count] for row, count in zip(rows, counts, strict=True)]


def _check_target(path: Path, job: PredictionJob, force: bool) -> None:
    """Raise a FileError if the file cannot be written, exists, or cannot hold all outputs."""
    atomic.refuse_existing(path, force=force)
    names = job.keys()
    for name in job.model.graph.outputs:
        if job.is_list(name) and names.count(name + LENGTHS) > 1:
            raise FileError(
                f"the lengths of the sequences {name!r} and the output {name + LENGTHS!r} would have the same name",
                where=str(path),
                expected="a different name for each array",
                received=name + LENGTHS,
                remedy="Rename an output of the model, or pass padded sequences.",
            )


def _write(path: Path, outputs: dict[str, Any]) -> None:
    arrays: dict[str, Any] = {}
    for name, values in outputs.items():
        if isinstance(values, list):
            arrays[name] = np.concatenate(values)
            arrays[name + LENGTHS] = np.array([len(sequence) for sequence in values], np.int64)
        else:
            arrays[name] = values
    write_npz(path, arrays)
