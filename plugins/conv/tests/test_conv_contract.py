"""The layer contract for Conv, line by line."""

import inspect

import numpy as np
import pytest
from conv_oracle import agree, convolve

from graphnet import ConfigError, DataError, DtypeError, Phase, RuleError, ShapeError, StateError, seed
from graphnet.initializers import Constant, He
from graphnet.optimizers import Adam, Sgd, SgdWithMomentum
from graphnet.regularizers import L1_Regularizer, L2_Regularizer
from graphnet_conv import Conv


@pytest.fixture
def rng():
    return np.random.default_rng(31)


class Recorder:
    """An initializer that records its arguments."""

    def __init__(self, value):
        self.value, self.asked = value, []

    def initialize(self, weights_shape, fan_in, fan_out):
        self.asked.append((weights_shape, fan_in, fan_out))
        return np.full(weights_shape, self.value)


# ---------------------------------------------------------------------- construction and weights
def test_constructor_and_shapes():
    assert list(inspect.signature(Conv).parameters)[:3] == ["stride_shape", "convolution_shape", "num_kernels"]
    layer = Conv((2, 3), (3, 5, 4), 6)
    assert layer.phase is Phase.train
    assert layer.trainable
    assert layer.weights.shape == layer.get_weights().shape == (6, 3, 5, 4)
    assert layer.bias.shape == (6,)
    assert layer.forward(np.ones((2, 3, 9, 10))).shape == (2, 6, 5, 4)
    assert layer.backward(np.ones((2, 6, 5, 4))).shape == (2, 3, 9, 10)
    assert layer.get_gradient_weights().shape == (6, 3, 5, 4)
    assert layer.get_gradient_bias().shape == (6,)
    assert Conv((2,), (3, 5), 6).get_weights().shape == (6, 3, 5)
    assert Conv([2, 2], [3, 5, 4], np.int64(6)).forward(np.ones((1, 3, 4, 4))).shape == (1, 6, 2, 2)


def test_fresh_weights_are_uniform_and_seeded():
    seed(3)
    first = Conv((1, 1), (8, 5, 5), 20)
    seed(3)
    again = Conv((1, 1), (8, 5, 5), 20)
    np.testing.assert_array_equal(again.weights, first.weights)
    np.testing.assert_array_equal(again.bias, first.bias)
    for fresh in (first.weights, np.array([Conv(1, (1, 1), 1).bias[0] for _ in range(500)])):
        assert 0 <= fresh.min() < 0.02
        assert 0.98 < fresh.max() < 1
        assert abs(fresh.mean() - 0.5) < 0.05


@pytest.mark.parametrize(("kernel", "cells"), [((3, 5, 4), 20), ((3, 5), 5)])
def test_initializers_receive_fans(kernel, cells):
    weights, bias = Recorder(0.25), Recorder(-1.0)
    layer = Conv(1, kernel, 6)
    layer.initialize(weights, bias)
    assert weights.asked == [((6, *kernel), 3 * cells, 6 * cells)]
    assert bias.asked == [((6,), 3 * cells, 6 * cells)]
    assert (layer.weights == 0.25).all()
    assert (layer.bias == -1.0).all()


def test_he_uses_fan_in():
    seed(2)
    layer = Conv((1, 1), (6, 5, 4), 40)
    layer.initialize(He(), Constant(0.1))
    assert layer.weights.std() == pytest.approx(np.sqrt(2 / 120), rel=0.05)
    assert (layer.bias == 0.1).all()


def test_invalid_initializer_changes_nothing():
    layer = Conv(1, (2, 3), 4)
    before = layer.get_weights()
    with pytest.raises(RuleError, match=r"expected numbers of shape \(4, 2, 3\)"):
        layer.initialize(type("Bad", (), {"initialize": lambda s, shape, i, o: np.ones((2, 4))})(), Constant(0.0))
    np.testing.assert_array_equal(layer.weights, before)


