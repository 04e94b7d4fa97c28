"""Conv against plain loops and numeric derivatives."""

import math

import numpy as np
import pytest
from conv_oracle import agree, convolve, slopes

from graphnet import Builder, Phase, Runner
from graphnet_conv import Conv

pytestmark = pytest.mark.usefixtures("every_backend")

#: name: (input shape, stride, convolution_shape, num_kernels, options)
CASES = {
    "odd kernel": ((2, 3, 5, 6), (1, 1), (3, 3, 3), 4, {}),
    "even kernel": ((2, 2, 5, 4), (1, 1), (2, 2, 4), 3, {}),
    "even and odd": ((2, 1, 6, 5), (1, 1), (1, 2, 3), 2, {}),
    "one number as stride": ((2, 2, 5, 6), 2, (2, 3, 3), 2, {}),
    "stride leaves a rest": ((2, 2, 7, 8), (3, 2), (2, 3, 5), 3, {}),
    "stride above the kernel": ((1, 2, 9, 7), (4, 3), (2, 2, 1), 2, {}),
    "stride above the image": ((2, 1, 4, 5), (9, 7), (1, 3, 3), 2, {}),
    "1x1": ((3, 4, 3, 2), (1, 1), (4, 1, 1), 2, {}),
    "1x1 with stride": ((2, 3, 5, 5), (2, 3), (3, 1, 1), 2, {}),
    "1x1 with padding": ((2, 3, 2, 4), (1, 1), (3, 1, 1), 2, {"padding": 1}),
    "kernel above the image": ((2, 2, 2, 3), (1, 1), (2, 5, 4), 2, {}),
    "dilation": ((2, 2, 7, 8), (1, 1), (2, 3, 2), 2, {"dilation": 2}),
    "dilation by axis": ((1, 2, 7, 9), (2, 1), (2, 2, 3), 3, {"dilation": (3, 2)}),
    "dilation valid": ((2, 2, 7, 8), (2, 2), (2, 3, 3), 2, {"dilation": (2, 3), "padding": "valid"}),
    "valid": ((2, 3, 6, 5), (1, 1), (3, 3, 2), 4, {"padding": "valid"}),
    "valid with a rest": ((2, 2, 8, 7), (3, 2), (2, 2, 4), 2, {"padding": "valid"}),
    "valid, one place": ((2, 2, 3, 4), (1, 1), (2, 3, 4), 5, {"padding": "valid"}),
    "padding 2": ((2, 1, 4, 5), (1, 1), (1, 3, 3), 2, {"padding": 2}),
    "padding by axis": ((2, 2, 4, 5), (2, 1), (2, 3, 2), 2, {"padding": (0, 3)}),
    "padding by side": ((1, 2, 4, 5), (1, 2), (2, 3, 3), 2, {"padding": ((1, 0), (2, 4))}),
    "padding mixed": ((1, 2, 4, 5), (1, 1), (2, 2, 3), 2, {"padding": (1, (0, 2))}),
    "signal": ((3, 2, 8), (1,), (2, 3), 4, {}),
    "signal, even kernel": ((2, 3, 7), (1,), (3, 4), 2, {}),
    "signal, stride": ((2, 2, 8), (3,), (2, 3), 2, {}),
    "signal, one number as stride": ((2, 2, 9), 2, (2, 4), 3, {}),
    "signal, valid": ((2, 2, 9), 4, (2, 3), 2, {"padding": "valid"}),
    "signal, dilation": ((1, 2, 9), 1, (2, 3), 2, {"dilation": 3}),
    "signal, padding by side": ((2, 1, 5), 2, (1, 2), 2, {"padding": ((3, 1),)}),
    "signal, 1": ((2, 3, 4), 1, (3, 1), 2, {}),
    "one of everything": ((1, 1, 1, 1), (1, 1), (1, 1, 1), 1, {}),
}
TABLE = pytest.mark.parametrize(("shape", "stride", "kernel", "count", "options"), CASES.values(), ids=CASES)


@pytest.fixture
def rng():
    return np.random.default_rng(23)


def layer_and_weights(stride, kernel, count, options, rng):
    layer = Conv(stride, kernel, count, **options)
    layer.set_weights(rng.normal(size=(count, *kernel)))
    layer.bias = rng.normal(size=count)
    return layer


