"""The conformance kit on every layer of this distribution."""

import pytest

from graphnet.testing import conformance
from graphnet_onnx.cases import CASES

pytestmark = pytest.mark.slow


@conformance(CASES)
def test_layers(check):
    check()
