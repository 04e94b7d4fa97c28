"""Metrics: plain loops as oracles, any cut into batches, masks, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from graphnet.core.errors import ConfigError, DataError, DtypeError, RuleError, ShapeError, StateError
from graphnet.metrics import Accuracy, MeanAbsoluteError, Metric, RootMeanSquaredError

KINDS = [Accuracy, lambda: Accuracy(binary=True), MeanAbsoluteError, RootMeanSquaredError]
every = pytest.mark.parametrize("build", KINDS, ids=["classes", "binary", "absolute", "squared"])


def data(metric, shape=(11, 3), seed=0):
    rng = np.random.default_rng(seed)
    prediction = rng.normal(size=shape)
    if isinstance(metric, Accuracy):
        return prediction, rng.integers(0, 2, shape) if metric.binary else rng.integers(0, shape[-1], shape[:-1])
    return prediction, rng.normal(size=shape)


def slow(metric, prediction, target):
    """The metric over all rows at once, by a loop."""
    if isinstance(metric, Accuracy) and not metric.binary:
        rows = zip(prediction.reshape(-1, prediction.shape[-1]).tolist(), np.ravel(target).tolist(), strict=True)
        right = [row.index(max(row)) == label for row, label in rows]
        return sum(right) / len(right)
    pairs = list(zip(np.ravel(prediction).tolist(), np.ravel(target).tolist(), strict=True))
    if isinstance(metric, Accuracy):
        return sum((p > 0) == bool(t) for p, t in pairs) / len(pairs)
    if isinstance(metric, MeanAbsoluteError):
        return sum(abs(p - t) for p, t in pairs) / len(pairs)
    return math.sqrt(sum((p - t) ** 2 for p, t in pairs) / len(pairs))


@every
@pytest.mark.parametrize("cuts", [[11], [1, 10], [4, 4, 3]], ids=str)
def test_any_cut_into_batches_gives_the_same(build, cuts):
    metric, start = build(), 0
    prediction, target = data(metric)
    for size in cuts:
        metric.update(prediction[start : start + size], target[start : start + size])
        start += size
    assert metric.result() == pytest.approx(slow(metric, prediction, target), rel=1e-13)
    assert type(metric.result()) is float


@every
def test_masked_rows_do_not_contribute(build):
    metric = build()
    prediction, target = data(metric, (4, 2, 3))
    mask = np.array([[1, 1], [1, 0], [1, 0], [0, 0]], bool)
    expected = slow(metric, prediction[mask], target[mask])
    prediction[~mask], target[~mask] = np.nan, -9
    before = prediction.copy(), target.copy()
    metric.update(prediction, target, mask)
    assert metric.result() == pytest.approx(expected, rel=1e-13)
    np.testing.assert_array_equal(prediction, before[0])
    np.testing.assert_array_equal(target, before[1])


@every
def test_reset_and_refused_update(build):
    metric = build()
    with pytest.raises(StateError, match="no result"):
        metric.result()
    prediction, target = data(metric)
    metric.update(prediction, target)
    result = metric.result()
    for bad, error in [
        ((prediction, target[:-1]), ShapeError),
        ((prediction.astype(complex), target), DtypeError),
        ((prediction[:0], target[:0]), DataError),
        ((prediction, target, np.zeros(11, bool)), DataError),
        ((prediction, np.full(target.shape, np.nan)), DataError),
    ]:
        with pytest.raises(error):
            metric.update(*bad)
        assert metric.result() == result
    metric.reset()
    with pytest.raises(StateError):
        metric.result()


def test_one_hot_lists_and_ties():
    metric = Accuracy()
    metric.update([[1, 1, 0], [0, 2, 1]], [[1, 0, 0], [0, 0, 1]])
    assert metric.result() == 0.5


def test_nan_is_incorrect_and_zero_is_negative():
    classes, binary = Accuracy(), Accuracy(binary=True)
    classes.update([[math.nan, 0.0], [0.0, 1.0]], [0, 1])
    binary.update([math.nan, math.nan, 0.0, 1e-9], [0, 1, 0, 1])
    assert classes.result() == 0.5 and binary.result() == 0.5


def test_nan_shows_in_errors():
    for metric in (MeanAbsoluteError(), RootMeanSquaredError()):
        metric.update([math.nan, 1.0], [0.0, 0.0])
        assert math.isnan(metric.result())


def test_totals_are_kept_in_float64():
    metric = MeanAbsoluteError()
    for _ in range(50):
        metric.update(np.full(2000, 0.1, np.float16), np.zeros(2000))
    assert metric.result() == pytest.approx(float(np.float16(0.1)), rel=1e-12)


def test_names_directions_and_settings():
    assert [(m.name, m.higher_is_better) for m in (Accuracy(), MeanAbsoluteError(), RootMeanSquaredError())] == [
        ("accuracy", True), ("mean_absolute_error", False), ("root_mean_squared_error", False),
    ]  # fmt: skip
    assert Accuracy(binary=True).config() == {"binary": True} and MeanAbsoluteError().config() == {}
    with pytest.raises(ConfigError, match="binary"):
        Accuracy(binary=1)
    with pytest.raises(ShapeError, match="BinaryCrossEntropy"):
        Accuracy().update([[1.0]], [0])
    with pytest.raises(RuleError, match="no loss"):
        Metric().update([1.0], [1.0])
