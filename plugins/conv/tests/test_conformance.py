"""The conformance kit on every layer of this distribution."""

from graphnet.testing import conformance
from graphnet_conv.cases import CASES


@conformance(CASES)
def test_layers(check):
    check()
