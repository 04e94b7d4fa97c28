"""What graphnet finds through this distribution's entry point."""

from typing import TYPE_CHECKING

from graphnet.plugins import hookimpl
from graphnet.plugins.hookspecs import Register
from graphnet_conv.average_pooling import AveragePooling
from graphnet_conv.conv import Conv
from graphnet_conv.global_average_pooling import GlobalAveragePooling
from graphnet_conv.pooling import Pooling

if TYPE_CHECKING:
    from graphnet.testing import Case


@hookimpl
def graphnet_register_layers(register: Register) -> None:
    """Register the layers of this distribution."""
    for layer in (Conv, Pooling, AveragePooling, GlobalAveragePooling):
        register(layer)


@hookimpl
def graphnet_register_cases(register: Register) -> None:
    """Register the cases of these layers."""
    register(cases)


def cases() -> "list[Case]":
    """The cases, imported when they are asked for."""
    from graphnet_conv.cases import CASES

    return CASES
