"""Losses: closed forms, numeric derivatives, an independent differentiation, masks, extremes, refusals."""

from __future__ import annotations

import math

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from graphnet.core.errors import ConfigError, DataError, DtypeError, RuleError, ShapeError
from graphnet.losses import BinaryCrossEntropy, CrossEntropy, Loss, MeanSquaredError

SHAPES = [(4, 3), (5, 2, 3)]


def case(kind, shape, seed=0):
    """A random prediction and target for a loss."""
    rng = np.random.default_rng(seed)
    prediction = 2 * rng.normal(size=shape)
    if kind is CrossEntropy:
        return prediction, rng.integers(0, shape[-1], shape[:-1])
    return prediction, rng.normal(size=shape) if kind is MeanSquaredError else rng.integers(0, 2, shape)


def naive(loss, x, t):
    """The textbook formula without any care for extremes, summed; differentiable by autograd."""
    if isinstance(loss, CrossEntropy):
        classes, s = x.shape[-1], loss.label_smoothing
        q = (1 - s) * np.eye(classes)[t] + s / classes
        p = anp.exp(x) / anp.sum(anp.exp(x), axis=-1, keepdims=True)
        return -anp.sum(q * anp.log(p))
    if isinstance(loss, BinaryCrossEntropy):
        p = 1 / (1 + anp.exp(-x))
        return -anp.sum(t * anp.log(p) + (1 - t) * anp.log(1 - p))
    return anp.sum((x - t) ** 2)


LOSSES = [
    kind(reduction=reduction, **more)
    for reduction in ("mean", "sum")
    for kind, more in [
        (CrossEntropy, {}),
        (CrossEntropy, {"label_smoothing": 0.15}),
        (BinaryCrossEntropy, {}),
        (MeanSquaredError, {}),
    ]
]
every = pytest.mark.parametrize("loss", LOSSES, ids=repr)


def count(loss, shape):
    if loss.reduction == "sum":
        return 1
    return math.prod(shape[:-1]) if isinstance(loss, CrossEntropy) else math.prod(shape)


@every
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_value_and_error_against_the_textbook(loss, shape):
    prediction, target = case(type(loss), shape)
    value, error = loss.value_and_error(prediction, target)
    assert value == pytest.approx(naive(loss, prediction, target) / count(loss, shape), rel=1e-12)
    expected = autograd.grad(lambda x: naive(loss, x, target) / count(loss, shape))(prediction)
    np.testing.assert_allclose(error, expected, rtol=1e-10, atol=1e-14)
    assert type(value) is float and loss.value(prediction, target) == value
    np.testing.assert_array_equal(loss.error(prediction, target), error)


@every
def test_error_is_the_numeric_derivative(loss):
    prediction, target = case(type(loss), (3, 4), seed=1)
    mask = np.array([True, False, True])
    error = loss.error(prediction, target, mask)
    for place in np.ndindex(3, 4):
        step = np.zeros((3, 4))
        step[place] = 1e-5
        high, low = loss.value(prediction + step, target, mask), loss.value(prediction - step, target, mask)
        assert error[place] == pytest.approx((high - low) / 2e-5, rel=1e-6, abs=1e-10)


def test_matches_formula():
    logits = np.log([[1.0, 3.0], [4.0, 4.0]])
    loss = CrossEntropy(reduction="sum")
    assert loss.value(logits, [1, 0]) == pytest.approx(math.log(4 / 3) + math.log(2))
    np.testing.assert_allclose(loss.error(logits, [1, 0]), [[0.25, -0.25], [-0.5, 0.5]])
    assert CrossEntropy().value(logits, [1, 0]) == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)
    assert MeanSquaredError().value([[1, 2], [3, 4]], [[0, 0], [0, 0]]) == 7.5
    assert BinaryCrossEntropy("sum").value([math.log(3)], [1]) == pytest.approx(math.log(4 / 3))
    smooth = CrossEntropy(label_smoothing=0.5).error(np.zeros((1, 2)), [0])
    np.testing.assert_allclose(smooth, [[-0.25, 0.25]])


@pytest.mark.parametrize("dtype", [bool, int, np.uint8, np.float32])
def test_one_hot_equals_indices(dtype):
    prediction, target = case(CrossEntropy, (5, 2, 3))
    one_hot = np.eye(3, dtype=dtype)[target]
    for loss in (CrossEntropy(), CrossEntropy("sum", label_smoothing=0.1)):
        assert loss.value(prediction, one_hot) == loss.value(prediction, target)
        np.testing.assert_array_equal(loss.error(prediction, one_hot), loss.error(prediction, target.astype(np.uint8)))


@every
def test_dtypes_lists_and_no_writing(loss):
    prediction, target = case(type(loss), (4, 3))
    exact, exact_error = loss.value_and_error(prediction, target)
    for dtype, tolerance in ((np.float16, 2e-2), (np.float32, 1e-5)):
        given = prediction.astype(dtype)
        given.flags.writeable = target.flags.writeable = False
        value, error = loss.value_and_error(given, target)
        assert error.dtype == dtype and error.shape == (4, 3) and type(value) is float
        assert value == pytest.approx(exact, rel=tolerance)
        np.testing.assert_allclose(error, exact_error, atol=tolerance)
    whole = np.rint(prediction).astype(int)
    assert loss.value(whole.tolist(), target.tolist()) == loss.value(whole.astype(float), target)
    assert loss.error(whole, target).dtype == np.float64
    assert loss.value(prediction[::-1], target[::-1]) == pytest.approx(exact)


