"""The hooks of this distribution, which graphnet finds through its entry point."""

from graphnet.plugins import hookimpl
from graphnet.plugins.hookspecs import Register
from graphnet_onnx.layers import Erf, MatrixProduct, OnnxOperator, Rearrange, Reduce, StepMask
from graphnet_onnx.operators.recurrent_cells import Threshold


@hookimpl
def graphnet_register_layers(register: Register) -> None:
    """Register the layers of this distribution."""
    for layer in (Erf, MatrixProduct, OnnxOperator, Rearrange, Reduce, StepMask, Threshold):
        register(layer)
