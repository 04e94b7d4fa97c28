"""The numbers of tensors in an ONNX file; every size is compared with the data before anything is allocated."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from graphnet import FileError
from graphnet.io.foreign import opened, reading

#: Types, and the bytes of an element in ``raw_data``; fractions of a byte are packed.
BYTES: dict[int, float] = {
    TensorProto.FLOAT: 4, TensorProto.UINT8: 1, TensorProto.INT8: 1, TensorProto.UINT16: 2, TensorProto.INT16: 2,
    TensorProto.INT32: 4, TensorProto.INT64: 8, TensorProto.BOOL: 1, TensorProto.FLOAT16: 2, TensorProto.DOUBLE: 8,
    TensorProto.UINT32: 4, TensorProto.UINT64: 8, TensorProto.BFLOAT16: 2,
}  # fmt: skip
FIELDS: dict[int, str] = {
    TensorProto.FLOAT: "float_data", TensorProto.DOUBLE: "double_data", TensorProto.INT64: "int64_data",
    TensorProto.UINT32: "uint64_data", TensorProto.UINT64: "uint64_data", TensorProto.STRING: "string_data",
}  # fmt: skip
#: The most axes of a tensor, as in numpy.
AXES = 64


def type_name(number: int) -> str:
    """The name of a type of tensors."""
    try:
        return str(TensorProto.DataType.Name(number)).lower()  # type: ignore[arg-type]
    except ValueError:
        return f"type {number}"


def read_tensor(tensor: Any, where: str, folder: str | None) -> np.ndarray:
    """The array of a tensor; floats of 16 bits become float32, texts become an array of objects.

    Parameters
    ----------
    tensor : TensorProto
    where : str
        For errors.
    folder : str or None
        The folder of the model, in which external data are looked up; None: external data are refused.

    Raises
    ------
    FileError
        If dims and data do not fit, the type is not supported, or external data are outside the folder.
    """
    where = f"{where}, tensor {tensor.name[:200]!r}"
    dims = tuple(tensor.dims)
    if len(dims) > AXES or any(n < 0 for n in dims):
        raise FileError("not the shape of a tensor", where=where, expected=f"at most {AXES} sizes of at least 0",
                        received=str(list(dims[:8])))  # fmt: skip
    if tensor.HasField("segment"):
        raise FileError("a tensor in segments", where=where, expected="a whole tensor", received="segment")
    count = math.prod(dims)
    if tensor.data_type == TensorProto.STRING:
        return _texts(tensor, dims, count, where)
    if tensor.data_type not in BYTES:
        raise FileError(
            "a tensor of a type that is not supported", where=where,
            expected="float32, float64, float16, bfloat16, bool, or integers of 8 to 64 bits",
            received=type_name(tensor.data_type),
        )  # fmt: skip
    if tensor.data_location == TensorProto.EXTERNAL:
        tensor = _with_external(tensor, count, where, folder)
    needed = math.ceil(count * BYTES[tensor.data_type])
    if tensor.HasField("raw_data"):
        received, unit = len(tensor.raw_data), "bytes"
    else:
        received, unit = len(getattr(tensor, FIELDS.get(tensor.data_type, "int32_data"))), "numbers"
        needed = count
    if received != needed:
        raise FileError("dims and data of a tensor do not fit", where=where,
                        expected=f"{needed:,} {unit} for shape {dims}", received=f"{received:,} {unit}")  # fmt: skip
    with reading(where, "the numbers of a tensor"), np.errstate(all="ignore"):
        array = np.array(onnx.numpy_helper.to_array(tensor))
    small = tensor.data_type in (TensorProto.FLOAT16, TensorProto.BFLOAT16)
    return array.astype(np.float32) if small else array


def _texts(tensor: Any, dims: tuple[int, ...], count: int, where: str) -> np.ndarray:
    if len(tensor.string_data) != count:
        raise FileError("dims and data of a tensor do not fit", where=where, expected=f"{count:,} texts",
                        received=f"{len(tensor.string_data):,}")  # fmt: skip
    array = np.empty(count, object)
    array[:] = [text.decode("utf-8", "replace") for text in tensor.string_data]
    return array.reshape(dims)


def _with_external(tensor: Any, count: int, where: str, folder: str | None) -> Any:
    """A copy of a tensor with the data that it has in another file."""
    info = {entry.key: entry.value for entry in tensor.external_data}
    location = info.get("location", "")
    path = _inside(location, folder, where)
    needed = math.ceil(count * BYTES[tensor.data_type])
    with opened(path, "the data of a tensor") as (file, size), reading(f"{where}, data in {location[:200]!r}",
                                                                      "offset and length as numbers"):  # fmt: skip
        offset, length = int(info.get("offset") or 0), int(info.get("length") or 0) or needed
        if offset < 0 or length != needed or offset + length > size:
            raise FileError(
                "external data do not fit",
                where=f"{where}, data in {location[:200]!r}",
                expected=f"{needed:,} bytes within the {size:,} bytes of the file",
                received=f"{length:,} bytes from {offset:,} on",
            )
        file.seek(offset)
        data = file.read(length)
    whole = TensorProto()
    whole.dims.extend(tensor.dims)
    whole.data_type, whole.name, whole.raw_data = tensor.data_type, tensor.name, data
    return whole


def _inside(location: str, folder: str | None, where: str) -> str:
    """The path of external data, which must be in the folder of the model."""
    remedy = "Put the file into the folder of the model, and save the model with its name as the location."
    if folder is None:
        raise FileError("the data of a tensor are in another file", where=where, received=location[:200],
                        remedy="Pass the path of the model, so that its folder is known.")  # fmt: skip
    root = os.path.realpath(folder)
    with reading(where, "the name of a file in the folder of the model"):
        path = os.path.realpath(os.path.join(root, location))
        outside = (
            not location
            or os.path.isabs(location)
            or ".." in location.replace("\\", "/").split("/")
            or os.path.commonpath([root, path]) != root
        )
    if outside:
        raise FileError("external data outside the folder of the model", where=where,
                        expected="the name of a file in the folder of the model", received=location[:200] or "no name",
                        remedy=remedy)  # fmt: skip
    if not os.path.isfile(path):
        raise FileError("external data are missing", where=where, expected=f"the file {location[:200]!r}",
                        received="no such file", remedy=remedy)  # fmt: skip
    return path
