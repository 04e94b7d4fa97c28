"""What a kernel gets besides its inputs: attributes, the version of its operator, and how to fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

import onnx
from onnx.defs import OpSchema

from graphnet import FileError, GraphError, GraphnetError, ShapeError, UnknownNameError
from graphnet_onnx.operators.table import OPERATORS

_Error = TypeVar("_Error", bound=GraphnetError)
#: Names of the domain of the standard operators.
DEFAULT_DOMAINS = ("", "ai.onnx")
_GRAPH, _GRAPHS = onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS


@lru_cache(maxsize=4096)
def schema_of(name: str, opset: int, domain: str = "") -> OpSchema | None:
    """Return ONNX's schema of an operator in a version of its domain; None if that version has no such operator."""
    try:
        return onnx.defs.get_schema(name, opset, domain)
    except (onnx.defs.SchemaError, TypeError):  # TypeError: a version that is no 32-bit number
        return None


@lru_cache(maxsize=4096)
def _defaults(name: str, opset: int, domain: str) -> dict[str, Any]:
    """The default values of the attributes that have one."""
    schema = schema_of(name, opset, domain)
    attributes = {} if schema is None else schema.attributes
    proto = {key: attribute.default_value for key, attribute in attributes.items()}
    return {key: attribute_value(value, name) for key, value in proto.items() if value.type}


def attribute_value(attribute: onnx.AttributeProto, where: str) -> Any:
    """Return the value of an attribute: numbers, strings, lists of them, arrays, or graphs as they are.

    Raises
    ------
    FileError
        If a tensor is in another file, which whoever reads the model must load before, or cannot be decoded.
    """
    kind = onnx.AttributeProto
    if attribute.type == kind.TENSOR:
        return tensor_value(attribute.t, f"{where}, attribute {attribute.name}")
    if attribute.type == kind.SPARSE_TENSOR:
        raise FileError("a sparse tensor is not supported", where=f"{where}, attribute {attribute.name}")
    try:
        value = onnx.helper.get_attribute_value(attribute)
        if attribute.type == kind.STRING:
            return value.decode()
        return [item.decode() for item in value] if attribute.type == kind.STRINGS else value
    except (ValueError, UnicodeError) as error:
        raise FileError(f"an attribute cannot be read: {error}", where=f"{where}, attribute {attribute.name}") from None


def tensor_value(tensor: onnx.TensorProto, where: str) -> Any:
    """Return a tensor of a model as an array.

    Raises
    ------
    FileError
        If the tensor is in another file, or its data do not fit its shape and type.
    """
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise FileError(
            f"the data of tensor {tensor.name!r} are in another file",
            where=where,
            remedy="Load the model from its file with onnx.load or graphnet_onnx.load, which read these data.",
        )
    try:
        return onnx.numpy_helper.to_array(tensor)
    except Exception as error:  # the helper documents no list of what it raises for damaged data
        raise FileError(f"tensor {tensor.name!r} cannot be read: {error}", where=where) from None


@dataclass(frozen=True)
class Context:
    """A use of an operator.

    Attributes
    ----------
    operator, domain : str
    opset : int
        The version of the domain that the model imports.
    attributes : mapping of str to object
        Those of the node and the defaults of ONNX for the others. Strings are str, tensors are arrays, and graphs are
        functions of a list of arrays that return a list of arrays.
    outputs : tuple of bool
        For each output of the node, whether it has a name.
    where : str
        The node, for messages.
    cache : dict
        Belongs to the node: layers that a kernel has built and can use again.
    """

    operator: str
    opset: int
    attributes: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[bool, ...] = (True,)
    domain: str = ""
    where: str = ""
    cache: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of_node(
        cls, node: onnx.NodeProto, opset: int, *, where: str = "", graphs: Mapping[str, Any] | None = None
    ) -> Context:
        """Return the context of a node of a model.

        Parameters
        ----------
        node : NodeProto
        opset : int
            The version of the node's domain.
        graphs : mapping of str to callable, optional
            For each attribute that is a graph, what evaluates it.

        Raises
        ------
        UnknownNameError
            If this version has no such operator.
        FileError
            If an attribute cannot be read.
        GraphError
            If a required attribute is missing.
        """
        domain = "" if node.domain in DEFAULT_DOMAINS else node.domain
        where = where or node_place(node)
        schema = schema_of(node.op_type, opset, domain)
        if schema is None and (domain, node.op_type) not in OPERATORS:
            raise unknown_operator(node.op_type, domain, opset, where)
        attributes = dict(_defaults(node.op_type, opset, domain))
        for attribute in node.attribute:
            if attribute.type in (_GRAPH, _GRAPHS):
                attributes[attribute.name] = (graphs or {}).get(attribute.name)
            else:
                attributes[attribute.name] = attribute_value(attribute, where)
        _check_attributes(schema, attributes, where)
        return cls(node.op_type, opset, attributes, tuple(bool(name) for name in node.output), domain, where)

    def __getitem__(self, name: str) -> Any:
        """The value of an attribute that the operator requires or that has a default."""
        return self.attributes[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The value of an attribute, or ``default`` if it is not given."""
        return self.attributes.get(name, default)

    def wants(self, position: int) -> bool:
        """Whether the node has this output."""
        return position < len(self.outputs) and self.outputs[position]

    def failure(self, problem: str, error: type[_Error] = ShapeError, **parts: Any) -> _Error:  # type: ignore[assignment]
        """The error of this node; ``parts`` are those of a GraphnetError."""
        return error(problem, where=self.where or self.operator, **parts)

    def require(self, valid: Any, problem: str, **parts: Any) -> None:
        """Raise a ShapeError unless ``valid``."""
        if not valid:
            raise self.failure(problem, **parts)


def _check_attributes(schema: OpSchema | None, attributes: Mapping[str, Any], where: str) -> None:
    for name, attribute in ({} if schema is None else schema.attributes).items():
        if attribute.required and name not in attributes:
            raise GraphError(f"attribute {name!r} is missing", where=where, expected=f"attribute {name!r}")


def node_place(node: onnx.NodeProto) -> str:
    """Return the place of a node for messages: its name or its first output, and its operator."""
    name = node.name or next((output for output in node.output if output), "")
    return f"node {name!r} ({node.op_type})"


def unknown_operator(name: str, domain: str, opset: int, where: str) -> UnknownNameError:
    """The error for an operator that neither ONNX nor the table has."""
    full = f"{domain or 'ai.onnx'} {name}"
    return UnknownNameError(
        f"unknown operator {full}",
        where=where,
        expected=f"an operator of opset {opset}",
        received=full,
        remedy="Export the model with operators of ONNX, or with another opset.",
    )
