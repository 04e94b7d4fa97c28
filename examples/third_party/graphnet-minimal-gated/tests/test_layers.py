"""Every layer passes graphnet's conformance kit: one test per check."""

from graphnet.testing import conformance

from graphnet_minimal_gated.cases import CASES


@conformance(*CASES)
def test_layers(check):
    check()