def test_attributes_can_be_edited_and_assigned(rng):
    layer, x = Conv((1, 1), (2, 3, 3), 2), rng.normal(size=(1, 2, 4, 4))
    layer.weights[:] = new_kernels = rng.normal(size=(2, 2, 3, 3))
    layer.bias[1] = 7.0
    agree(layer.forward(x), convolve(x, new_kernels, layer.bias), 1e-12)
    assert layer.bias[1] == 7.0
    new, bias = rng.normal(size=(2, 2, 3, 3)), np.array([1.0, -1.0])
    layer.weights, layer.bias = new, bias
    expected = convolve(x, new, bias)
    new[:], bias[:] = 0.0, 0.0
    agree(layer.forward(x), expected, 1e-12)
    layer.get_weights()[:] = 0.0
    agree(layer.forward(x), expected, 1e-12)


def test_weights_of_other_shape_are_refused():
    layer = Conv((1, 1), (2, 3, 3), 4)
    kernels, bias = layer.get_weights(), layer.bias.copy()
    with pytest.raises(ShapeError, match=r"expected \(4, 2, 3, 3\), received \(4, 3, 3\)"):
        layer.set_weights(np.ones((4, 3, 3)))
    with pytest.raises(ShapeError, match=r"expected \(4, 2, 3, 3\), received \(1,\)"):
        layer.weights = [1.0]
    with pytest.raises(ShapeError, match=r"expected \(4,\), received \(5,\)"):
        layer.bias = np.ones(5)
    np.testing.assert_array_equal(layer.weights, kernels)
    np.testing.assert_array_equal(layer.bias, bias)


# ---------------------------------------------------------------------- gradients and optimizers
def test_gradients_are_sums_over_the_batch(rng):
    layer, x = Conv((2, 1), (2, 3, 2), 3), rng.normal(size=(4, 2, 5, 6))
    error = rng.normal(size=layer.forward(x).shape)
    layer.backward(error)
    kernels, bias = layer.get_gradient_weights(), layer.get_gradient_bias()
    alone = np.zeros_like(kernels)
    for b in range(4):
        layer.forward(x[b : b + 1])
        layer.backward(error[b : b + 1])
        alone += layer.get_gradient_weights()
    agree(kernels, alone, 1e-13)
    agree(bias, [error[:, k].sum() for k in range(3)], 1e-13)


def test_update_follows_the_error(rng):
    layer, still = Conv((1, 2), (2, 3, 3), 3), Conv((1, 2), (2, 3, 3), 3)
    still.weights, still.bias = layer.weights, layer.bias
    layer.set_optimizer(Sgd(0.1))
    layer.delta = 0.5
    x = rng.normal(size=(2, 2, 4, 5))
    error = rng.normal(size=layer.forward(x).shape)
    still.forward(x)
    np.testing.assert_array_equal(layer.backward(error), still.backward(error))
    agree(layer.weights, still.weights - 0.05 * still.get_gradient_weights(), 1e-14)
    agree(layer.bias, still.bias - 0.05 * still.get_gradient_bias(), 1e-14)
    np.testing.assert_array_equal(layer.get_gradient_bias(), still.get_gradient_bias())


@pytest.mark.parametrize("optimizer", [SgdWithMomentum(0.01, 0.9), Adam(0.01, 0.9, 0.999)])
def test_arrays_have_separate_optimizer_states(optimizer, rng):
    """The updates equal those of two independent optimizers with the gradients of a second layer."""
    layer, still = Conv((1, 1), (1, 2, 2), 3), Conv((1, 1), (1, 2, 2), 3)
    first, second = optimizer.fresh(), optimizer.fresh()
    still.weights, still.bias = layer.weights, layer.bias
    layer.set_optimizer(optimizer.fresh())
    for _ in range(4):
        x, error = rng.normal(size=(2, 1, 3, 3)), rng.normal(size=(2, 3, 3, 3))
        for either in (layer, still):
            either.forward(x)
            either.backward(error)
        still.weights = first.calculate_update(1.0, still.weights, still.get_gradient_weights())
        still.bias = second.calculate_update(1.0, still.bias, still.get_gradient_bias())
    agree(layer.weights, still.weights, 1e-13)
    agree(layer.bias, still.bias, 1e-13)


