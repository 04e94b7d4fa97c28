"""Writing a model as an ONNX file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import onnx

from graphnet import NeuralNetwork
from graphnet.core import dtypes
from graphnet.core.checks import path as checked_path
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ConfigError
from graphnet.core.run.runner import Runner
from graphnet.core.run.standalone import graph_of
from graphnet.io import atomic
from graphnet_onnx.writing.assembly import Options, assembled
from graphnet_onnx.writing.declared import shapes_given
from graphnet_onnx.writing.errors import ExportError, check_size

Shapes = str | Shape | Mapping[str, str | Shape] | None
Recurrent = Literal["scan", "operator"]


def export(
    model: Any,
    path: str | os.PathLike[str],
    *,
    recurrent: Recurrent = "scan",
    dtype: str | None = None,
    lengths: bool = True,
    states: bool = True,
    batch_major: bool | None = None,
    shapes: Shapes = None,
    force: bool = False,
) -> None:
    """Write a model as an ONNX file, for inference; see docs/onnx.md for what is in it.

    Parameters
    ----------
    model : Model, Runner, Graph or Layer
    path : path
        The file is written whole or not at all.
    recurrent : {'scan', 'operator'}
        A Scan of any cell becomes the operator Scan; with 'operator', where it is exactly ONNX's LSTM, GRU or RNN,
        that operator.
    dtype : {'float32', 'float64'}, optional
        Of all numbers; None: that of a Model's configuration, in which it predicts; else that of the weights.
    lengths : bool
        Whether the lengths of the rows are an input, if the model has a sequence ``(time, batch, …)``.
    states : bool
        Whether the initial and the final states of Scans are inputs and outputs.
    batch_major : bool, optional
        Whether sequences are (batch, time, …) in the file; None: as the configuration of a Model says, else False.
    shapes : str, Shape or mapping, optional
        The axes of the only input, such as ``'batch, feature=4'``, or of inputs by name; needed where the graph does
        not declare them, and no pass has run.
    force : bool
        Replace an existing file.

    Raises
    ------
    ExportError
        If a layer has no form in ONNX, or the file would have more than 2 GB.
    ShapeError
        If the axes of an input are not known.
    FileError
        If the file exists, or cannot be written.
    ConfigError
        If an option has another value.
    """
    file = checked_path("export", path)
    atomic.refuse_existing(file, force=force)
    content = to_onnx(
        model, recurrent=recurrent, dtype=dtype, lengths=lengths, states=states, batch_major=batch_major, shapes=shapes
    )
    atomic.write(file, serialized(content))


def to_onnx(
    model: Any,
    *,
    recurrent: Recurrent = "scan",
    dtype: str | None = None,
    lengths: bool = True,
    states: bool = True,
    batch_major: bool | None = None,
    shapes: Shapes = None,
) -> onnx.ModelProto:
    """Return what :func:`export` writes, as an object of the package onnx.

    Raises
    ------
    ExportError, ShapeError, ConfigError
        See :func:`export`.
    """
    if recurrent not in ("scan", "operator"):
        raise ConfigError("not a form", where="export, recurrent", expected="'scan' or 'operator'", received=recurrent)
    if batch_major is None:
        batch_major = bool(getattr(getattr(model, "config", None), "batch_major", False))
    for name, value in (("lengths", lengths), ("states", states), ("batch_major", batch_major)):
        if not isinstance(value, (bool, np.bool_)):
            raise ConfigError("not a truth value", where=f"export, {name}", expected="True or False", received=value)
    if dtype is None:
        dtype = getattr(getattr(model, "config", None), "dtype", None)
    wanted = None if dtype is None else dtypes.name(dtype, where="export")
    flags = bool(lengths), bool(states), bool(batch_major)
    return assembled(_runner(model), model, Options(recurrent, wanted, *flags, shapes_given(shapes)))


def serialized(proto: onnx.ModelProto) -> bytes:
    """The bytes of a file, after a check by onnx.

    Raises
    ------
    ExportError
        If there are more than a file can have, or onnx refuses the model.
    """
    check_size(proto.ByteSize(), proto.graph.name)
    data: bytes = proto.SerializeToString(deterministic=True)
    try:
        onnx.checker.check_model(data)
    except onnx.checker.ValidationError as error:
        raise ExportError(
            "onnx refuses the file", where=proto.graph.name, received=str(error)[:500], remedy="Please report it."
        ) from error
    return data


def _runner(model: Any) -> Runner:
    """The runner of what a user wants to export."""
    runner = getattr(model, "runner", model)
    if isinstance(runner, Runner):
        return runner
    graph = getattr(model, "graph", model)
    if isinstance(graph, Graph):
        return Runner(graph)
    if isinstance(model, Layer):
        count = len([name for name in model.input_ports().names if name not in model.input_ports().optional])
        return Runner(graph_of(model, count))
    raise ConfigError(
        "there is no graph to export",
        where="export",
        expected="a Model, a Runner, a Graph or a layer",
        received=repr(model)[:200],
        remedy="Sequential(*network.layers, shape='batch, feature=…') is the graph of a NeuralNetwork."
        if isinstance(model, NeuralNetwork)
        else None,
    )
