"""The short version of ``make endurance``."""

import pytest

from endurance import trial


@pytest.mark.skipif(not trial.STATM.exists(), reason="reads the memory of the process from /proc")
@pytest.mark.parametrize("tbptt", [None, (4, 6)])
def test_memory_and_descriptors_stay_constant(tbptt):
    watch = trial.run(3000, 5, tbptt=tbptt)
    assert watch.seen >= 3000
    settled, last = watch.points[len(watch.points) // 3], watch.points[-1]
    assert last[0] - settled[0] < 6 * 2**20
    assert last[1] <= settled[1]
    assert last[2] - settled[2] < 30 * 3000 / 50 + 500  # the record of each epoch
