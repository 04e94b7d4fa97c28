"""The contract of trainable layers, line by line, for FullyConnected and BatchNormalization."""

import re

import numpy as np
import pytest
from helpers.numeric_gradient import close, numeric

from graphnet import (
    BatchNormalization,
    ConfigError,
    DataError,
    DtypeError,
    FullyConnected,
    Phase,
    RuleError,
    ShapeError,
    StateError,
    seed,
)
from graphnet.optimizers import Adam, Sgd
from graphnet.regularizers import L1_Regularizer, L2_Regularizer

MADE = {
    "FullyConnected": lambda **o: FullyConnected(3, 2, **o),
    "BatchNormalization": lambda **o: BatchNormalization(3, **o),
}
BOTH = pytest.mark.parametrize("make", MADE.values(), ids=MADE)


def rows(count=5, width=3, shift=0.7):
    return np.random.default_rng(count + width).normal(size=(count, width)) * [1.0, 2.5, 0.3][:width] + shift


def errors_for(y):
    return np.random.default_rng(8).normal(size=y.shape)


class Recorded:
    """An optimizer that keeps what it was given."""

    def __init__(self):
        self.calls = []

    def __deepcopy__(self, memo):
        return self

    def calculate_update(self, individual_delta, weight_tensor, gradient_tensor):
        self.calls.append((individual_delta, np.array(weight_tensor), np.array(gradient_tensor)))
        return weight_tensor - 0.25 * gradient_tensor


class Filler:
    """An initializer that keeps what it was asked."""

    def __init__(self, value):
        self.value, self.asked = value, []

    def initialize(self, weights_shape, fan_in, fan_out):
        self.asked.append((tuple(weights_shape), fan_in, fan_out))
        return np.full(weights_shape, self.value)


