"""The hooks of this distribution, which graphnet finds through its entry point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphnet.plugins import hookimpl
from graphnet.plugins.hookspecs import Register
from graphnet_onnx.layers import AxisSize, Erf, OnnxOperator, Rearrange, Reduce, StepMask, Threshold

if TYPE_CHECKING:
    from graphnet.testing import Case


@hookimpl
def graphnet_register_layers(register: Register) -> None:
    """Register the layers of this distribution."""
    for layer in (AxisSize, Erf, OnnxOperator, Rearrange, Reduce, StepMask, Threshold):
        register(layer)


def onnx(
    model: Any,
    *,
    recurrent: str = "scan",
    dtype: str | None = None,
    lengths: bool = True,
    states: bool = True,
    batch_major: bool | None = None,
    shapes: Any = None,
) -> bytes:
    """Return a model as an ONNX file; see :func:`graphnet_onnx.export` for the options."""
    from graphnet_onnx.writing.export import serialized, to_onnx

    return serialized(
        to_onnx(
            model,
            recurrent=recurrent,  # type: ignore[arg-type]
            dtype=dtype,
            lengths=lengths,
            states=states,
            batch_major=batch_major,
            shapes=shapes,
        )
    )


#: The endings of files that it writes.
onnx.endings = (".onnx",)  # type: ignore[attr-defined]


@hookimpl
def graphnet_register_exporters(register: Register) -> None:
    """Register the exporter ``onnx``."""
    register(onnx)


@hookimpl
def graphnet_register_commands(register: Register) -> None:
    """Register the commands of this distribution."""
    from graphnet_onnx import import_command
    from graphnet_onnx.conformance.command import command

    register(command)
    register(import_command.command)


@hookimpl
def graphnet_register_cases(register: Register) -> None:
    """Register the conformance cases of these layers."""
    register(cases)


def cases() -> list[Case]:
    """Return the conformance cases; they are imported only when they are needed."""
    from graphnet_onnx.cases import CASES

    return CASES
