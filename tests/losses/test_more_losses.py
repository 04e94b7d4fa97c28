"""Losses of numbers, hinges, divergence; weights, ignored targets, soft targets: textbook formulas and autograd."""

from __future__ import annotations

import math

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from graphnet.core.errors import ConfigError, DataError, DtypeError, ShapeError
from graphnet.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    Hinge,
    Huber,
    KLDivergence,
    MeanAbsoluteError,
    MeanSquaredError,
    MulticlassHinge,
)

ROWS, CLASSES = 7, 4
RNG = np.random.default_rng(11)
X = 2 * RNG.normal(size=(ROWS, CLASSES))
Y = RNG.integers(0, CLASSES, ROWS)
B = RNG.integers(0, 2, (ROWS, CLASSES))
T = RNG.normal(size=(ROWS, CLASSES))
Q = RNG.dirichlet(np.ones(CLASSES), ROWS)
Q[2] = [0, 0.25, 0, 0.75]
W = RNG.uniform(0.5, 2, CLASSES)
ONE_HOT = np.eye(CLASSES)[Y]


def logs(x):
    return x - anp.log(anp.sum(anp.exp(x), axis=1, keepdims=True))


def crammer_singer(x):
    own = anp.sum(x * ONE_HOT, axis=1)
    return anp.maximum(0, 0.8 + anp.max(x - 1e9 * ONE_HOT, axis=1) - own)


def smooth(q, share):
    return (1 - share) * q + share / CLASSES


# Each: the loss, its target, and the formula as one number for each row or element.
FORMULAS = [
    (MeanAbsoluteError(), T, lambda x: anp.abs(x - T)),
    (Huber(delta=0.7), T, lambda x: anp.where(anp.abs(x - T) < 0.7, (x - T) ** 2 / 2, 0.7 * (anp.abs(x - T) - 0.35))),
    (Hinge(margin=1.3), B, lambda x: anp.maximum(0, 1.3 - (2 * B - 1) * x)),
    (Hinge(), 2 * B - 1, lambda x: anp.maximum(0, 1 - (2 * B - 1) * x)),
    (MulticlassHinge(margin=0.8), Y, crammer_singer),
    (KLDivergence(), Q, lambda x: anp.sum(Q * np.log(np.where(Q > 0, Q, 1)) - Q * logs(x), axis=1)),
    (CrossEntropy(), Q, lambda x: -anp.sum(Q * logs(x), axis=1)),
    (CrossEntropy(label_smoothing=0.3), Q, lambda x: -anp.sum(smooth(Q, 0.3) * logs(x), axis=1)),
    (CrossEntropy(class_weight=W), Q, lambda x: -anp.sum(W * Q * logs(x), axis=1)),
    (
        BinaryCrossEntropy(positive_weight=tuple(W)),
        B,
        lambda x: W * B * anp.log(1 + anp.exp(-x)) + (1 - B) * anp.log(1 + anp.exp(x)),
    ),
    (
        BinaryCrossEntropy(positive_weight=3.0),
        Q,
        lambda x: 3 * Q * anp.log(1 + anp.exp(-x)) + (1 - Q) * anp.log(1 + anp.exp(x)),
    ),
]
every = pytest.mark.parametrize(("loss", "target", "formula"), FORMULAS, ids=[repr(f[0])[:40] for f in FORMULAS])


@every
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_formula_and_gradient(loss, target, formula, reduction):
    loss = type(loss)(**{**loss.config(), "reduction": reduction})
    reduce = anp.mean if reduction == "mean" else anp.sum
    value, error = loss.value_and_error(X, target)
    assert value == pytest.approx(reduce(formula(X)), rel=1e-13) and value == loss.value(X, target)
    np.testing.assert_allclose(error, autograd.grad(lambda x: reduce(formula(x)))(X), rtol=1e-10, atol=1e-14)
    assert loss.value_and_error(X.astype(np.float32), target)[1].dtype == np.float32
    assert loss.error(X.astype(np.float16), target).dtype == np.float16