@every
@pytest.mark.parametrize("junk", [math.nan, math.inf, -math.inf, 1e300])
def test_masked_rows_do_not_contribute(loss, junk):
    prediction, target = case(type(loss), (5, 2, 3))
    mask = np.array([[1, 1], [1, 1], [0, 1], [0, 1], [0, 0]], bool)
    spoiled, labels = prediction.copy(), target.copy()
    spoiled[~mask] = junk
    labels[~mask] = -77
    value, error = loss.value_and_error(spoiled, labels, mask)
    alone, alone_error = loss.value_and_error(prediction[mask], target[mask])
    assert value == pytest.approx(alone, rel=1e-14) and loss.value(spoiled, labels, mask.tolist()) == value
    np.testing.assert_allclose(error[mask], alone_error, rtol=1e-14)
    assert (error[~mask] == 0.0).all() and error.shape == prediction.shape


@every
def test_mask_over_fewer_axes(loss):
    prediction, target = case(type(loss), (5, 2, 3))
    short = np.array([True, False, True, True, False])
    wide = np.repeat(short[:, None], 2, axis=1)
    assert loss.value(prediction, target, short) == pytest.approx(loss.value(prediction, target, wide), rel=1e-14)
    np.testing.assert_allclose(loss.error(prediction, target, short), loss.error(prediction, target, wide))
    assert loss.value(prediction, target, np.ones((5, 2), bool)) == pytest.approx(loss.value(prediction, target))


def test_masked_targets_are_not_validated():
    one_hot = np.array([[0.0, 1.0], [0.0, 0.0], [np.nan, 1.0]])
    mask = np.array([True, False, False])
    assert CrossEntropy().value(np.zeros((3, 2)), one_hot, mask) == pytest.approx(math.log(2))
    assert MeanSquaredError().value(np.zeros((3, 2)), one_hot, mask) == 0.5
    elements = np.array([[True, True], [True, True], [False, True]])
    assert MeanSquaredError("sum").value(np.zeros((3, 2)), one_hot, elements) == 2.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_extreme_logits(dtype, size):
    size = float(dtype(size))
    loss = CrossEntropy("sum")
    value, error = loss.value_and_error(np.array([[size, -size, 0.0], [size, -size, 0.0]], dtype), [0, 1])
    assert value == pytest.approx(2 * size)
    np.testing.assert_array_equal(error, [[0, 0, 0], [1, -1, 0]])
    value, error = BinaryCrossEntropy("sum").value_and_error(np.array([size, size, -size, -size], dtype), [1, 0, 1, 0])
    assert value == pytest.approx(2 * size)
    np.testing.assert_array_equal(error, [0, 1, -1, 0])


def test_small_binary_errors_keep_their_precision():
    error = BinaryCrossEntropy("sum").error([40.0, -40.0], [1, 0])
    np.testing.assert_allclose(error, [-math.exp(-40), math.exp(-40)], rtol=1e-12)


def test_probabilities_as_binary_targets():
    assert BinaryCrossEntropy().value([0.0], [0.3]) == pytest.approx(math.log(2))
    np.testing.assert_allclose(BinaryCrossEntropy().error([0.0, 0.0], [0.5, 0.25]), [0.0, 0.125])
    np.testing.assert_array_equal(
        BinaryCrossEntropy().error([1.0, 2.0], [True, False]), BinaryCrossEntropy().error([1.0, 2.0], [1, 0])
    )


def test_not_finite_prediction_gives_not_finite_loss():
    assert math.isnan(CrossEntropy().value([[math.nan, 0.0]], [0]))
    assert math.isnan(CrossEntropy().value([[math.inf, math.inf]], [0]))
    assert CrossEntropy().value([[-math.inf, 0.0]], [1]) == 0.0
    assert CrossEntropy().value([[-math.inf, 0.0]], [0]) == math.inf
    assert math.isnan(MeanSquaredError().value([[math.nan]], [[0.0]]))
    assert MeanSquaredError().value(np.array([[1e30]], np.float32), [[0.0]]) == math.inf


