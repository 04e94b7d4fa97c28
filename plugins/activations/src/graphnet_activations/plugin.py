"""What graphnet finds through this distribution's entry point."""

from collections.abc import Callable

from graphnet import Layer
from graphnet.plugins import hookimpl
from graphnet_activations.layers import ELU, GELU, HardSigmoid, LeakyReLU, ReLU, SiLU, SoftMax, Softplus


@hookimpl
def graphnet_register_layers(register: Callable[[type[Layer]], None]) -> None:
    """Register the layers of this distribution."""
    for layer in (ReLU, LeakyReLU, ELU, GELU, SiLU, Softplus, HardSigmoid, SoftMax):
        register(layer)
