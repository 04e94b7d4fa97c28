"""Every layer of this distribution through the conformance kit."""

from graphnet.testing import conformance
from graphnet_recurrent.cases import CASES


@conformance(CASES)
def test_layers(check):
    check()
