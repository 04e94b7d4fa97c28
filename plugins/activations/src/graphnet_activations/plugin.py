"""The hooks of this distribution, which graphnet finds through its entry point."""

from typing import TYPE_CHECKING

from graphnet.plugins import hookimpl
from graphnet.plugins.hookspecs import Register
from graphnet_activations.layers import ELU, GELU, HardSigmoid, LeakyReLU, LogSigmoid, ReLU, SiLU, SoftMax, Softplus

if TYPE_CHECKING:
    from graphnet.testing import Case


@hookimpl
def graphnet_register_layers(register: Register) -> None:
    """Register the layers of this distribution."""
    for layer in (ReLU, LeakyReLU, ELU, GELU, SiLU, Softplus, LogSigmoid, HardSigmoid, SoftMax):
        register(layer)


@hookimpl
def graphnet_register_cases(register: Register) -> None:
    """Register the conformance cases of these layers."""
    register(cases)


def cases() -> "list[Case]":
    """Return the conformance cases; they are imported only when they are needed."""
    from graphnet_activations.cases import CASES

    return CASES
