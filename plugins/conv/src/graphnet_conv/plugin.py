"""What graphnet finds through this distribution's entry point."""

from graphnet.plugins import hookimpl
from graphnet.plugins.hookspecs import Register
from graphnet_conv.average_pooling import AveragePooling
from graphnet_conv.conv import Conv
from graphnet_conv.global_average_pooling import GlobalAveragePooling
from graphnet_conv.pooling import Pooling


@hookimpl
def graphnet_register_layers(register: Register) -> None:
    """Register the layers of this distribution."""
    for layer in (Conv, Pooling, AveragePooling, GlobalAveragePooling):
        register(layer)
