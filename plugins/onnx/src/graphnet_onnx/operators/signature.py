"""Checks of the number and types of the inputs of an operator, by ONNX's schema of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import onnx
from onnx.defs import OpSchema

from graphnet import DtypeError, GraphError
from graphnet_onnx.operators.context import Context, schema_of

_VARIADIC, _OPTIONAL = OpSchema.FormalParameterOption.Variadic, OpSchema.FormalParameterOption.Optional


@lru_cache(maxsize=64)
def type_name(dtype: np.dtype[Any]) -> str:
    """Return ONNX's name of a tensor's type, such as ``tensor(float)``; of numpy's otherwise."""
    if dtype.kind in "OUST":
        return "tensor(string)"
    try:
        code = onnx.helper.np_dtype_to_tensor_dtype(dtype)
    except (KeyError, ValueError):
        return f"numpy {dtype}"
    return tensor_type_name(code)


def tensor_type_name(code: int) -> str:
    """Return ONNX's name of the type with this number, such as ``tensor(float)``."""
    known = onnx.TensorProto.DataType.DESCRIPTOR.values_by_number
    return f"tensor({known[code].name.lower()})" if code in known else f"type {code}"


@lru_cache(maxsize=64)
def dtype_of(name: str) -> np.dtype[Any] | None:
    """Return the dtype of a type such as ``tensor(int64)``; None for sequences, maps and strings."""
    if not name.startswith("tensor(") or name == "tensor(string)":
        return None
    code = onnx.TensorProto.DataType.Value(name[7:-1].upper())
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(code))


class Signature:
    """The inputs and outputs of an operator in one version.

    Parameters
    ----------
    schema : OpSchema
    """

    def __init__(self, schema: OpSchema) -> None:
        self.schema = schema
        self.least, self.most = schema.min_input, schema.max_input
        self.inputs = [(i.name, i.type_str, frozenset(i.types), i.option, i.is_homogeneous) for i in schema.inputs]
        self.outputs = [(o.type_str, frozenset(o.types), o.option) for o in schema.outputs]

    def bind(self, context: Context, inputs: Sequence[Any]) -> dict[str, np.dtype[Any]]:
        """Check the inputs, and return the dtype of each type variable.

        Raises
        ------
        GraphError
            If there are too few or too many inputs.
        DtypeError
            If a type is not allowed, or differs from that of an input that must have the same one.
        """
        self._check_number(context, inputs)
        variables: dict[str, np.dtype[Any]] = {}
        for position, array in enumerate(inputs):
            name, variable, types, _, homogeneous = self.inputs[min(position, len(self.inputs) - 1)]
            if not isinstance(array, np.ndarray):
                continue  # a sequence, a map or an input that is not connected
            received = type_name(array.dtype)
            if received not in types:
                known = ", ".join(sorted(types)[:12])
                raise context.failure(
                    f"input {name!r} has the wrong type", DtypeError, expected=known, received=received
                )
            if not homogeneous:
                continue
            if (
                variables.setdefault(variable, array.dtype) != array.dtype
                and type_name(variables[variable]) != received
            ):
                raise context.failure(
                    f"input {name!r} has another type than the inputs before it",
                    DtypeError,
                    expected=type_name(variables[variable]),
                    received=received,
                )
        return variables

    def _check_number(self, context: Context, inputs: Sequence[Any]) -> None:
        if not self.least <= len(inputs) <= self.most:
            expected = f"{self.least}" if self.least == self.most else f"{self.least} to {self.most}"
            raise context.failure("wrong number of inputs", GraphError, expected=expected, received=len(inputs))
        for position, (name, _, _, option, _) in enumerate(self.inputs):
            missing = position >= len(inputs) or inputs[position] is None
            if option == _VARIADIC and context.operator != "Loop" and any(i is None for i in inputs[position:]):
                raise context.failure("an input is missing", GraphError, expected=f"all inputs {name!r}")
            if missing and option not in (_VARIADIC, _OPTIONAL):
                raise context.failure(f"input {name!r} is missing", GraphError, expected=f"input {name!r}")

    def result(self, position: int, value: Any, variables: dict[str, np.dtype[Any]]) -> Any:
        """Return an output in the type that the signature states, where it states one."""
        if isinstance(value, (list, dict)) or value is None:
            return value
        array = np.asarray(value)
        variable, types, _ = self.outputs[min(position, len(self.outputs) - 1)]
        dtype = variables.get(variable)
        if dtype is None and len(types) == 1:
            dtype = dtype_of(next(iter(types)))
        return array if dtype is None or array.dtype == dtype or dtype.kind in "OUS" else array.astype(dtype)


@lru_cache(maxsize=4096)
def signature_of(name: str, opset: int, domain: str) -> Signature | None:
    """Return the signature of an operator in a version of its domain, if ONNX has it."""
    schema = schema_of(name, opset, domain)
    return None if schema is None else Signature(schema)
