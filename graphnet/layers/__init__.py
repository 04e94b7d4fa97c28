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
from graphnet.layers.keep_probability import KeepProbability
from graphnet.layers.last import Last
from graphnet.layers.layer_normalization import LayerNormalization
from graphnet.layers.learned_array import LearnedArray
from graphnet.layers.mean_over_time import MeanOverTime
from graphnet.layers.multiply import Multiply
from graphnet.layers.reshape import Reshape
from graphnet.layers.slice import Slice
from graphnet.layers.split import Split
from graphnet.layers.standardize import Standardize
from graphnet.layers.subtract import Subtract

OPERATORS |= {"add": Add, "affine": Affine, "multiply": Multiply, "subtract": Subtract, "slice": Slice}
OPERATORS |= {CONSTANT: ConstantArray, "divide": Divide, "power": Power, "scalar power": ScalarPower}
OPERATORS |= {"maximum": Maximum, "minimum": Minimum, "logaddexp": LogAddExp, "absolute": Absolute, "sqrt": Sqrt}
OPERATORS |= {"exp": Exp, "expm1": Expm1, "log": Log, "log1p": Log1p, "sin": Sin, "cos": Cos}

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
    "KeepProbability",
    "Last",
    "LayerNormalization",
    "LearnedArray",
    "Log",
    "Log1p",
    "LogAddExp",
    "Maximum",
    "MeanOverTime",
    "Minimum",
    "Multiply",
    "Power",
    "Reshape",
    "ScalarPower",
    "Sin",
    "Slice",
    "Split",
    "Sqrt",
    "Standardize",
    "Subtract",
    "WeightsAttribute",
]

if not TYPE_CHECKING:  # with a __getattr__, a type checker would accept every name
    __getattr__ = missing_from(__name__)
