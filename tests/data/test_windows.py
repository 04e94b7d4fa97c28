"""Windows over one series, against a plain loop."""

import numpy as np
import pytest

from graphnet import ConfigError, DataError, DtypeError, ShapeError
from graphnet.data.datasets import windows


@pytest.mark.parametrize("features", [None, 1, 3])
@pytest.mark.parametrize(
    ("length", "steps", "horizon", "stride"), [(11, 4, 2, 1), (11, 4, 2, 3), (6, 4, 2, 1), (9, 1, 1, 2)]
)
def test_windows_are_those_of_a_loop(features, length, steps, horizon, stride):
    shape = (length,) if features is None else (length, features)
    series = np.random.default_rng(length).standard_normal(shape)
    before = series.copy()
    result = windows(series, steps, horizon=horizon, stride=stride)
    number = 0
    for start in range(0, length, stride):
        if start + steps + horizon > length:
            break
        seen = series[start : start + steps]
        np.testing.assert_array_equal(result.inputs[:, number], seen[:, None] if features is None else seen)
        np.testing.assert_array_equal(result.targets[number], series[start + steps : start + steps + horizon])
        assert result.origins[number] == start + steps
        number += 1
    assert result.inputs.shape[1] == len(result.targets) == len(result.origins) == number > 0
    np.testing.assert_array_equal(series, before)


def test_windows_are_views():
    series = np.arange(1000.0)
    result = windows(series, 100, horizon=10)
    assert np.shares_memory(result.inputs, series) and np.shares_memory(result.targets, series)
    with pytest.raises(ValueError, match="read-only"):
        result.inputs[0, 0, 0] = 1.0


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (([1.0, 2.0], 2), ShapeError, "too short"),
        ((np.zeros((2, 2, 2)), 1), ShapeError, "a series must have one or two axes"),
        (([1.0, np.nan, 2.0], 1), DataError, "nan at 1"),
        ((["a", "b"], 1), DtypeError, "unsupported dtype"),
        (([1.0, 2.0], 0), ConfigError, "steps"),
        (([1.0, 2.0], 1.5), ConfigError, "steps"),
        (([1.0, 2.0], True), ConfigError, "steps"),
    ],
)
def test_invalid_series_is_refused(arguments, kind, message):
    with pytest.raises(kind, match=message):
        windows(*arguments)


@pytest.mark.parametrize("name", ["horizon", "stride"])
def test_horizon_and_stride_are_whole(name):
    with pytest.raises(ConfigError, match=name):
        windows(np.zeros(9), 2, **{name: 0})
