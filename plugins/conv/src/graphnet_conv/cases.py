"""Conformance cases of the layers of this distribution."""

from graphnet.testing import Case
from graphnet_conv.average_pooling import AveragePooling
from graphnet_conv.conv import Conv
from graphnet_conv.global_average_pooling import GlobalAveragePooling
from graphnet_conv.pooling import Pooling

IMAGE, SIGNAL = "batch=3, channel=2, y=5, x=4", "batch=3, channel=2, x=7"

CASES = [
    Case(Conv, {"stride_shape": (1, 1), "convolution_shape": (2, 3, 3), "num_kernels": 4}, IMAGE),
    Case(Conv, {"stride_shape": (2, 1), "convolution_shape": (2, 2, 3), "num_kernels": 3, "padding": "valid"}, IMAGE),
    Case(Conv, {"stride_shape": (1,), "convolution_shape": (None, 3), "num_kernels": 4, "dilation": 2}, SIGNAL),
    Case(Pooling, {"stride_shape": (2, 2), "pooling_shape": (2, 2)}, IMAGE),
    Case(Pooling, {"stride_shape": (1, 1), "pooling_shape": (3, 2)}, IMAGE),
    Case(Pooling, {"stride_shape": (2,), "pooling_shape": (3,)}, SIGNAL),
    Case(AveragePooling, {"stride_shape": (2, 1), "pooling_shape": (2, 3)}, IMAGE),
    Case(Pooling, {"stride_shape": (2, 1), "pooling_shape": (3, 2), "padding": "same"}, IMAGE),
    Case(AveragePooling, {"stride_shape": (2, 2), "pooling_shape": (2, 3), "padding": (1, (0, 2))}, IMAGE),
    Case(GlobalAveragePooling, {}, IMAGE),
    Case(GlobalAveragePooling, {}, SIGNAL),
]
