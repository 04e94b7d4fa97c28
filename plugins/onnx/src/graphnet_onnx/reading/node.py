"""A node of an ONNX graph with its attributes, checked against ONNX's own description of the operator."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import onnx
from onnx import AttributeProto

from graphnet import FileError, UnknownNameError
from graphnet.io.foreign import reading
from graphnet_onnx.reading.parse import DOMAINS
from graphnet_onnx.reading.tensors import read_tensor
from graphnet_onnx.reading.values import Abstract

SCALARS = {AttributeProto.FLOAT: "f", AttributeProto.INT: "i"}
LISTS = {AttributeProto.FLOATS: "floats", AttributeProto.INTS: "ints"}


@dataclass
class NodeView:
    """A node while it is converted.

    Attributes
    ----------
    op, domain : str
    opset : int
        The version of the domain that the file uses.
    attributes : dict
        With the defaults of ONNX.
    inputs : list of Abstract or None
    outputs : list of str
    place : str
        For errors.
    title : str
        For reports.
    names : list of str
        Of the inputs.
    """

    op: str
    domain: str
    opset: int
    attributes: dict[str, Any]
    inputs: list[Abstract | None]
    outputs: list[str]
    place: str
    title: str
    name: str
    names: list[str] = field(default_factory=list)
    proto: Any = None

    def has(self, index: int) -> bool:
        """Whether an input is given."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        return self.attributes.get(name, default)


@functools.cache
def schema(op: str, opset: int, domain: str) -> Any:
    """ONNX's description of an operator; None if there is none."""
    try:
        found = onnx.defs.get_schema(op, opset, domain)
    except Exception:  # onnx.defs.SchemaError, or another error for a name that is not text
        return None
    return found


@functools.cache
def _defaults(op: str, opset: int, domain: str) -> dict[str, Any]:
    found = schema(op, opset, domain)
    return {
        name: attribute_value(entry.default_value, op, None, {})
        for name, entry in ({} if found is None else found.attributes).items()
        if entry.default_value.type
    }


def view(
    proto: Any, opsets: Mapping[str, int], inputs: list[Abstract | None], path: str, folder: str | None,
    given: Mapping[str, Any],
) -> NodeView:  # fmt: skip
    """The node of a file.

    Parameters
    ----------
    given : mapping
        The attributes of the function around the node, to which its own may refer.

    Raises
    ------
    UnknownNameError, FileError
        If the operator is unknown, or has other attributes or another number of inputs.
    """
    domain = "" if proto.domain == "ai.onnx" else proto.domain
    title = f"{proto.op_type[:80]} {(proto.name or (proto.output[0] if proto.output else ''))[:120]!r}"
    place = f"{path}, node {title}"
    if domain not in opsets:
        raise FileError(f"no version of domain {domain or 'ai.onnx'!r} is given", where=place,
                        expected=f"one of {', '.join(name or 'ai.onnx' for name in opsets) or 'opset_import'}",
                        received=domain or "ai.onnx")  # fmt: skip
    opset = opsets[domain]
    known = schema(proto.op_type, opset, domain)
    if known is None or known.deprecated:
        raise _unknown(proto, domain, opset, place)
    attributes = dict(_defaults(proto.op_type, opset, domain))
    for attribute in proto.attribute:
        if attribute.name not in known.attributes:
            raise FileError(f"unknown attribute {attribute.name[:200]!r}", where=place,
                            expected=f"one of {', '.join(sorted(known.attributes))}" if known.attributes else "none",
                            received=attribute.name[:200])  # fmt: skip
        value = attribute_value(attribute, place, folder, given)
        _check_type(attribute, known.attributes[attribute.name], place)
        if value is not None:
            attributes[attribute.name] = value
    for name, entry in known.attributes.items():
        if entry.required and name not in attributes:
            raise FileError(f"attribute {name!r} is missing", where=place, expected=name)
    if not known.min_input <= len(proto.input) <= known.max_input or len(proto.output) > known.max_output:
        raise FileError("another number of inputs or outputs", where=place,
                        expected=f"{known.min_input} to {known.max_input} inputs, at most {known.max_output} outputs",
                        received=f"{len(proto.input)} and {len(proto.output)}")  # fmt: skip
    if not proto.output or (known.min_output and not proto.output[0]):
        raise FileError(
            "a node without an output", where=place, expected=known.outputs[0].name if known.outputs else "one"
        )
    for index in range(known.min_input):
        if not proto.input[index] and proto.input:
            raise FileError(
                f"input {index} is left out", where=place, expected=known.inputs[min(index, len(known.inputs) - 1)].name
            )
    return NodeView(proto.op_type, domain, opset, attributes, inputs, list(proto.output), place, title, proto.name,
                    list(proto.input), proto)  # fmt: skip


def _unknown(proto: Any, domain: str, opset: int, place: str) -> UnknownNameError:
    name = f"{domain or 'ai.onnx'}::{proto.op_type[:80]}"
    since = schema(proto.op_type, 10**6, domain)
    expected = None if since is None else f"an opset from {since.since_version} on"
    if domain not in DOMAINS:
        expected = f"an operator of {' or '.join(d or 'ai.onnx' for d in DOMAINS)}, or a function in the file"
    return UnknownNameError(
        f"unknown operator {name} in opset {opset}",
        where=place,
        expected=expected or "an operator of ONNX",
        received=proto.op_type[:80],
        remedy="Export the model with standard operators (of torch: without custom ones), or with functions included.",
    )


def _check_type(attribute: Any, entry: Any, place: str) -> None:
    """Refuse an attribute of another type than ONNX describes; references have been replaced."""
    wanted = int(getattr(entry.type, "value", entry.type))
    if not attribute.ref_attr_name and attribute.type != wanted:
        raise FileError(f"attribute {attribute.name[:200]!r} has another type", where=place,
                        expected=_type(wanted), received=_type(attribute.type))  # fmt: skip


def _type(number: int) -> str:
    try:
        return str(AttributeProto.AttributeType.Name(number)).lower()  # type: ignore[arg-type]
    except ValueError:
        return f"type {number}"


def attribute_value(attribute: Any, place: str, folder: str | None, given: Mapping[str, Any]) -> Any:
    """The value of an attribute; None for a reference to an attribute that a function was not given."""
    if attribute.ref_attr_name:
        return given.get(attribute.ref_attr_name)
    where = f"{place}, attribute {attribute.name[:200]!r}"
    with reading(where, "an attribute of ONNX"):
        kind = attribute.type
        if kind in SCALARS:
            return getattr(attribute, SCALARS[kind])
        if kind in LISTS:
            return list(getattr(attribute, LISTS[kind]))
        if kind == AttributeProto.STRING:
            return attribute.s.decode("utf-8", "replace")
        if kind == AttributeProto.STRINGS:
            return [text.decode("utf-8", "replace") for text in attribute.strings]
        if kind == AttributeProto.TENSOR:
            return read_tensor(attribute.t, where, folder)
        if kind == AttributeProto.GRAPH:
            return attribute.g
        if kind == AttributeProto.TYPE_PROTO:
            return attribute.tp
    raise FileError("an attribute of a type that is not supported", where=where,
                    expected="numbers, texts, a tensor or a graph", received=_type(attribute.type))  # fmt: skip
