"""The short version of ``make endurance``."""

import pytest

from endurance import trial

STEPS = 1500


@pytest.mark.skipif(not trial.STATM.exists(), reason="reads the memory of the process from /proc")
@pytest.mark.parametrize("tbptt", [None, (4, 6)])
def test_memory_and_descriptors_stay_constant(tbptt):
    watch = trial.run(STEPS, 5, tbptt=tbptt)
    assert watch.seen >= STEPS
    settled, last = watch.points[len(watch.points) // 3], watch.points[-1]
    assert last[0] - settled[0] < 4 * 2**20  # 4 kB a step
    assert last[1] <= settled[1]
    assert last[2] - settled[2] < 30 * STEPS / 50 + 500  # the record of each epoch
