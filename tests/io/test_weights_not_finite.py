"""Weights that are not finite."""

import numpy as np
import pytest

from graphnet import Builder, FileError, FullyConnected, GraphnetWarning, Runner
from graphnet.io import load_weights, save_weights


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused_unless_allowed(tmp_path, bad):
    g = Builder("g")
    runner = Runner(g.build(y=FullyConnected(3, 2)(g.input("x", "batch, feature=3"))))
    runner.materialize()
    parameter = runner.parameters["fully_connected/weights"]
    good = parameter.value
    parameter.value = good.copy()
    parameter.value[2, 1] = bad
    path = tmp_path / "w.safetensors"
    with pytest.warns(GraphnetWarning, match="fully_connected/weights.*refused on loading"):
        save_weights(path, runner)
    parameter.value = good
    with pytest.raises(FileError, match=r"fully_connected/weights: .*not finite.*at \[2, 1\].*allow_nonfinite"):
        load_weights(path, runner)
    np.testing.assert_array_equal(runner.parameters["fully_connected/weights"].value, good)
    load_weights(path, runner, allow_nonfinite=True)
    np.testing.assert_array_equal(runner.parameters["fully_connected/weights"].value[2, 1], bad)
