"""The layers of this distribution: what ONNX computes and no other layer of graphnet does."""

from graphnet_onnx.layers.axis_size import AxisSize
from graphnet_onnx.layers.erf import Erf
from graphnet_onnx.layers.onnx_operator import OnnxOperator
from graphnet_onnx.layers.rearrange import Rearrange
from graphnet_onnx.layers.reduce import Reduce
from graphnet_onnx.layers.step_mask import StepMask
from graphnet_onnx.layers.threshold import Threshold

__all__ = ["AxisSize", "Erf", "OnnxOperator", "Rearrange", "Reduce", "StepMask", "Threshold"]
