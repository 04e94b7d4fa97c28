"""Conv and the poolings against torch, if it is installed."""

import numpy as np
import pytest
from conv_oracle import agree

from graphnet_conv import AveragePooling, Conv, GlobalAveragePooling, Pooling

torch = pytest.importorskip("torch")
functions = torch.nn.functional


@pytest.fixture
def rng():
    return np.random.default_rng(53)


def tensor(array):
    return torch.tensor(np.ascontiguousarray(array), dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize(
    ("size", "stride", "kernel", "padding", "dilation"),
    [
        ((28, 28), (1, 1), (1, 5, 5), 2, 1),
        ((14, 13), (1, 1), (6, 5, 5), 0, 1),
        ((13, 17), (3, 2), (4, 5, 3), (2, 1), 1),
        ((12, 11), (2, 5), (3, 4, 2), (1, 3), (2, 3)),
        ((9, 8), (4, 3), (5, 1, 1), 0, 1),
        ((31,), (2,), (4, 6), 3, 2),
        ((20,), (7,), (3, 4), 0, 1),
    ],
)
def test_conv(batch, size, stride, kernel, padding, dilation, rng):
    layer = Conv(stride, kernel, 6, padding=padding, dilation=dilation)
    layer.set_weights(rng.normal(size=(6, *kernel)))
    layer.bias = rng.normal(size=6)
    x = rng.normal(size=(batch, kernel[0], *size))
    x_torch, weights, bias = tensor(x), tensor(layer.weights), tensor(layer.bias)
    convolve = functions.conv2d if len(size) == 2 else functions.conv1d
    expected = convolve(x_torch, weights, bias, stride=stride, padding=padding, dilation=dilation)
    agree(layer.forward(x), expected.detach().numpy(), 1e-10)
    error = rng.normal(size=expected.shape)
    expected.backward(torch.tensor(error))
    agree(layer.backward(error), x_torch.grad.numpy(), 1e-10)
    agree(layer.get_gradient_weights(), weights.grad.numpy(), 1e-10)
    agree(layer.get_gradient_bias(), bias.grad.numpy(), 1e-10)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.parametrize(("m", "n"), [(3, 5), (4, 2), (1, 6)])
def test_same(m, n, rng):
    """torch's 'same' also adds an odd cell at the end."""
    layer = Conv((1, 1), (3, m, n), 4)
    x = rng.normal(size=(2, 3, 8, 9))
    expected = functions.conv2d(tensor(x), tensor(layer.weights), tensor(layer.bias), padding="same")
    agree(layer.forward(x), expected.detach().numpy(), 1e-10)


@pytest.mark.parametrize(
    ("size", "stride", "window"), [((9, 8), (2, 3), (3, 2)), ((12, 12), 2, (2, 2)), ((11,), 2, (3,))]
)
def test_pooling(size, stride, window, rng):
    x = rng.normal(size=(3, 4, *size))
    two = len(size) == 2
    for layer, function in (
        (Pooling, functions.max_pool2d if two else functions.max_pool1d),
        (AveragePooling, functions.avg_pool2d if two else functions.avg_pool1d),
    ):
        pooling, x_torch = layer(stride, window), tensor(x)
        expected = function(x_torch, window, stride)
        agree(pooling.forward(x), expected.detach().numpy(), 1e-10)
        error = rng.normal(size=expected.shape)
        expected.backward(torch.tensor(error))
        agree(pooling.backward(error), x_torch.grad.numpy(), 1e-10)


def test_global_average_pooling(rng):
    x = rng.normal(size=(3, 4, 5, 6))
    agree(
        GlobalAveragePooling().forward(x),
        functions.adaptive_avg_pool2d(tensor(x), 1)[:, :, 0, 0].detach().numpy(),
        1e-10,
    )
