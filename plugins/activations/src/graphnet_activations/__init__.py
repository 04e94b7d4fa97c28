"""Activation layers for graphnet: ReLU and its variants, and SoftMax, which is also a loss layer."""

from graphnet_activations.functional import (
    elu,
    gelu,
    hard_sigmoid,
    leaky_relu,
    log_sigmoid,
    relu,
    silu,
    softmax,
    softplus,
)
from graphnet_activations.layers import ELU, GELU, HardSigmoid, LeakyReLU, LogSigmoid, ReLU, SiLU, SoftMax, Softplus

__all__ = [
    "ELU",
    "GELU",
    "HardSigmoid",
    "LeakyReLU",
    "LogSigmoid",
    "ReLU",
    "SiLU",
    "SoftMax",
    "Softplus",
    "elu",
    "gelu",
    "hard_sigmoid",
    "leaky_relu",
    "log_sigmoid",
    "relu",
    "silu",
    "softmax",
    "softplus",
]