@every
def test_row_weights_and_masks(loss, target, formula):
    weights = np.array([0.0, 2.0, 0.5, 1.0, 0.0, 3.0, 0.25])
    losses = formula(X)
    shares = np.broadcast_to(weights.reshape(ROWS, *(1,) * (losses.ndim - 1)), losses.shape)
    spoiled = np.where(weights[:, None] > 0, X, np.nan)  # rows of weight 0 do not contribute, whatever they hold
    value, error = loss.value_and_error(spoiled, target, weights=weights)
    assert value == pytest.approx(np.average(losses, weights=shares), rel=1e-13)
    assert value == pytest.approx(loss.value(X, target, weights=10 * weights), rel=1e-13)
    expected = autograd.grad(lambda x: anp.sum(formula(x) * shares) / shares.sum())(X)
    np.testing.assert_allclose(error, expected, rtol=1e-10, atol=1e-14)
    assert loss.terms(X.shape, target, weights=weights) == pytest.approx(shares.sum())
    mask = np.arange(ROWS) != 3
    value, error = loss.value_and_error(X, target, mask, weights)
    assert value == pytest.approx(np.average(losses[mask], weights=shares[mask]), rel=1e-13)
    assert (error[3] == 0).all() and error[5].any()
    assert loss.value_and_error(X, target, weights=np.zeros(ROWS))[0] == 0
    assert not loss.error(X, target, weights=np.zeros(ROWS)).any()


def test_class_weights_divide_by_the_weights_of_the_targets():
    own = -(ONE_HOT * logs(X)).sum(axis=1)
    loss = CrossEntropy(class_weight=W)
    assert loss.value(X, Y) == pytest.approx((W[Y] * own).sum() / W[Y].sum(), rel=1e-13)
    assert loss.terms(X.shape, Y) == pytest.approx(W[Y].sum()) and loss.weighted
    shares = RNG.uniform(0.1, 1, ROWS)
    both = W[Y] * shares
    assert loss.value(X, Y, weights=shares) == pytest.approx((both * own).sum() / both.sum(), rel=1e-13)
    # Without class weights, the same weights for each row.
    np.testing.assert_allclose(loss.error(X, Y), CrossEntropy().error(X, Y, weights=W[Y]), rtol=1e-12)
    none = CrossEntropy(class_weight=(0, 0, 0, 1))
    assert none.value_and_error(X[:1], [0])[0] == 0


@pytest.mark.parametrize("loss", [CrossEntropy(ignore_index=-1), MulticlassHinge(ignore_index=-1)])
def test_ignored_rows_are_masked_rows(loss):
    target, kept = Y.copy(), np.array([1, 0, 1, 1, 0, 1, 1], bool)
    target[~kept] = -1
    spoiled = np.where(kept[:, None], X, np.nan)
    value, error = loss.value_and_error(spoiled, target)
    assert value == loss.value(X[kept], Y[kept]) and (error[~kept] == 0).all()
    np.testing.assert_array_equal(error[kept], loss.error(X[kept], Y[kept]))
    mask = np.arange(ROWS) > 1
    assert loss.value(X, target.astype(float), mask) == loss.value(X[kept & mask], Y[kept & mask])
    assert loss.terms(X.shape, target, mask) == (kept & mask).sum()
    with pytest.raises(DataError, match="masked"):
        loss.value(X, np.full(ROWS, -1))


def test_ignored_labels_keep_their_columns():
    target = np.where(RNG.random(B.shape) < 0.4, -1, B)
    kept = target >= 0
    for loss in (BinaryCrossEntropy(ignore_index=-1), BinaryCrossEntropy(ignore_index=-1, positive_weight=tuple(W))):
        weight = W if loss.positive_weight else np.ones(CLASSES)
        formula = weight * B * np.log1p(np.exp(-X)) + (1 - B) * np.log1p(np.exp(X))
        value, error = loss.value_and_error(np.where(kept, X, np.nan), target)
        assert value == pytest.approx(formula[kept].mean(), rel=1e-13)
        assert (error[~kept] == 0).all() and (error[kept] != 0).all()
        assert loss.terms(X.shape, target) == kept.sum()


def test_labels_as_people_have_them():
    labels = Y[:, None]
    for target in (labels, Y.astype(float), labels.astype(np.float32)):
        assert CrossEntropy().value(X, target) == CrossEntropy().value(X, Y)
    assert CrossEntropy().value(X[:, :2], Y > 1) == CrossEntropy().value(X[:, :2], (Y > 1).astype(int))
    column = X[:, :1]
    for loss in (MeanSquaredError(), MeanAbsoluteError(), Huber()):
        assert loss.value(column, T[:, 0]) == loss.value(column, T[:, :1]) == loss.value(column[:, 0], T[:, :1])
        assert loss.error(column, T[:, 0]).shape == (ROWS, 1)
    for loss in (BinaryCrossEntropy(), Hinge()):
        assert loss.value(column, B[:, 0] > 0) == loss.value(column, B[:, :1])


