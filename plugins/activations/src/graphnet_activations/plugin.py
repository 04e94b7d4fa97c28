"""What graphnet finds through this distribution's entry point."""

from typing import TYPE_CHECKING

from graphnet.plugins import hookimpl
from graphnet.plugins.hookspecs import Register
from graphnet_activations.layers import ELU, GELU, HardSigmoid, LeakyReLU, ReLU, SiLU, SoftMax, Softplus

if TYPE_CHECKING:
    from graphnet.testing import Case


@hookimpl
def graphnet_register_layers(register: Register) -> None:
    """Register the layers of this distribution."""
    for layer in (ReLU, LeakyReLU, ELU, GELU, SiLU, Softplus, HardSigmoid, SoftMax):
        register(layer)


@hookimpl
def graphnet_register_cases(register: Register) -> None:
    """Register the cases of these layers."""
    register(cases)


def cases() -> "list[Case]":
    """The cases, imported when they are asked for."""
    from graphnet_activations.cases import CASES

    return CASES
