"""The built-in layers, and the operators on values of a graph that create some of them."""

from typing import TYPE_CHECKING

from graphnet.core.attributes import missing_from
from graphnet.core.describe.operators import CONSTANT, OPERATORS
from graphnet.layers.add import Add
from graphnet.layers.affine import Affine
from graphnet.layers.attributes import BiasAttribute, WeightsAttribute
from graphnet.layers.batch_normalization import BatchNormalization
from graphnet.layers.concatenate import Concatenate
from graphnet.layers.constant_array import ConstantArray
from graphnet.layers.dropout import Dropout
from graphnet.layers.elementary import (
    Absolute,
    Cos,
    Divide,
    Exp,
    Expm1,
    Log,
    Log1p,
    LogAddExp,
    Maximum,
    Minimum,
    Power,
    ScalarPower,
    Sin,
    Sqrt,
)
from graphnet.layers.embedding import Embedding
from graphnet.layers.flatten import Flatten
from graphnet.layers.fully_connected import FullyConnected
from graphnet.layers.gain import Gain
from graphnet.layers.keep_probability import KeepProbability
from graphnet.layers.last import Last
from graphnet.layers.layer_normalization import LayerNormalization
from graphnet.layers.learned_array import LearnedArray
from graphnet.layers.mean_over import MeanOver
from graphnet.layers.mean_over_time import MeanOverTime
from graphnet.layers.multiply import Multiply
from graphnet.layers.new_axis import NewAxis
from graphnet.layers.products import MatrixProduct, MatrixVector, OuterProduct, VectorMatrix
from graphnet.layers.reshape import Reshape
from graphnet.layers.rms_normalization import RMSNormalization
from graphnet.layers.slice import Slice
from graphnet.layers.split import Split
from graphnet.layers.standardize import Standardize
from graphnet.layers.subtract import Subtract
from graphnet.layers.sum_over import SumOver
from graphnet.layers.swap_axes import SwapAxes
from graphnet.layers.unit_normalization import UnitNormalization

OPERATORS |= {"add": Add, "affine": Affine, "multiply": Multiply, "subtract": Subtract, "slice": Slice}
OPERATORS |= {CONSTANT: ConstantArray, "divide": Divide, "power": Power, "scalar power": ScalarPower}
OPERATORS |= {"maximum": Maximum, "minimum": Minimum, "logaddexp": LogAddExp, "absolute": Absolute, "sqrt": Sqrt}
OPERATORS |= {"exp": Exp, "expm1": Expm1, "log": Log, "log1p": Log1p, "sin": Sin, "cos": Cos}
OPERATORS |= {"sum": SumOver, "mean": MeanOver, "new axis": NewAxis, "swapaxes": SwapAxes}
OPERATORS |= {"matmul": MatrixProduct, "matvec": MatrixVector, "vecmat": VectorMatrix}

__all__ = [
    "Absolute",
    "Add",
    "Affine",
    "BatchNormalization",
    "BiasAttribute",
    "Concatenate",
    "ConstantArray",
    "Cos",
    "Divide",
    "Dropout",
    "Embedding",
    "Exp",
    "Expm1",
    "Flatten",
    "FullyConnected",
    "Gain",
    "KeepProbability",
    "Last",
    "LayerNormalization",
    "LearnedArray",
    "Log",
    "Log1p",
    "LogAddExp",
    "MatrixProduct",
    "MatrixVector",
    "Maximum",
    "MeanOver",
    "MeanOverTime",
    "Minimum",
    "Multiply",
    "NewAxis",
    "OuterProduct",
    "Power",
    "RMSNormalization",
    "Reshape",
    "ScalarPower",
    "Sin",
    "Slice",
    "Split",
    "Sqrt",
    "Standardize",
    "Subtract",
    "SumOver",
    "SwapAxes",
    "UnitNormalization",
    "VectorMatrix",
    "WeightsAttribute",
]

if not TYPE_CHECKING:  # with a __getattr__, a type checker would accept every name
    __getattr__ = missing_from(__name__)