@pytest.mark.parametrize("regularizer", [L1_Regularizer(0.3), L2_Regularizer(0.3)])
def test_regularization_excludes_bias(regularizer, rng):
    layer, x = Conv((1, 1), (2, 3, 3), 3), rng.normal(size=(1, 2, 3, 3))
    assert layer.calculate_regularization_loss() == 0
    optimizer = Sgd(0.1)
    optimizer.add_regularizer(regularizer)
    layer.set_optimizer(optimizer)
    layer.bias = [100.0, -50.0, 3.0]
    assert layer.calculate_regularization_loss() == pytest.approx(float(regularizer.norm(layer.weights)))
    before = layer.get_weights()
    layer.forward(x)
    layer.backward(np.zeros((1, 3, 3, 3)))
    agree(layer.weights, before - 0.1 * regularizer.calculate(before), 1e-13)
    np.testing.assert_array_equal(layer.bias, [100.0, -50.0, 3.0])


# ---------------------------------------------------------------------- dtypes, memory, input
@pytest.mark.parametrize("own", ["float32", "float64"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", [{}, {"padding": "valid", "dilation": 2}, {"padding": ((1, 0), (2, 1))}])
def test_dtype_is_kept(own, dtype, options, rng):
    layer = Conv((2, 1), (2, 3, 2), 3, dtype=own, **options)
    layer.set_optimizer(Adam(0.01, 0.9, 0.999))
    y = layer.forward(rng.normal(size=(2, 2, 6, 6)).astype(dtype))
    assert y.dtype == dtype
    assert layer.backward(y).dtype == dtype
    actual = {
        layer.weights.dtype,
        layer.bias.dtype,
        layer.get_gradient_weights().dtype,
        layer.get_gradient_bias().dtype,
    }
    assert actual == {np.dtype(own)}


def test_float32_precision(rng):
    layer, x = Conv((1, 1), (4, 5, 5), 6, dtype="float32"), rng.normal(size=(2, 4, 8, 8)).astype(np.float32)
    agree(layer.forward(x), convolve(x, layer.weights, layer.bias), 1e-6)


@pytest.mark.parametrize("kernel", [(2, 3, 3), (2, 1, 1)])
def test_any_memory_order_is_accepted(kernel, rng):
    layer, x = Conv((1, 1), kernel, 3), rng.normal(size=(2, 2, 4, 5))
    expected, error = layer.forward(x), rng.normal(size=(2, 3, 4, 5))
    pulled, grown = layer.backward(error), layer.get_gradient_weights()
    strided = np.repeat(np.repeat(x, 2, axis=3), 3, axis=0)[::3, :, :, ::2]
    turned = np.ascontiguousarray(x.transpose(3, 1, 0, 2)).transpose(2, 1, 3, 0)
    frozen, frozen_error = x.copy(), np.asfortranarray(error)
    frozen.flags.writeable = frozen_error.flags.writeable = False
    for same in (strided, turned, np.asfortranarray(x), frozen, x[:, ::-1][:, ::-1], x.astype(">f8")):
        agree(layer.forward(same), expected, 1e-13)
        agree(layer.backward(frozen_error), pulled, 1e-13)
        agree(layer.get_gradient_weights(), grown, 1e-13)
    np.testing.assert_array_equal(frozen, x)
    np.testing.assert_array_equal(frozen_error, error)


@pytest.mark.parametrize("kernel", [(2, 3, 3), (2, 1, 1)])
def test_writing_to_results_changes_nothing(kernel, rng):
    layer = Conv((1, 1), kernel, 3)
    y = layer.forward(rng.normal(size=(2, 2, 4, 5)))
    error = rng.normal(size=y.shape)
    first = layer.backward(error)
    expected, grown = first.copy(), layer.get_gradient_weights()
    y[:], first[:] = 0.0, 0.0
    np.testing.assert_array_equal(layer.backward(error), expected)
    np.testing.assert_array_equal(layer.get_gradient_weights(), grown)


def test_lists_and_integers():
    layer = Conv(1, (1, 2), 1)
    layer.weights, layer.bias = [[[1, 10]]], [5]
    np.testing.assert_array_equal(layer.forward([[[1, 2, 3]]]), [[[26.0, 37.0, 8.0]]])
    np.testing.assert_array_equal(layer.backward(np.ones((1, 1, 3), int)), [[[1.0, 11.0, 11.0]]])


@pytest.mark.parametrize(
    ("field", "config"),
    [
        ("convolution_shape", ((1, 1), (3,), 4)),
        ("convolution_shape", ((1, 1), (3, 5, 5, 5), 4)),
        ("convolution_shape", ((1, 1), 3, 4)),
        ("convolution_shape", ((1, 1), (3, 0, 5), 4)),
        ("convolution_shape", ((1, 1), (3, 5.0, 5), 4)),
        ("convolution_shape", ((1, 1), (3, True, 5), 4)),
        ("convolution_shape", ((1, 1), None, 4)),
        ("stride_shape", ((1, 1, 1), (3, 5, 5), 4)),
        ("stride_shape", ((1, 1), (3, 5), 4)),
        ("stride_shape", ((0, 1), (3, 5, 5), 4)),
        ("stride_shape", (-1, (3, 5, 5), 4)),
        ("stride_shape", (1.5, (3, 5, 5), 4)),
        ("stride_shape", ((), (3, 5, 5), 4)),
        ("stride_shape", (None, (3, 5, 5), 4)),
        ("num_kernels", ((1, 1), (3, 5, 5), 0)),
        ("num_kernels", ((1, 1), (3, 5, 5), 2.0)),
        ("num_kernels", ((1, 1), (3, 5, 5), True)),
        ("num_kernels", ((1, 1), (3, 5, 5), "4")),
    ],
)
def test_invalid_configuration_is_refused(field, config):
    with pytest.raises(ConfigError, match=f"Conv: {field} is out of range"):
        Conv(*config)


@pytest.mark.parametrize(
    "options",
    [
        {"padding": p}
        for p in ("SAME", "full", -1, 1.0, True, None, (1,), (1, 2, 3), (1, (2, 3, 4)), ((1, -1), 0), ("a", 1))
    ]
    + [{"dilation": d} for d in (0, -1, 1.5, True, (1, 2, 3), (1, 0), "2", None, ())],
    ids=str,
)
def test_invalid_options_are_refused(options):
    with pytest.raises(ConfigError, match=f"Conv: {next(iter(options))} is out of range"):
        Conv((1, 1), (3, 5, 5), 4, **options)


def test_invalid_dtype_is_refused():
    with pytest.raises(DtypeError, match="float32 or float64"):
        Conv((1, 1), (3, 5, 5), 4, dtype="float16")


@pytest.mark.parametrize(
    ("shape", "error", "words"),
    [
        ((2, 4, 6, 6), ShapeError, "another number of channels; expected 3"),
        ((3, 6, 6), ShapeError, "another rank; expected (batch, channel, y, x)"),
        ((2, 2, 3, 6, 6), ShapeError, "another rank"),
        ((2, 3), ShapeError, "another rank"),
        ((2, 3, 4, 6), ShapeError, "the window is larger than the input; expected at least 5"),
        ((2, 3, 6, 4), ShapeError, "the window is larger than the input; expected at least 5"),
        ((0, 3, 6, 6), DataError, "an input is empty"),
        ((2, 3, 0, 6), DataError, "an input is empty"),
    ],
)
def test_invalid_input_changes_nothing(shape, error, words, rng):
    layer, x = Conv((1, 1), (3, 5, 5), 2, padding="valid"), rng.normal(size=(2, 3, 6, 7))
    layer.set_optimizer(Sgd(0.1))
    y = layer.forward(x)
    before = layer.get_weights()
    with pytest.raises(error) as caught:
        layer.forward(np.ones(shape))
    assert words in str(caught.value)
    for wrong in (np.ones((1, *y.shape[1:])), np.ones((2, 2, 3, 2)), np.ones(y.shape[1:])):
        with pytest.raises(ShapeError, match="the shape of its output"):
            layer.backward(wrong)
    np.testing.assert_array_equal(layer.weights, before)
    assert layer.backward(np.ones_like(y)).shape == x.shape


def test_other_invalid_input_is_refused():
    layer = Conv(1, (3, 5), 2)
    with pytest.raises(StateError, match="backward before forward"):
        layer.backward(np.ones((1, 2, 6)))
    with pytest.raises(StateError, match="no gradient yet"):
        layer.get_gradient_bias()
    with pytest.raises(ShapeError, match=r"expected \(batch, channel, x\)"):
        layer.forward(np.ones((1, 3, 6, 6)))
    with pytest.raises(DtypeError):
        layer.forward(np.ones((1, 3, 6), complex))
