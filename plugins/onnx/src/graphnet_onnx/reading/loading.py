"""``load``: a model of graphnet from an ONNX file."""

from __future__ import annotations

import os
import pathlib
from dataclasses import replace
from typing import Any

from graphnet import ConfigError, GraphnetError, Model
from graphnet.authoring import explained
from graphnet.io.foreign import reading
from graphnet_onnx.reading.attempt import Attempt
from graphnet_onnx.reading.layout import MixedRowsError
from graphnet_onnx.reading.parse import parse_model, read_model
from graphnet_onnx.reading.ports import Port, Roles, candidates, read_ports
from graphnet_onnx.reading.report import Report

Path = str | os.PathLike[str]


@explained
def load(path: Path, *, batch: str | int | None = None, max_bytes: int | None = None) -> Model:
    """A model with its weights, from an ONNX file.

    Inputs and outputs have the axes of the file, except that a :class:`graphnet.Runner` takes sequences as ``(time,
    batch, …)``: for sequences that the file has as ``(batch, time, …)``, the model has ``batch_major=True``.

    Parameters
    ----------
    path : path
    batch : str or int, optional
        The axis of the batch: its name in the file (dim_param), or its position in every input. None: a free axis
        whose name begins with ``batch`` or is ``N``, ``B`` or ``bs``; else the first free axis for which the model
        can be imported; in a file without free axes axis 0, else axis 1.
    max_bytes : int, optional
        The largest file that is read; None: 2 GiB.

    Returns
    -------
    Model
        Its attribute ``path`` is the file. It can be trained, and saved with ``save``.

    Raises
    ------
    FileError
        If the file cannot be read, is damaged, or has an operator that cannot be imported. The message names the node.
    UnknownNameError
        For an operator that ONNX does not have.
    """
    return load_with_report(path, batch=batch, max_bytes=max_bytes)[0]


def load_with_report(
    path: Path, *, batch: str | int | None = None, max_bytes: int | None = None
) -> tuple[Model, Report]:
    """The same as :func:`load`, with what became of each node."""
    if batch is not None and (isinstance(batch, bool) or not isinstance(batch, (str, int))):
        raise ConfigError(
            "not an axis", where="load, batch", expected="a name or a position", received=repr(batch)[:80]
        )
    proto = read_model(path, max_bytes)
    folder = os.path.dirname(os.path.abspath(os.fspath(path)))
    model, report = from_proto(proto, str(path), folder, batch)
    model.path = pathlib.Path(path)
    return model, report


def load_bytes(data: bytes, *, where: str = "ONNX model", batch: str | int | None = None) -> Model:
    """The same as :func:`load`, for the bytes of a model without external data."""
    return from_proto(parse_model(data, where), where, None, batch)[0]


def from_proto(proto: Any, where: str, folder: str | None, batch: str | int | None) -> tuple[Model, Report]:
    """A model from what protobuf has read.

    Raises
    ------
    GraphnetError
    """
    with reading(where, "an ONNX model"):
        ports = read_ports(proto.graph, where)
        first: GraphnetError | None = None
        for roles in candidates(ports, batch, where):
            try:
                return _attempt(proto, where, folder, ports, roles)
            except MixedRowsError as error:
                first = first or error
    assert first is not None
    raise first


def _attempt(proto: Any, where: str, folder: str | None, ports: list[Port], roles: Roles) -> tuple[Model, Report]:
    built = Attempt(proto, where, folder, ports, roles)
    built.run()
    times = built.times()
    if times and times != roles.time:
        built = Attempt(proto, where, folder, ports, replace(roles, time=times))
        built.run()
    return built.model()
