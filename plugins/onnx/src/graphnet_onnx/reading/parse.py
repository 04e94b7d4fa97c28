"""Reading an ONNX file within limits: the bytes, then what protobuf made of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import onnx

from graphnet import ConfigError, FileError
from graphnet.io.foreign import kind, read_bytes, reading

#: The largest file that protobuf can read.
MAX_BYTES = 2**31 - 1
#: Nodes, with those of nested graphs and functions, and levels of nested graphs.
MAX_NODES, MAX_DEPTH = 200_000, 20
EXPECTED = "an ONNX model"
#: The newest versions of the domains that are read.
DOMAINS = {"": "the operators of ONNX", "ai.onnx.ml": "those of classical models"}


def read_model(path: str | os.PathLike[str], max_bytes: int | None = None) -> onnx.ModelProto:
    """The model in a file, its structure checked.

    Parameters
    ----------
    path : path
    max_bytes : int, optional
        The largest file that is read; None: 2 GiB, the limit of protobuf.

    Raises
    ------
    FileError
        If the file cannot be read, is longer, or is not a whole ONNX model.
    """
    if max_bytes is not None and (isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 1):
        raise ConfigError("not a number of bytes", where="load, max_bytes", expected="1 or more, or None",
                          received=repr(max_bytes)[:80])  # fmt: skip
    data = read_bytes(path, EXPECTED, MAX_BYTES if max_bytes is None else min(max_bytes, MAX_BYTES))
    return parse_model(data, str(path))


def parse_model(data: bytes, where: str) -> onnx.ModelProto:
    """The model in the bytes of a file; ``where`` is for errors.

    Raises
    ------
    FileError
    """
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as error:
        raise FileError("not an ONNX model", where=where, expected=EXPECTED, received=kind(data[:4096])) from error
    if not model.HasField("graph") or not (model.graph.node or model.graph.output):
        received = "a model without nodes and outputs" if model.ir_version else kind(data[:4096])
        raise FileError("not a whole ONNX model", where=where, expected="a model with a graph", received=received)
    with reading(where, EXPECTED):
        count_nodes(model, where)
        _check_opsets(model, where)
    return model


def nested(node: Any) -> Iterator[Any]:
    """The graphs in the attributes of a node."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH and attribute.HasField("g"):
            yield attribute.g
        elif attribute.type == onnx.AttributeProto.GRAPHS:
            yield from attribute.graphs


def count_nodes(model: onnx.ModelProto, where: str) -> int:
    """The number of nodes, those of nested graphs and functions included.

    Raises
    ------
    FileError
        If there are more nodes, or deeper nested graphs, than ``MAX_NODES`` and ``MAX_DEPTH``.
    """
    waiting: list[tuple[Any, int]] = [(model.graph, 0), *((function, 0) for function in model.functions)]
    count = 0
    while waiting:
        graph, depth = waiting.pop()
        count += len(graph.node)
        if count > MAX_NODES or depth > MAX_DEPTH:
            raise FileError(
                "the model is too large",
                where=where,
                expected=f"at most {MAX_NODES:,} nodes, and {MAX_DEPTH} graphs inside each other",
                received="more nodes" if count > MAX_NODES else "a graph that is nested more deeply",
            )
        waiting += [(inner, depth + 1) for node in graph.node for inner in nested(node)]
    return count


def _check_opsets(model: onnx.ModelProto, where: str) -> None:
    """Refuse versions of the operators that the installed onnx does not know."""
    own = {function.domain for function in model.functions}
    seen: dict[str, int] = {}
    for opset in model.opset_import:
        domain = "" if opset.domain == "ai.onnx" else opset.domain
        if seen.get(domain, opset.version) != opset.version:
            raise FileError(f"domain {domain!r} is imported twice", where=where, expected="one version of each domain",
                            received=f"{seen[domain]} and {opset.version}")  # fmt: skip
        seen[domain] = opset.version
        if domain in DOMAINS:
            newest = newest_version(domain)
            if not 1 <= opset.version <= newest:
                raise FileError(
                    f"an unknown version of {DOMAINS[domain]}",
                    where=f"{where}, opset of domain {domain or 'ai.onnx'!r}",
                    expected=f"1 to {newest}, those that the installed onnx {onnx.__version__} knows",
                    received=opset.version,
                    remedy="Export the model with an older opset_version, or install a newer onnx.",
                )
    if not seen and model.ir_version >= 3 and not own:
        raise FileError("no version of the operators is given", where=where, expected="opset_import", received="none")


def newest_version(domain: str) -> int:
    """The newest version of a domain that the installed onnx knows."""
    if domain == "ai.onnx.ml":
        versions = [row[3] for row in onnx.helper.VERSION_TABLE if len(row) > 3]
        return int(max(versions))
    return int(onnx.defs.onnx_opset_version())
