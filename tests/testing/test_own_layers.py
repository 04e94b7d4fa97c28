"""graphnet's own layers through the kit."""

import pytest

from graphnet.testing import run
from graphnet.testing.builtin_cases import CASES

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_own_layers(case):
    outcomes = list(run([case]))
    assert [outcome for outcome in outcomes if outcome.status == "failed"] == []
    assert outcomes[-1].check == "summary"