# ------------------------------------------------------------------ fresh weights and initializers
def test_new_weights_are_uniform():
    result = FullyConnected(99, 80).get_weights()
    assert result.shape == (100, 80)
    assert result.min() >= 0 and result.max() < 1
    np.testing.assert_allclose(np.quantile(result, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.02)
    assert result[-1].std() > 0.2


def test_fresh_weights_come_from_the_seed():
    seed(4)
    first, second = FullyConnected(3, 2).get_weights(), FullyConnected(3, 2).get_weights()
    seed(4)
    np.testing.assert_array_equal(FullyConnected(3, 2).get_weights(), first)
    assert (first != second).all()


@pytest.mark.parametrize("size", [3, None])
def test_fully_connected_fans(size):
    layer, kernel, bias = FullyConnected(size, 2), Filler(2.0), Filler(-1.0)
    layer.initialize(kernel, bias)
    layer.forward(rows())
    assert kernel.asked == [((3, 2), 3, 2)]
    assert bias.asked == [((1, 2), 3, 2)]
    np.testing.assert_array_equal(layer.get_weights(), [[2, 2], [2, 2], [2, 2], [-1, -1]])


def test_numeric_bias_ignores_initializer():
    layer, bias = FullyConnected(3, 2, bias=1.5), Filler(9.0)
    np.testing.assert_array_equal(layer.get_weights()[-1], [1.5, 1.5])
    layer.initialize(Filler(0.0), bias)
    np.testing.assert_array_equal(layer.get_weights()[-1], [1.5, 1.5])
    assert bias.asked == []


@pytest.mark.parametrize("channels", [3, None])
def test_initialize_resets_batch_normalization(channels):
    layer, one, other = BatchNormalization(channels), Filler(5.0), Filler(7.0)
    layer.initialize(one, other)
    layer.forward(rows())
    for _ in range(2):
        np.testing.assert_array_equal(layer.weights, np.ones(3))
        np.testing.assert_array_equal(layer.bias, np.zeros(3))
        layer.weights, layer.bias = [2, 3, 4], [5, 6, 7]
        layer.initialize(one, other)
    assert one.asked == other.asked == []


@BOTH
def test_wrong_initializer_shape_changes_nothing(make):
    class Wrong:
        def initialize(self, weights_shape, fan_in, fan_out):
            return np.ones((7, 7))

    layer = make()
    before = layer.get_weights()
    if isinstance(layer, FullyConnected):
        with pytest.raises(RuleError, match=r"shape \(3, 2\).*shape \(7, 7\)"):
            layer.initialize(Wrong(), Wrong())
    else:
        layer.initialize(Wrong(), Wrong())
    np.testing.assert_array_equal(layer.get_weights(), before)


# ------------------------------------------------------------------ reading, writing, gradients
@BOTH
def test_weights_and_gradients_have_one_shape(make):
    layer = make()
    y = layer.forward(rows())
    layer.backward(errors_for(y))
    assert layer.get_weights().shape == layer.get_gradient_weights().shape
    layer.set_weights(layer.get_weights() * 2)
    assert layer.trainable


@BOTH
def test_weights_accessors_copy(make):
    layer = make()
    given = np.random.default_rng(1).normal(size=layer.get_weights().shape)
    expected = given.copy()
    layer.set_weights(given)
    given[:] = 9
    np.testing.assert_array_equal(layer.get_weights(), expected)
    layer.get_weights()[:] = 9
    np.testing.assert_array_equal(layer.get_weights(), expected)


@BOTH
def test_set_weights_error_has_both_shapes(make):
    layer = make()
    before = layer.get_weights()
    for wrong in (np.ones((2, 7)), before[None], before[:1], 1.0):
        shapes = f"expected {before.shape}, received {np.shape(wrong)}"
        with pytest.raises(ShapeError, match=re.escape(shapes)):
            layer.set_weights(wrong)
    np.testing.assert_array_equal(layer.get_weights(), before)


@BOTH
@pytest.mark.parametrize("wrong", ["text", [[1], [1, 2]], 1j * np.ones((4, 2)), np.ones((4, 2), "f2")])
def test_weights_that_are_no_numbers(make, wrong):
    layer = make()
    before = layer.get_weights()
    with pytest.raises(DtypeError):
        layer.set_weights(wrong)
    np.testing.assert_array_equal(layer.get_weights(), before)


@BOTH
def test_gradient_is_summed_over_batch(make):
    layer, x = make(), rows()
    error = errors_for(layer.forward(x))
    layer.backward(error)
    kept, result = layer.get_weights(), layer.get_gradient_weights()

    def loss(weights):
        layer.set_weights(weights)
        return (layer.forward(x) * error).sum()

    close(result, numeric(loss, kept))
    layer.set_weights(kept)
    layer.forward(np.concatenate([x, x]))
    layer.backward(np.concatenate([error, error]))
    np.testing.assert_allclose(layer.get_gradient_weights(), 2 * result, rtol=1e-12)
    layer.forward(x)
    layer.backward(error)
    np.testing.assert_allclose(layer.get_gradient_weights(), result, rtol=1e-12)


@BOTH
def test_before_its_time(make):
    layer = make()
    with pytest.raises(StateError, match="Call forward"):
        layer.backward(np.ones((5, 2)))
    with pytest.raises(StateError, match="no gradient yet"):
        layer.get_gradient_weights()
    for open_layer in (FullyConnected(None, 2), BatchNormalization()):
        for call in (
            open_layer.get_weights,
            lambda w=open_layer: w.weights,
            lambda w=open_layer: w.set_weights(np.ones(3)),
        ):
            with pytest.raises(StateError, match="not known yet|no weights yet"):
                call()


# ------------------------------------------------------------------ optimizers and regularizers
@BOTH
def test_the_optimizer_updates_once_after_the_error(make):
    layer, plain, optimizer = make(), make(), Recorded()
    plain.set_weights(layer.get_weights())
    layer.set_optimizer(optimizer)
    assert layer.optimizer is optimizer
    before, x = layer.get_weights(), rows()
    error = errors_for(layer.forward(x))
    plain.forward(x)
    assert optimizer.calls == []
    np.testing.assert_array_equal(layer.backward(error), plain.backward(error))
    delta, weights, gradient = optimizer.calls[0]
    assert delta == 1 and sum(w.shape == before.shape and (w == before).all() for _, w, _ in optimizer.calls) == 1
    np.testing.assert_array_equal(weights, before)
    np.testing.assert_array_equal(gradient, plain.get_gradient_weights())
    np.testing.assert_array_equal(layer.get_gradient_weights(), gradient)
    np.testing.assert_allclose(layer.get_weights(), before - 0.25 * gradient, rtol=1e-15)
    assert len(optimizer.calls) == (1 if isinstance(layer, FullyConnected) else 2)


@BOTH
def test_without_an_optimizer_backward_only_computes(make):
    layer = make()
    before = layer.get_weights()
    for _ in range(2):
        layer.backward(errors_for(layer.forward(rows())))
        np.testing.assert_array_equal(layer.get_weights(), before)
    layer.set_optimizer(Sgd(0.1))
    layer.set_optimizer(None)
    layer.backward(errors_for(layer.forward(rows())))
    np.testing.assert_array_equal(layer.get_weights(), before)


def test_gamma_and_beta_have_separate_moments():
    layer, x = BatchNormalization(3), rows()
    error = errors_for(x)
    layer.set_optimizer(Adam(0.1, 0.9, 0.999))
    beside = {"weights": Adam(0.1, 0.9, 0.999), "bias": Adam(0.1, 0.9, 0.999)}
    expected = {"weights": np.ones(3), "bias": np.zeros(3)}
    for _ in range(3):
        layer.forward(x)
        layer.backward(error)
        for name, gradient in (("weights", layer.get_gradient_weights()), ("bias", layer.get_gradient_bias())):
            expected[name] = beside[name].calculate_update(1.0, expected[name], gradient)
            np.testing.assert_allclose(getattr(layer, name), expected[name], rtol=1e-13)


@BOTH
@pytest.mark.parametrize("regularizer", [L1_Regularizer(0.3), L2_Regularizer(0.3)])
def test_regularization_loss_is_weight_norm(make, regularizer):
    layer, optimizer = make(), Sgd(0.1)
    assert layer.calculate_regularization_loss() == 0
    layer.set_optimizer(optimizer)
    assert layer.calculate_regularization_loss() == 0
    optimizer.add_regularizer(regularizer)
    layer.set_optimizer(optimizer)
    layer.set_weights(np.random.default_rng(2).normal(size=layer.get_weights().shape))
    if isinstance(layer, BatchNormalization):
        layer.bias = [10.0, 20.0, 30.0]
    w = layer.get_weights()
    expected = 0.3 * (np.abs(w).sum() if isinstance(regularizer, L1_Regularizer) else np.sqrt((w**2).sum()))
    assert layer.calculate_regularization_loss() == pytest.approx(expected, rel=1e-12)


def test_a_regularizer_moves_gamma_and_not_beta():
    layer, optimizer = BatchNormalization(3), Sgd(0.5)
    optimizer.add_regularizer(L2_Regularizer(0.1))
    layer.set_optimizer(optimizer)
    layer.bias = [1.0, 2.0, 3.0]
    layer.backward(np.zeros_like(layer.forward(rows())))
    np.testing.assert_allclose(layer.weights, np.full(3, 1 - 0.5 * 0.1))
    np.testing.assert_array_equal(layer.bias, [1, 2, 3])


@BOTH
@pytest.mark.parametrize(
    "update", [lambda w, g: g[..., :1], lambda w, g: g * np.nan, lambda w, g: "new", lambda w, g: None]
)
def test_invalid_update_changes_nothing(make, update):
    layer = make()
    layer.set_optimizer(type("Wrong", (), {"calculate_update": lambda self, delta, w, g: update(w, g)})())
    before = layer.get_weights()
    y = layer.forward(rows())
    with pytest.raises(RuleError, match="optimizer Wrong"):
        layer.backward(errors_for(y))
    np.testing.assert_array_equal(layer.get_weights(), before)


# ------------------------------------------------------------------ attributes
@BOTH
def test_weights_attribute_is_live(make):
    layer = make()
    layer.weights[0] = 7
    assert (layer.get_weights()[0] == 7).all()
    given = np.random.default_rng(3).normal(size=layer.weights.shape)
    layer.weights = given
    x = rows()
    expected = layer.forward(x)
    given[:] = 0
    np.testing.assert_array_equal(layer.forward(x), expected)
    layer.weights[:] = 0
    assert np.ptp(layer.forward(x), axis=0).max() == 0
    with pytest.raises(ShapeError, match="expected .* received"):
        layer.weights = np.ones((5, 5))
    layer.weights = layer.weights[None]
    assert layer.weights.shape == layer.get_weights().shape


def test_the_bias_attribute_and_its_gradient():
    layer, x = BatchNormalization(3), rows()
    with pytest.raises(StateError, match="no gradient yet"):
        layer.get_gradient_bias()
    layer.bias[1] = 2
    error = errors_for(x)
    before = layer.forward(x)
    layer.backward(error)
    np.testing.assert_allclose(before.mean(0), [0, 2, 0], atol=1e-12)
    np.testing.assert_allclose(layer.get_gradient_bias(), error.sum(0), rtol=1e-14)
    layer.get_gradient_bias()[:] = 9
    np.testing.assert_allclose(layer.get_gradient_bias(), error.sum(0), rtol=1e-14)
    with pytest.raises(ShapeError, match=r"expected \(3,\), received \(4,\)"):
        layer.bias = np.ones(4)
    with pytest.raises(DtypeError):
        layer.bias = "abc"


# ------------------------------------------------------------------ what comes in
@BOTH
def test_dtype_in_dtype_out(make):
    for dtype in (np.float32, np.float64):
        for own in ("float32", "float64"):
            layer = make(dtype=own)
            y = layer.forward(rows().astype(dtype))
            assert y.dtype == layer.backward(y).dtype == dtype
            assert layer.get_weights().dtype == layer.get_gradient_weights().dtype == own


@BOTH
def test_accepted_kinds_of_input(make):
    layer = make()
    whole = np.array([[3, 1, 2], [0, 5, 4], [7, 7, 1], [2, 0, 0]])
    expected = layer.forward(whole.astype(float))
    frozen = whole.astype(float)
    frozen.flags.writeable = False
    ways = [whole, whole.tolist(), whole.astype("u1"), frozen, np.asfortranarray(frozen), np.repeat(frozen, 2, 0)[::2],
            frozen.astype(">f8")]  # fmt: skip
    error = errors_for(expected)
    pulled = layer.backward(error)
    for given in ways:
        np.testing.assert_array_equal(layer.forward(given), expected)
        np.testing.assert_allclose(layer.backward(np.asfortranarray(error)), pulled, rtol=1e-13)
        np.testing.assert_allclose(layer.backward(error.tolist()), pulled, rtol=1e-13)
    narrow = make(dtype="float32").forward(whole)
    assert narrow.dtype == np.float32


@BOTH
def test_arguments_are_not_written_or_returned(make):
    layer, x = make(), rows()
    layer.set_optimizer(Sgd(0.1))
    kept_x = x.copy()
    y = layer.forward(x)
    error = errors_for(y)
    kept = error.copy()
    pulled = layer.backward(error)
    np.testing.assert_array_equal(x, kept_x)
    np.testing.assert_array_equal(error, kept)
    pulled[:] = y[:] = 0
    np.testing.assert_array_equal(x, kept_x)
    np.testing.assert_array_equal(error, kept)


@BOTH
@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (np.ones((0, 3)), DataError),
        (np.ones((5, 4)), ShapeError),
        (np.ones(3), ShapeError),
        (2.0, ShapeError),
        (np.ones((5, 3), complex), DtypeError),
        (np.ones((5, 3), "f2"), DtypeError),
        ([["a", "b", "c"]], DtypeError),
        ([[1.0, 2.0, 3.0], [1.0]], DtypeError),
    ],
)
def test_bad_input_changes_nothing(make, wrong, kind):
    layer, plain, x = make(), make(), rows()
    plain.set_weights(layer.get_weights())
    error = errors_for(layer.forward(x))
    plain.forward(x)
    with pytest.raises(kind) as caught:
        layer.forward(wrong)
    assert caught.value.problem
    for bad in (error[:, :1], error[:2], error[None]):
        with pytest.raises(ShapeError, match="error"):
            layer.backward(bad)
    np.testing.assert_array_equal(layer.backward(error), plain.backward(error))
    np.testing.assert_array_equal(layer.get_weights(), plain.get_weights())


