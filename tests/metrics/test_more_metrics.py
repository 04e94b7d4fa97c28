"""Precision, recall, F1, AUC, R², top-k, perplexity and the confusion matrix against scikit-learn, in pieces."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import sklearn.metrics as sk

from graphnet.core.errors import ConfigError, StateError
from graphnet.losses import BinaryCrossEntropy, CrossEntropy
from graphnet.metrics import AUC, F1, R2, Accuracy, ConfusionMatrix, Perplexity, Precision, Recall, TopKAccuracy

ROWS, CLASSES = 41, 5
RNG = np.random.default_rng(5)
X = RNG.normal(size=(ROWS, CLASSES))
Y = RNG.integers(0, CLASSES, ROWS)
B = RNG.integers(0, 2, (ROWS, CLASSES))
T = RNG.normal(size=(ROWS, CLASSES))
SHARES = np.round(RNG.uniform(0, 2, ROWS), 1) * (RNG.random(ROWS) < 0.8)
ABSENT = np.where(Y == 3, 1, Y)
PROBABILITIES = np.exp(X) / np.exp(X).sum(1, keepdims=True)
FIGURES = [(Precision, sk.precision_score), (Recall, sk.recall_score), (F1, sk.f1_score)]


def in_pieces(metric, prediction, target, weights=None, cuts=(0, 3, 20, ROWS)):
    for start, stop in itertools.pairwise(cuts):
        rows = slice(start, stop)
        metric.update(prediction[rows], target[rows], weights=None if weights is None else weights[rows])
    assert type(metric.result()) is float
    return metric.result()


@pytest.mark.parametrize(("figure", "theirs"), FIGURES)
@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
def test_counts(figure, theirs, average):
    options = {"average": average, "zero_division": 0}
    best = np.where(X.argmax(1) == 3, 0, X.argmax(1))  # class 3 occurs nowhere
    scores = np.eye(CLASSES)[best]
    expected = theirs(ABSENT, best, **options)
    assert in_pieces(figure(average), scores, ABSENT) == pytest.approx(expected, rel=1e-12)
    assert in_pieces(figure(average), X, Y) == pytest.approx(theirs(Y, X.argmax(1), **options), rel=1e-12)
    weighted = theirs(Y, X.argmax(1), sample_weight=SHARES, **options)
    assert in_pieces(figure(average), X, np.eye(CLASSES)[Y], SHARES) == pytest.approx(weighted, rel=1e-12)
    labels = theirs(B, X > 0, **options)
    assert in_pieces(figure(average, binary=True), X, B) == pytest.approx(labels, rel=1e-12)


@pytest.mark.parametrize(("figure", "theirs"), FIGURES)
def test_counts_of_one_label(figure, theirs):
    expected = theirs(B[:, 0], X[:, 0] > 0)
    for shape in ((ROWS,), (ROWS, 1)):
        assert in_pieces(figure(binary=True), X[:, 0].reshape(shape), B[:, 0] > 0) == pytest.approx(expected)
    metric = figure(binary=True)
    metric.update([-1.0, -2.0], [0, 0])  # 0 / 0
    assert metric.result() == 0.0


@pytest.mark.parametrize("weights", [None, SHARES], ids=["plain", "weights"])
def test_auc(weights):
    tied = np.round(X)
    for scores in (X, tied):
        expected = sk.roc_auc_score(B, scores, sample_weight=weights)
        assert in_pieces(AUC(binary=True), scores, B, weights) == pytest.approx(expected, rel=1e-12)
    # scikit-learn takes no weights for several classes.
    ours, theirs = in_pieces(AUC(), X, Y), sk.roc_auc_score(Y, PROBABILITIES, multi_class="ovr")
    assert ours == pytest.approx(theirs, rel=1e-12)


def test_auc_of_classes_that_do_not_occur():
    known = [sk.roc_auc_score(k == ABSENT, PROBABILITIES[:, k]) for k in range(CLASSES) if k != 3]
    assert in_pieces(AUC(), X, ABSENT) == pytest.approx(np.mean(known), rel=1e-12)
    metric = AUC(binary=True)
    metric.update([1.0, 2.0], [1, 1])
    assert math.isnan(metric.result())
    metric.update([math.nan], [0])
    assert math.isnan(metric.result())


def test_r2():
    assert in_pieces(R2(), X, T) == pytest.approx(sk.r2_score(T, X), rel=1e-12)
    assert in_pieces(R2(), X, T, SHARES) == pytest.approx(sk.r2_score(T, X, sample_weight=SHARES), rel=1e-12)
    far = 1e8 + T[:, 0]
    assert in_pieces(R2(), far + 0.5, far) == pytest.approx(sk.r2_score(far, far + 0.5), rel=1e-6)
    constant = np.where(np.arange(CLASSES) == 1, 3.0, T)
    assert in_pieces(R2(), X, constant) == pytest.approx(sk.r2_score(constant, X), rel=1e-12)
    exact = np.where(np.arange(CLASSES) == 1, 3.0, X)
    assert in_pieces(R2(), exact, constant) == pytest.approx(sk.r2_score(constant, exact), rel=1e-12)
    single = R2()
    single.update([[1.0]], [[2.0]])
    assert math.isnan(single.result())


def test_top_k_and_ties():
    for k in (1, 2, 5, 9):
        expected = np.mean([Y[i] in np.argsort(-X[i])[:k] for i in range(ROWS)])
        assert in_pieces(TopKAccuracy(k), X, Y) == pytest.approx(expected)
    tied = np.zeros((3, 4))
    metric, first = TopKAccuracy(2), TopKAccuracy(1)
    metric.update(tied, [0, 1, 2])
    first.update(np.round(X), Y)
    accuracy = Accuracy()
    accuracy.update(np.round(X), Y)
    assert metric.result() == pytest.approx(2 / 3) and first.result() == accuracy.result()
    metric.reset()
    metric.update([[math.nan, 1.0, 2.0]], [1])
    assert metric.result() == 0.0


def test_perplexity():
    own = PROBABILITIES[np.arange(ROWS), Y]
    assert in_pieces(Perplexity(), X, Y) == pytest.approx(np.prod(1 / own) ** (1 / ROWS), rel=1e-12)
    metric = Perplexity()
    metric.update([[1e9, 0.0]], [1])
    assert metric.result() == math.inf


@pytest.mark.parametrize("build", [F1, lambda: F1(binary=True), lambda: AUC(binary=True), R2])
def test_masks_of_rows_and_of_elements(build):
    metric = build()
    regression = isinstance(metric, R2)
    prediction, target = X.reshape(ROWS, 1, CLASSES), (T if regression else B).reshape(ROWS, 1, CLASSES)
    if not regression and not metric.binary:
        target = Y.reshape(ROWS, 1)
    mask = RNG.random((ROWS, 1)) < 0.6
    spoiled = np.where(mask[:, :, None], prediction, np.nan)
    metric.update(spoiled, target, mask)
    rows = build()
    rows.update(prediction[mask], target[mask])
    assert metric.result() == pytest.approx(rows.result(), rel=1e-12)
    if target.ndim == prediction.ndim:  # each column keeps its own elements
        elements = RNG.random(prediction.shape) < 0.7
        metric.reset()
        metric.update(np.where(elements, prediction, np.nan), np.where(elements, target, 0), elements)
        columns = []
        for k in range(CLASSES):
            column = build()
            column.update(prediction[:, 0, k][elements[:, 0, k]], target[:, 0, k][elements[:, 0, k]])
            columns.append(column.result())
        assert metric.result() == pytest.approx(np.mean(columns), rel=1e-12)


def test_confusion_matrix():
    matrix = ConfusionMatrix(list("abcde"))
    for rows in (slice(0, 9), slice(9, None)):
        matrix.update(X[rows], Y[rows])
    np.testing.assert_array_equal(matrix.counts, sk.confusion_matrix(Y, X.argmax(1)))
    np.testing.assert_allclose(matrix.normalized(), sk.confusion_matrix(Y, X.argmax(1), normalize="true"))
    assert str(matrix).splitlines()[0].split() == [*"abcde", "<-", "predicted"] and "ConfusionMatrix" in repr(matrix)
    weighted = ConfusionMatrix()
    weighted.update(X, Y, Y != 2, weights=SHARES)
    kept = Y != 2
    expected = sk.confusion_matrix(Y[kept], X[kept].argmax(1), sample_weight=SHARES[kept], labels=range(CLASSES))
    np.testing.assert_allclose(weighted.counts, expected)
    binary = ConfusionMatrix(binary=True)
    binary.update(X[:, :1], B[:, 0])
    np.testing.assert_array_equal(binary.counts, sk.confusion_matrix(B[:, 0], X[:, 0] > 0))
    with pytest.raises(ConfigError, match="5 names"):
        ConfusionMatrix(["a"]).update(X, Y)


def test_settings_and_what_a_run_decides():
    assert [F1().name, F1("micro").name, Recall("weighted").name, TopKAccuracy(3).name] == [
        "f1", "micro_f1", "weighted_recall", "top_3_accuracy",
    ]  # fmt: skip
    for build in (lambda: F1("mean"), lambda: F1(binary=1), lambda: TopKAccuracy(0), lambda: AUC(binary="yes")):
        with pytest.raises(ConfigError):
            build()
    for metric in (F1("micro"), AUC(), Accuracy()):
        assert metric.adapted(BinaryCrossEntropy()).binary is True and metric.binary is None
        assert metric.adapted(CrossEntropy()) is metric
        assert type(metric)(**metric.config()).config() == metric.config()
        with pytest.raises(StateError):
            metric.result()
    changed = F1(binary=True)
    changed.update(X, B)
    with pytest.raises(ConfigError, match="number of classes"):
        changed.update(X[:, :2], B[:, :2])
    changed.reset()
    changed.update(X[:, :2], B[:, :2])
