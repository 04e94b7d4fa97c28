"""Plants in random trainings: the place where each was planted is the oracle."""

import numpy as np
import pytest

from plants import trial


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(6))
def test_errors_name_node_step_and_row(part):
    failures = [
        text for i in range(8) for right, text in [trial.run(np.random.default_rng([20, part, i]))] if not right
    ]
    assert failures == []