BAD = [
    (CrossEntropy, (2, 3), [0, 3], DataError, r"0 to 2, received 3 at \(1,\)"),
    (CrossEntropy, (2, 3), [-1, 0], DataError, r"received -1 at \(0,\)"),
    (CrossEntropy, (2, 3), [0.0, math.nan], DataError, "NaN"),
    (CrossEntropy, (2, 3), [0.0, 1.5], DtypeError, r"must be integers.*1.5 at \(1,\)"),
    (CrossEntropy, (2, 3), ["a", "b"], DtypeError, "must be integers"),
    (CrossEntropy, (2, 3), [[[0]], [[1]]], ShapeError, r"\(2,\) or one-hot \(2, 3\)"),
    (CrossEntropy, (2, 3), [0, 1, 2], ShapeError, "target"),
    (CrossEntropy, (2, 3), [[0], [1, 2]], ShapeError, "array"),
    (CrossEntropy, (2, 2), [[0, 1], [1, 1]], DataError, r"one-hot.*at \(1,\)"),
    (CrossEntropy, (2, 2), [[0, 1], [0, 0]], DataError, "one-hot"),
    (CrossEntropy, (2, 2), [[0.5, 0.51], [0, 1]], DataError, r"one-hot.*at \(0,\)"),
    (CrossEntropy, (2, 2), [[2, -1], [0, 1]], DataError, "one-hot"),
    (CrossEntropy, (2, 2), [[math.nan, 1], [0, 1]], DataError, "one-hot"),
    (CrossEntropy, (2, 2), [["a", "b"], ["c", "d"]], DtypeError, "must be numbers"),
    (CrossEntropy, (2, 1), [0, 0], ShapeError, "BinaryCrossEntropy"),
    (CrossEntropy, (3,), 0, ShapeError, "axes"),
    (CrossEntropy, (0, 3), np.zeros(0, int), DataError, "empty"),
    (CrossEntropy, (2, 0), [0, 0], DataError, "empty"),
    (MeanSquaredError, (2, 2), [0.0, 1.0], ShapeError, "broadcast"),
    (MeanSquaredError, (1, 2), [[0.0], [1.0]], ShapeError, "broadcast"),
    (MeanSquaredError, (2,), [0.0, math.nan], DataError, "finite"),
    (MeanSquaredError, (2,), [0.0, math.inf], DataError, "finite"),
    (MeanSquaredError, (2,), [0j, 1j], DtypeError, "complex"),
    (MeanSquaredError, (), 0.0, ShapeError, "axes"),
    (MeanSquaredError, (0, 2), np.zeros((0, 2)), DataError, "empty"),
    (BinaryCrossEntropy, (2,), [0, 2], DataError, "probability"),
    (BinaryCrossEntropy, (2,), [-1, 1], DataError, "probability"),
    (BinaryCrossEntropy, (2,), [math.nan, 1], DataError, "probability"),
    (BinaryCrossEntropy, (2, 2), [0, 1], ShapeError, "broadcast"),
    (BinaryCrossEntropy, (2,), ["no", "yes"], DtypeError, "target"),
]


@pytest.mark.parametrize(("kind", "shape", "target", "error", "text"), BAD)
def test_invalid_targets_are_refused(kind, shape, target, error, text):
    loss = kind()
    for call in (
        lambda: loss.check(shape, target),
        lambda: loss.value(np.zeros(shape), target),
        lambda: loss.error(np.zeros(shape), target),
    ):
        with pytest.raises(error, match=text) as caught:
            call()
        assert kind.__name__ in str(caught.value) and caught.value.remedy


@every
def test_good_targets_pass_the_check(loss):
    prediction, target = case(type(loss), (5, 2, 3))
    assert loss.check(prediction.shape, target) is None
    assert loss.check(prediction.shape, target, np.ones((5, 2), bool)) is None


@every
def test_masks_that_do_not_fit(loss):
    prediction, target = case(type(loss), (5, 2, 3))
    for mask, error in [
        (np.ones((5, 2), int), DtypeError),
        (np.ones((2, 5), bool), ShapeError),
        (np.ones((5, 1), bool), ShapeError),
        (np.ones((5, 2, 3, 1), bool), ShapeError),
        (True, ShapeError),
        (np.zeros((5, 2), bool), DataError),
    ]:
        with pytest.raises(error, match=r"mask"):
            loss.check(prediction.shape, target, mask)
    with pytest.raises(ShapeError) if isinstance(loss, CrossEntropy) else pytest.MonkeyPatch.context():
        loss.check(prediction.shape, target, np.ones((5, 2, 3), bool))


@every
def test_predictions_of_a_wrong_dtype(loss):
    for prediction in (np.zeros((2, 3), complex), np.zeros((2, 3), bool), np.zeros((2, 3), object), [["a"]]):
        with pytest.raises(DtypeError, match="prediction"):
            loss.value(prediction, [0, 1])


def test_settings_config_and_purity():
    for build in (
        lambda: CrossEntropy("max"),
        lambda: CrossEntropy(label_smoothing=1.0),
        lambda: CrossEntropy(label_smoothing=-0.1),
        lambda: MeanSquaredError(None),
    ):
        with pytest.raises(ConfigError):
            build()
    loss = CrossEntropy("sum", label_smoothing=np.float32(0.5))
    assert loss.config() == {
        "reduction": "sum", "ignore_index": None, "label_smoothing": 0.5, "class_weight": None,
    }  # fmt: skip
    assert CrossEntropy(**loss.config()) == loss and hash(loss) == hash(CrossEntropy(**loss.config()))
    assert eval(repr(loss)) == loss
    with pytest.raises(AttributeError):
        loss.reduction = "mean"
    with pytest.raises(RuleError, match="check_target"):
        Loss().value([[1.0]], [0])
