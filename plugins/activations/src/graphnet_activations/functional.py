"""Functions that apply an activation layer to a value of a graph.

Examples
--------
>>> from graphnet import Builder
>>> from graphnet_activations import leaky_relu, softmax
>>> g = Builder("scores")
>>> g.build(softmax(leaky_relu(g.input("x", "batch, feature=4"), slope=0.2)))
Graph('scores': x -> 2 nodes -> output)
"""

from graphnet.authoring import functional
from graphnet_activations.layers import ELU, GELU, HardSigmoid, LeakyReLU, LogSigmoid, ReLU, SiLU, SoftMax, Softplus

relu = functional(ReLU, "relu")
leaky_relu = functional(LeakyReLU, "leaky_relu")
elu = functional(ELU, "elu")
gelu = functional(GELU, "gelu")
silu = functional(SiLU, "silu")
softplus = functional(Softplus, "softplus")
log_sigmoid = functional(LogSigmoid, "log_sigmoid")
hard_sigmoid = functional(HardSigmoid, "hard_sigmoid")
softmax = functional(SoftMax, "softmax")

__all__ = ["elu", "gelu", "hard_sigmoid", "leaky_relu", "log_sigmoid", "relu", "silu", "softmax", "softplus"]
