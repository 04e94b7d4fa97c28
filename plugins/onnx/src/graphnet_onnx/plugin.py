"""The hooks of this distribution, which graphnet finds through its entry point."""

from graphnet.plugins import hookimpl
from graphnet.plugins.hookspecs import Register


@hookimpl
def graphnet_register_commands(register: Register) -> None:
    """Register the commands of this distribution."""
    from graphnet_onnx.conformance.command import command

    register(command)
