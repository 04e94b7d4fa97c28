"""The hooks of this distribution, which graphnet finds through its entry point."""

from __future__ import annotations

from typing import Any

from graphnet.plugins import hookimpl
from graphnet.plugins.hookspecs import Register


def onnx(
    model: Any, *, recurrent: str = "scan", dtype: str | None = None, lengths: bool = True, states: bool = True
) -> bytes:
    """Return a model as an ONNX file; see :func:`graphnet_onnx.export` for the options."""
    from graphnet_onnx.writing.export import serialized, to_onnx

    proto = to_onnx(model, recurrent=recurrent, dtype=dtype, lengths=lengths, states=states)  # type: ignore[arg-type]
    return serialized(proto)


#: The endings of files that it writes.
onnx.endings = (".onnx",)  # type: ignore[attr-defined]


@hookimpl
def graphnet_register_exporters(register: Register) -> None:
    """Register the exporter ``onnx``."""
    register(onnx)


@hookimpl
def graphnet_register_commands(register: Register) -> None:
    """Register the commands of this distribution."""
    from graphnet_onnx.conformance.command import command

    register(command)
