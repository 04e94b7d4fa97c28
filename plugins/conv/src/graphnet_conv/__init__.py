"""Convolution and pooling layers for graphnet."""

from graphnet_conv.average_pooling import AveragePooling
from graphnet_conv.conv import Conv
from graphnet_conv.functional import average_pooling, conv, global_average_pooling, pooling
from graphnet_conv.global_average_pooling import GlobalAveragePooling
from graphnet_conv.pooling import Pooling

__all__ = [
    "AveragePooling",
    "Conv",
    "GlobalAveragePooling",
    "Pooling",
    "average_pooling",
    "conv",
    "global_average_pooling",
    "pooling",
]
