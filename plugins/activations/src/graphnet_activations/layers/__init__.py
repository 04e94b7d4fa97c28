"""The activation layers, one per file."""

from graphnet_activations.layers.elu import ELU
from graphnet_activations.layers.gelu import GELU
from graphnet_activations.layers.hard_sigmoid import HardSigmoid
from graphnet_activations.layers.leaky_relu import LeakyReLU
from graphnet_activations.layers.log_sigmoid import LogSigmoid
from graphnet_activations.layers.relu import ReLU
from graphnet_activations.layers.silu import SiLU
from graphnet_activations.layers.soft_max import SoftMax
from graphnet_activations.layers.softplus import Softplus

__all__ = ["ELU", "GELU", "HardSigmoid", "LeakyReLU", "LogSigmoid", "ReLU", "SiLU", "SoftMax", "Softplus"]
