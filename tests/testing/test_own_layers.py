"""graphnet's own layers through the kit."""

from graphnet.testing import conformance
from graphnet.testing.builtin_cases import CASES


@conformance(CASES)
def test_own_layers(check):
    check()
