"""Metrics that are means of scores can be computed in parts."""

import numpy as np
import pytest

from graphnet.metrics import AUC, F1, R2, Accuracy, MeanAbsoluteError, Perplexity, RootMeanSquaredError, TopKAccuracy

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("kind", [Accuracy, Perplexity, lambda: TopKAccuracy(2)])
def test_parts_of_a_batch_give_the_whole(kind):
    scores, classes = RNG.normal(size=(11, 4)), RNG.integers(0, 4, 11)
    whole, total = kind(), kind()
    whole.update(scores, classes)
    for rows in (slice(0, 3), slice(3, 4), slice(4, 11)):
        part = kind()
        part.update(scores[rows], classes[rows])
        total.merge(part.partial())
    assert total.result() == pytest.approx(whole.result(), rel=1e-14)


@pytest.mark.parametrize("kind", [MeanAbsoluteError, RootMeanSquaredError])
def test_parts_of_unequal_size_are_weighted_by_their_elements(kind):
    metrics = [kind() for _ in range(3)]
    metrics[0].update([[1.0, 2.0], [4.0, 0.0], [3.0, 3.0]], np.zeros((3, 2)))
    metrics[1].update([[1.0, 2.0]], np.zeros((1, 2)))
    metrics[2].update([[4.0, 0.0], [3.0, 3.0]], np.zeros((2, 2)))
    metrics[1].merge(metrics[2].partial())
    assert metrics[1].result() == pytest.approx(metrics[0].result(), rel=1e-15)


@pytest.mark.parametrize("kind", [F1, R2, AUC])
def test_metrics_that_are_no_means_have_no_partial_result(kind):
    assert kind().partial() is None
