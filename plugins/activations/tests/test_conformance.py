"""The conformance kit on every layer of this distribution."""

import pytest

from graphnet.testing import conformance
from graphnet_activations.cases import CASES

pytestmark = pytest.mark.slow


@conformance(CASES)
def test_layers(check):
    check()
