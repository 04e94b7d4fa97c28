"""Conformance cases of the layers of this distribution."""

from graphnet.testing import Case
from graphnet_activations.layers import ELU, GELU, HardSigmoid, LeakyReLU, LogSigmoid, ReLU, SiLU, SoftMax, Softplus

ROWS, SEQUENCE = "batch=4, feature=3", "time=5, batch=3, feature=2"

CASES = [
    *(Case(layer, {}, ROWS) for layer in (ReLU, ELU, GELU, SiLU, Softplus, LogSigmoid, HardSigmoid, SoftMax)),
    *(Case(layer, {}, SEQUENCE) for layer in (ReLU, ELU, GELU, SiLU, Softplus, LogSigmoid, HardSigmoid, SoftMax)),
    Case(LeakyReLU, {"slope": 0.2}, "batch=3, channel=2, y=3, x=4"),
    Case(ELU, {"alpha": 0.7}, ROWS),
    Case(GELU, {"approximate": True}, ROWS),
    Case(SoftMax, {"axis": 1}, "batch=3, channel=4, y=2, x=5"),
]
