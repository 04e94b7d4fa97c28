"""The inputs of an ONNX file, and which of their axes may be the batch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx

from graphnet import FileError
from graphnet_onnx.reading.tensors import BYTES, type_name


@dataclass(frozen=True)
class Port:
    """An input of the file.

    Attributes
    ----------
    name : str
    dims : tuple of int, str or None
        A number, the name of a free size, or None for a free size without a name.
    dtype : dtype
    """

    name: str
    dims: tuple[int | str | None, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class Roles:
    """Which axes of the inputs are the batch and time.

    Attributes
    ----------
    batch : mapping of str to int
        The axis of the batch by input.
    time : mapping of str to int
        The axis of time by input, for those that a recurrence reads.
    """

    batch: Mapping[str, int]
    time: Mapping[str, int] = field(default_factory=dict)


def read_ports(graph: Any, where: str) -> list[Port]:
    """The inputs of a graph that are not initializers.

    Raises
    ------
    FileError
        If one has another type than a tensor of numbers, or no shape.
    """
    known = {tensor.name for tensor in graph.initializer}
    ports, seen = [], set()
    for value in graph.input:
        place = f"{where}, input {value.name[:200]!r}"
        if value.name in seen or not value.name:
            raise FileError("two inputs have one name", where=where, received=repr(value.name[:200]))
        seen.add(value.name)
        if value.name in known:
            continue
        ports.append(Port(value.name, *_tensor_type(value.type, place)))
    if not ports:
        raise FileError("the model has no input", where=where, expected="at least one input", received="none")
    return ports


def _tensor_type(kind: Any, place: str) -> tuple[tuple[int | str | None, ...], np.dtype[Any]]:
    which = kind.WhichOneof("value")
    if which != "tensor_type":
        raise FileError("not a tensor", where=place, expected="a tensor of numbers", received=which or "no type")
    tensor = kind.tensor_type
    if tensor.elem_type not in BYTES:
        raise FileError("not a tensor of numbers", where=place, expected="floats, integers or bool",
                        received=type_name(tensor.elem_type))  # fmt: skip
    if not tensor.HasField("shape"):
        raise FileError("an input without a shape", where=place, expected="the number of its axes", received="no shape",
                        remedy="Run onnx.shape_inference, or set the shape of the input.")  # fmt: skip
    dims: list[int | str | None] = []
    for dim in tensor.shape.dim:
        if dim.HasField("dim_value") and dim.dim_value != 0:
            if not 1 <= dim.dim_value < 2**31:
                raise FileError("not the size of an axis", where=place, expected="1 or more", received=dim.dim_value)
            dims.append(int(dim.dim_value))
        else:
            dims.append(dim.dim_param[:80] or None)
    if not dims or len(dims) > 32:
        raise FileError("an input without an axis for the batch", where=place, expected="1 to 32 axes",
                        received=len(dims))  # fmt: skip
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    return tuple(dims), np.dtype(dtype if np.dtype(dtype).kind in "fiub" else np.float32)


def candidates(ports: list[Port], batch: str | int | None, where: str) -> Iterator[Roles]:
    """The axes that may be the batch, the most probable first.

    Raises
    ------
    FileError
        If ``batch`` is given, and an input has no such axis.
    """
    if batch is not None:
        yield Roles({port.name: _given(port, batch, where) for port in ports})
        return
    found = _named(ports)
    fixed = not found and all(isinstance(dim, int) for port in ports for dim in port.dims)
    for position in (0, 1):
        whole = all(len(port.dims) > position for port in ports)
        if whole and (fixed or all(port.dims[position] is None for port in ports)):
            found.append({port.name: position for port in ports})
    found = found or [{port.name: 0 for port in ports}]
    for index, axes in enumerate(found):
        if axes not in found[:index]:
            yield Roles(axes)


def _named(ports: list[Port]) -> list[dict[str, int]]:
    """The axes of one name that all inputs have; those that are called like a batch first."""
    names = list(dict.fromkeys(dim for port in ports for dim in port.dims if isinstance(dim, str)))
    names.sort(key=lambda name: not re.match(r"(?i)(batch|n$|b$|bs$|n_)", name))
    found = []
    for name in names:
        axes = {port.name: port.dims.index(name) for port in ports if name in port.dims}
        axes |= {port.name: 0 for port in ports if port.name not in axes and port.dims[0] is None}
        if len(axes) == len(ports):
            found.append(axes)
    return found


def _given(port: Port, batch: str | int, where: str) -> int:
    place = f"{where}, input {port.name[:200]!r}"
    if isinstance(batch, str):
        if batch not in port.dims:
            raise FileError(f"no axis is called {batch!r}", where=place, expected=f"one of {port.dims}", received=batch)
        return port.dims.index(batch)
    if not -len(port.dims) <= batch < len(port.dims):
        raise FileError("no such axis", where=place, expected=f"0 to {len(port.dims) - 1}", received=batch)
    return batch % len(port.dims)


# ---------------------------------------------------------------------- one attempt