@BOTH
def test_a_layer_alone_starts_in_train(make):
    layer = make()
    assert layer.phase is Phase.train
    layer.phase = Phase.test
    assert layer.phase is Phase.test
    with pytest.raises(ConfigError, match="Phase.train or Phase.test"):
        layer.phase = True


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: FullyConnected(0, 1),
        lambda: FullyConnected(True, 1),
        lambda: FullyConnected(2.0, 1),
        lambda: FullyConnected("2", 1),
        lambda: FullyConnected(2, None),
        lambda: FullyConnected(2, -1),
        lambda: FullyConnected(2, 1, bias=np.nan),
        lambda: FullyConnected(2, 1, bias="no"),
        lambda: FullyConnected(2, 1, dtype="float16"),
        lambda: BatchNormalization(0),
        lambda: BatchNormalization(epsilon=-1.0),
        lambda: BatchNormalization(epsilon=np.inf),
        lambda: BatchNormalization(epsilon=True),
        lambda: BatchNormalization(momentum=1.0),
        lambda: BatchNormalization(momentum=np.nan),
        lambda: BatchNormalization(dtype=int),
    ],
)
def test_invalid_configuration_is_refused(wrong):
    with pytest.raises((ConfigError, DtypeError), match="expected"):
        wrong()


# ------------------------------------------------------------------ the layer's own rules
def test_fully_connected_matches_formula():
    layer = FullyConnected(2, 3)
    layer.set_weights([[1, 2, 3], [4, 5, 6], [0.5, 0.25, 0.125]])
    np.testing.assert_array_equal(layer.forward([[1, 10], [2, 0]]), [[41.5, 52.25, 63.125], [2.5, 4.25, 6.125]])
    np.testing.assert_array_equal(layer.backward([[1, 0, 2], [0, -1, 0]]), [[7, 16], [-2, -5]])
    np.testing.assert_array_equal(layer.get_gradient_weights(), [[1, -2, 2], [10, 0, 20], [1, -1, 2]])


@pytest.mark.parametrize("leading", [(4,), (5, 4), (2, 5, 4)])
@pytest.mark.parametrize("bias", [True, False, 0.5])
def test_fully_connected_takes_any_leading_axes(leading, bias):
    layer = FullyConnected(None, 2, bias=bias)
    x = np.random.default_rng(6).normal(size=(*leading, 3))
    y = layer.forward(x)
    w = layer.get_weights()
    kernel, shift = (w, 0) if bias is False else (w[:-1], w[-1])
    np.testing.assert_allclose(y, np.einsum("...i,io->...o", x, kernel) + shift, rtol=1e-13)
    error = errors_for(y)
    np.testing.assert_allclose(layer.backward(error), np.einsum("...o,io->...i", error, kernel), rtol=1e-12)
    expected = np.einsum("ni,no->io", x.reshape(-1, 3), error.reshape(-1, 2))
    np.testing.assert_allclose(layer.get_gradient_weights()[:3], expected, rtol=1e-12)
    if bias is not False:
        np.testing.assert_allclose(layer.get_gradient_weights()[3], error.sum(tuple(range(len(leading)))), rtol=1e-12)
