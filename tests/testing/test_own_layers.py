"""graphnet's own layers through the kit."""

import pytest

from graphnet.testing import conformance
from graphnet.testing.builtin_cases import CASES

pytestmark = pytest.mark.slow


@conformance(CASES)
def test_own_layers(check):
    check()