def test_classes_and_probabilities():
    np.testing.assert_allclose(CrossEntropy().probabilities(X), np.exp(logs(X)), rtol=1e-13)
    np.testing.assert_allclose(BinaryCrossEntropy().probabilities(X), 1 / (1 + np.exp(-X)), rtol=1e-13)
    np.testing.assert_array_equal(CrossEntropy().predicted(X), X.argmax(1))
    np.testing.assert_array_equal(BinaryCrossEntropy().predicted(X), X > 0)
    for call in (Hinge().probabilities, MeanSquaredError().probabilities, MeanSquaredError().predicted):
        with pytest.raises(ConfigError, match="has no"):
            call(X)


def test_extremes():
    big = np.array([[1e4, -1e4, 0.0]])
    for loss in (KLDivergence(), CrossEntropy(), CrossEntropy(class_weight=(1, 1, 1))):
        value, error = loss.value_and_error(big, [[0.5, 0.5, 0.0]])
        assert value == pytest.approx(1e4, rel=1e-3)
        np.testing.assert_allclose(error, [[0.5, -0.5, 0.0]])
    assert CrossEntropy(class_weight=(1, 1)).value([[0.0, -math.inf]], [0]) == 0
    value, error = BinaryCrossEntropy(positive_weight=2.0).value_and_error([1e4, -1e4], [0, 1])
    assert value == pytest.approx(1.5e4)
    np.testing.assert_allclose(error, [0.5, -1.0])
    assert Huber("sum").value([1e200], [0.0]) == pytest.approx(1e200)


REFUSED = [
    (Hinge(), [0, 2], DataError, "yes nor no"),
    (Hinge(), [0, -1], DataError, "both -1 and 0"),
    (Hinge(), [math.nan, 1], DataError, "yes nor no"),
    (MeanAbsoluteError(), [math.nan, 1], DataError, "finite"),
    (MulticlassHinge(), [[0.5, 0.5], [0, 1]], DataError, "CrossEntropy"),
    (KLDivergence(), [0, 1], ShapeError, "CrossEntropy"),
    (KLDivergence(), [[0.5, 0.6], [0, 1]], DataError, "probabilities"),
    (KLDivergence(), [["a", "b"], ["a", "b"]], DtypeError, "numbers"),
    (CrossEntropy(class_weight=(1, 2, 3)), [0, 1], ShapeError, "2 numbers"),
    (CrossEntropy(ignore_index=-1), [0, -2], DataError, "ignore_index=-2"),
    (BinaryCrossEntropy(positive_weight=(1, 2, 3)), [[0, 1], [0, 1]], ShapeError, "2 numbers"),
]


@pytest.mark.parametrize(("loss", "target", "error", "text"), REFUSED, ids=[repr(r[:2])[:50] for r in REFUSED])
def test_refused_targets(loss, target, error, text):
    shape = (2, 2) if isinstance(loss, (CrossEntropy, MulticlassHinge, KLDivergence)) or np.ndim(target) > 1 else (2,)
    for call in (lambda: loss.check(shape, target), lambda: loss.value(np.zeros(shape), target)):
        with pytest.raises(error, match=text) as caught:
            call()
        assert caught.value.remedy


@pytest.mark.parametrize(
    ("weights", "error"),
    [
        (np.ones(3), ShapeError),
        (np.ones((ROWS, CLASSES)), ShapeError),
        (np.full(ROWS, -1.0), DataError),
        (np.full(ROWS, math.nan), DataError),
        (["a"] * ROWS, DtypeError),
        (1.0, ShapeError),
    ],
)
def test_refused_weights(weights, error):
    with pytest.raises(error, match="weight"):
        CrossEntropy().value(X, Y, weights=weights)


def test_refused_settings():
    for build in (
        lambda: CrossEntropy(class_weight="balanced"),
        lambda: CrossEntropy(class_weight=[1, -1]),
        lambda: CrossEntropy(class_weight=[0, 0]),
        lambda: CrossEntropy(class_weight=3.0),
        lambda: CrossEntropy(ignore_index=0.5),
        lambda: CrossEntropy(ignore_index=True),
        lambda: BinaryCrossEntropy(positive_weight=-1),
        lambda: Huber(delta=0),
        lambda: Hinge(margin=-1),
        lambda: MulticlassHinge(margin="1"),
    ):
        with pytest.raises(ConfigError):
            build()
    for loss, *_ in FORMULAS:
        assert type(loss)(**loss.config()) == loss and hash(loss) == hash(type(loss)(**loss.config()))
        assert eval(repr(loss)) == loss
