"""Every layer, tried by graphnet's conformance kit: one test a check."""

from graphnet.testing import conformance

from graphnet_minimal_gated.cases import CASES


@conformance(*CASES)
def test_layers(check):
    check()
