"""Operators that ONNX, or a model, defines as functions of other operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from graphnet_onnx.operators.context import DEFAULT_DOMAINS
from graphnet_onnx.operators.context import schema_of as typed_schema_of

#: The functions of a model by domain and name.
Functions = Mapping[tuple[str, str], onnx.FunctionProto]


def schema_of(name: str, opset: int, domain: str) -> Any:
    """ONNX's schema of an operator; its type does not declare what concerns functions."""
    return typed_schema_of(name, opset, domain)


def local_functions(model: onnx.ModelProto) -> dict[tuple[str, str], onnx.FunctionProto]:
    """Return the functions that a model defines."""
    return {("" if f.domain in DEFAULT_DOMAINS else f.domain, f.name): f for f in model.functions}


def opsets_of(imports: Any) -> dict[str, int]:
    """Return the version of each domain; that of ``ai.onnx`` under the empty string."""
    return {"" if i.domain in DEFAULT_DOMAINS else i.domain: i.version for i in imports}


def has_definition(name: str, opset: int, domain: str) -> bool:
    """Whether ONNX defines an operator by other operators."""
    schema = schema_of(name, opset, domain)
    return schema is not None and bool(schema.has_function or schema.has_context_dependent_function)


def definition(node: onnx.NodeProto, opset: int, inputs: Sequence[Any]) -> onnx.FunctionProto | None:
    """Return ONNX's definition of a node's operator for inputs of these types and shapes; None without one."""
    schema = schema_of(node.op_type, opset, "" if node.domain in DEFAULT_DOMAINS else node.domain)
    if schema is None:
        return None
    if schema.has_function:
        return _newest(schema.function_opset_versions, opset, schema.get_function_with_opset_version)
    if not schema.has_context_dependent_function:
        return None
    types = [_type_of(array).SerializeToString() for array in inputs]
    versions = schema.context_dependent_function_opset_versions
    build = schema.get_context_dependent_function_with_opset_version
    return _newest(versions, opset, lambda version: build(version, node.SerializeToString(), types))


def _newest(versions: Sequence[int], opset: int, build: Any) -> onnx.FunctionProto | None:
    """The definition in the newest of the versions that the opset has, or in the oldest."""
    usable = [version for version in versions if version <= opset] or list(versions)[:1]
    data = build(max(usable)) if usable else None
    return onnx.FunctionProto.FromString(data) if data else None


def _type_of(array: Any) -> onnx.TypeProto:
    if not isinstance(array, np.ndarray):
        return onnx.TypeProto()
    code = onnx.TensorProto.STRING if array.dtype.kind in "OU" else onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    return onnx.helper.make_tensor_type_proto(code, array.shape)


def default_attributes(name: str, opset: int, domain: str) -> list[onnx.AttributeProto]:
    """Return the default attributes of an operator of ONNX, by name."""
    schema = schema_of(name, opset, domain)
    attributes = {} if schema is None else schema.attributes
    values = [attribute.default_value for attribute in attributes.values()]
    return [value for value in values if value.type]


def instantiated(
    function: onnx.FunctionProto, call: onnx.NodeProto, defaults: Sequence[onnx.AttributeProto] = ()
) -> list[onnx.NodeProto]:
    """Return the nodes of a function with the attributes of one call in place of its parameters.

    Attributes that the call does not have take the default of the function, or one of ``defaults``.
    """
    given = {attribute.name: attribute for attribute in defaults}
    given |= {attribute.name: attribute for attribute in function.attribute_proto}
    given |= {attribute.name: attribute for attribute in call.attribute}
    return [_instantiated(node, given) for node in function.node]


def _instantiated(node: onnx.NodeProto, given: Mapping[str, onnx.AttributeProto]) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    del copy.attribute[:]
    for attribute in node.attribute:
        if attribute.ref_attr_name:
            value = given.get(attribute.ref_attr_name)
            if value is None:
                continue
            copy.attribute.add().CopyFrom(value)
            copy.attribute[-1].name = attribute.name
            continue
        copy.attribute.add().CopyFrom(attribute)
        if attribute.type == onnx.AttributeProto.GRAPH:
            nodes = [_instantiated(inner, given) for inner in attribute.g.node]
            del copy.attribute[-1].g.node[:]
            copy.attribute[-1].g.node.extend(nodes)
    return copy
