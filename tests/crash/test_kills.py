"""Real trainings that are killed; ``make crash N=1000`` kills any number."""

import sys

import pytest

if sys.platform == "win32":
    pytest.skip("processes are forked", allow_module_level=True)
pytest.importorskip("graphnet_conv")
pytest.importorskip("graphnet_recurrent")

from .kills import search

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("modes", [("python",), ("command", "process")])
def test_killed_trainings_end_equal_to_the_bit(tmp_path, modes):
    faults, kills, _ = search(5, tmp_path, seed=11, modes=modes, each=1)
    assert faults == [] and kills == 5
