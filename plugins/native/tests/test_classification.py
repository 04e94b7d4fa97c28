"""Softmax cross entropy in native code, against the loss in float64 and its numbers at the edges."""

from __future__ import annotations

from decimal import Decimal, getcontext

import numpy as np
import pytest

from graphnet.losses import CrossEntropy
from graphnet_native.classification import cross_entropy
from graphnet_native.native_backend import OPERATIONS

getcontext().prec = 60


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("classes", [2, 3, 7, 8, 9, 16, 17, 31, 64, 100])
@pytest.mark.parametrize("share", [0.0, 0.1])
def test_agrees_with_the_formula(classes, share, dtype):
    rng = np.random.default_rng(classes)
    scores = (3 * rng.normal(size=(11, classes))).astype(dtype)
    index = rng.integers(0, classes, 11)
    losses, errors = cross_entropy(scores, index, share)
    for row, own, loss, error in zip(scores, index, losses, errors, strict=True):
        powers = [Decimal(float(x)).exp() for x in row]
        q = [Decimal(share) / classes + (1 - Decimal(share)) * (k == own) for k in range(classes)]
        expected = -sum(a * (b / sum(powers)).ln() for a, b in zip(q, powers, strict=True))
        tolerance = 1e-5 if dtype == "float32" else 1e-13
        assert loss == pytest.approx(float(expected), rel=tolerance)
        exact = [float(b / sum(powers) - a) for a, b in zip(q, powers, strict=True)]
        np.testing.assert_allclose(error, exact, rtol=10 * tolerance, atol=tolerance / 10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("share", [0.0, 0.2])
@pytest.mark.filterwarnings("ignore")
def test_edges_are_those_of_numpy(share, dtype):
    big, inf, nan = 80.0, np.inf, np.nan
    scores = np.array(
        [[big, 0, 0], [0, big, 0], [5, 5, 5], [5, 5, 1], [1, 5, 5], [-inf, 0, 1], [0, -inf, 1], [inf, 0, 1], [nan, 0, 1],
         [0, nan, 1], [-inf, -inf, -inf], [3e38, -3e38, 0], [1000, -1000, 0], [0, 0, -1e-6]], dtype)  # fmt: skip
    loss = CrossEntropy(label_smoothing=share)
    for own in range(3):
        index = np.full(len(scores), own)
        expected, errors = loss.rule(scores, index)
        found, found_errors = cross_entropy(scores, index, share)
        rtol = 1e-6 if dtype == "float32" else 1e-13
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=0)
        np.testing.assert_allclose(found_errors, errors, rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-43)


def test_what_it_does_not_take_and_an_index_that_is_no_class():
    scores, index = np.ones((4, 3)), np.zeros(4, int)
    for bad in ((scores[:, ::2], index), (scores[0], index), (scores[:0], index[:0]), (scores.astype(np.float16), index),
                (scores, index[:2]), (scores, index.astype(np.int32)), (scores, index.astype(float))):  # fmt: skip
        assert cross_entropy(*bad, 0.1) is None
    losses, errors = cross_entropy(scores, np.array([0, 3, -1, 2]), 0.1)
    assert np.isnan(losses).tolist() == [False, True, True, False]
    assert np.isfinite(errors).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_loss_by_the_backend(dtype):
    rng = np.random.default_rng(3)
    prediction, target = rng.normal(size=(5, 4, 6)).astype(dtype), rng.integers(0, 6, (5, 4))
    mask = rng.random((5, 4)) < 0.7
    for loss in (CrossEntropy(), CrossEntropy(label_smoothing=0.1), CrossEntropy("sum"),
                 CrossEntropy(class_weight=(1, 2, 1, 3, 1, 1))):  # fmt: skip
        for valid in (None, mask):
            value, error = loss.value_and_error(prediction, target, valid)
            found, found_error = loss.value_and_error(prediction, target, valid, operations=OPERATIONS)
            assert found == pytest.approx(value, rel=1e-6 if dtype == "float32" else 1e-13)
            assert found_error.dtype == error.dtype
            np.testing.assert_allclose(found_error, error, rtol=0, atol=1e-7 if dtype == "float32" else 1e-15)


def test_a_rule_of_a_derived_loss_is_used():
    class Halved(CrossEntropy):
        def rule(self, prediction, target):
            losses, errors = super().rule(prediction, target)
            return losses / 2, errors / 2

    scores, index = np.random.default_rng(0).normal(size=(3, 4)), np.array([0, 3, 1])
    value = Halved().value_and_error(scores, index, operations=OPERATIONS)[0]
    assert value == pytest.approx(CrossEntropy().value(scores, index) / 2)