@TABLE
def test_forward_equals_plain_loop(shape, stride, kernel, count, options, rng):
    layer, x = layer_and_weights(stride, kernel, count, options, rng), rng.normal(size=shape)
    expected = convolve(x, layer.weights, layer.bias, stride, **options)
    for phase in Phase:
        layer.phase = phase
        agree(layer.forward(x), expected, 1e-12)


@TABLE
def test_backward_equals_numeric_derivative(shape, stride, kernel, count, options, rng):
    """By differences of the layer itself, which another test compares with the loop; the error is random."""
    layer, x = layer_and_weights(stride, kernel, count, options, rng), rng.normal(size=shape)
    w, b = layer.get_weights(), layer.bias.copy()
    error = rng.normal(size=layer.forward(x).shape)
    pulled, grown, grown_bias = layer.backward(error), layer.get_gradient_weights(), layer.get_gradient_bias()

    def loss(x, w, b):
        return float((layer.apply(x, weights=w, bias=b)[0] * error).sum())

    agree(pulled, slopes(lambda moved: loss(moved, w, b), x))
    agree(grown, slopes(lambda moved: loss(x, moved, b), w))
    agree(grown_bias, slopes(lambda moved: loss(x, w, moved), b))


@pytest.mark.parametrize(("size", "stride", "m"), [(7, 1, 3), (7, 2, 3), (8, 2, 4), (8, 3, 2), (5, 7, 3), (1, 2, 6)])
def test_same_padding_output_size(size, stride, m, rng):
    y = Conv((stride, 1), (2, m, 1), 3).forward(rng.normal(size=(2, 2, size, 4)))
    assert y.shape == (2, 3, math.ceil(size / stride), 4)


def test_even_kernel_pads_at_end():
    layer = Conv(1, (1, 2), 1)
    layer.weights, layer.bias = [[[1.0, 10.0]]], [0.0]
    np.testing.assert_array_equal(layer.forward([[[1.0, 2.0, 3.0]]]), [[[21.0, 32.0, 3.0]]])


def test_kernel_is_not_flipped():
    """Cross-correlation with an impulse gives the flipped kernel."""
    layer, impulse = Conv((1, 1), (1, 3, 3), 1), np.zeros((1, 1, 3, 3))
    layer.weights, layer.bias, impulse[0, 0, 1, 1] = np.arange(9.0).reshape(1, 1, 3, 3), [0.0], 1.0
    np.testing.assert_array_equal(layer.forward(impulse)[0, 0], np.arange(9.0)[::-1].reshape(3, 3))


def test_full_kernel_equals_fully_connected(rng):
    layer, x = layer_and_weights((1, 1), (2, 4, 3), 5, {"padding": "valid"}, rng), rng.normal(size=(6, 2, 4, 3))
    agree(layer.forward(x)[:, :, 0, 0], x.reshape(6, -1) @ layer.weights.reshape(5, -1).T + layer.bias, 1e-13)


@TABLE
def test_sequences_of_images(shape, stride, kernel, count, options, rng):
    """Each step of (time, batch, channel, …) gives its own result; gradients are summed over the steps."""
    layer, alone = (layer_and_weights(stride, kernel, count, options, rng) for _ in range(2))
    alone.weights, alone.bias = layer.weights, layer.bias
    builder, axes = Builder(), ("y", "x")[3 - len(kernel) :]
    declared = f"time, batch, channel={kernel[0]}, {', '.join(axes)}"
    runner = Runner(builder.build(seen=layer(builder.input("frames", declared))))
    x = rng.normal(size=(3, *shape))
    y = runner.forward({"frames": x})["seen"]
    error = rng.normal(size=y.shape)
    pulled = runner.backward({"seen": error})["frames"]
    kernels, bias = 0.0, 0.0
    for t in range(3):
        agree(y[t], alone.forward(x[t]), 1e-13)
        agree(pulled[t], alone.backward(error[t]), 1e-13)
        kernels, bias = kernels + alone.get_gradient_weights(), bias + alone.get_gradient_bias()
    agree(layer.get_gradient_weights(), kernels, 1e-12)
    agree(layer.get_gradient_bias(), bias, 1e-12)
