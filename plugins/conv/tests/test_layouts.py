"""Memory order, blocks of columns and pieces of products do not change results."""

import numpy as np
import pytest
from conv_oracle import agree, convolve, pool

from graphnet_conv import AveragePooling, Conv, Pooling, im2col, wide_matmul

pytestmark = pytest.mark.usefixtures("every_backend")

#: (input shape, stride, convolution_shape, num_kernels, options)
CONVOLUTIONS = {
    "padded": ((3, 2, 6, 5), (1, 1), (2, 3, 2), 4, {}),
    "stride and dilation": ((2, 2, 9, 8), (2, 3), (2, 3, 2), 3, {"dilation": (2, 1), "padding": 1}),
    "1x1": ((3, 4, 5, 2), (1, 1), (4, 1, 1), 2, {}),
    "signal": ((3, 2, 9), 2, (2, 3), 4, {"padding": "valid"}),
}
TABLE = pytest.mark.parametrize(
    ("shape", "stride", "kernel", "count", "options"), CONVOLUTIONS.values(), ids=CONVOLUTIONS
)
ORDERS = {
    "batch last": lambda a: np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 0, -1)), -1, 0),
    "channels last": lambda a: np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1),
    "Fortran": np.asfortranarray,
    "every second": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "backwards": lambda a: np.ascontiguousarray(a[::-1, ..., ::-1])[::-1, ..., ::-1],
    "read-only": lambda a: np.broadcast_to(a, a.shape),
}
ORDER = pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)


@pytest.fixture
def rng():
    return np.random.default_rng(61)


def rules(layer, x, error, weights):
    """Output, input error and gradients by the layer's pure rules."""
    y, saved = layer.apply(x, **weights)
    kernels = {name: array for name, array in weights.items() if name == "weights"}
    gradients = layer.grad(saved, error) if weights else {}
    return [y, layer.pull(saved, error, **kernels), *gradients.values()]


def convolution(shape, stride, kernel, count, options, rng):
    layer, x = Conv(stride, kernel, count, **options), rng.normal(size=shape)
    weights = {"weights": rng.normal(size=(count, *kernel)), "bias": rng.normal(size=count)}
    expected = convolve(x, weights["weights"], weights["bias"], stride, **({"padding": "same"} | options))
    return layer, x, rng.normal(size=expected.shape), weights, expected


@ORDER
@TABLE
def test_conv_reads_any_memory_order(shape, stride, kernel, count, options, order, rng):
    layer, x, error, weights, expected = convolution(shape, stride, kernel, count, options, rng)
    plain = rules(layer, x, error, weights)
    agree(plain[0], expected, 1e-12)
    for arrays in ((order(x), error), (x, order(error)), (order(x), order(error))):
        for actual, same in zip(rules(layer, *arrays, weights), plain, strict=True):
            agree(actual, same, 1e-12)


@ORDER
@pytest.mark.parametrize(("window", "stride"), [((2, 2), 2), ((3, 2), (1, 2)), ((1, 3), (2, 3)), ((2, 1), (3, 1))])
@pytest.mark.parametrize("kind", [Pooling, AveragePooling])
def test_pooling_reads_any_memory_order(kind, window, stride, order, rng):
    x = rng.integers(-2, 3, size=(3, 2, 7, 6)) * 1.0  # ties
    expected, _ = pool(x, window, stride, average=kind is AveragePooling)
    error = rng.normal(size=expected.shape)
    pulled = pool(x, window, stride, error, kind is AveragePooling)[1]
    for arrays in ((order(x), error), (x, order(error)), (order(x), order(error))):
        actual = rules(kind(stride, window), *arrays, {})
        agree(actual[0], expected, 1e-14)
        agree(actual[1], pulled, 1e-14)


@pytest.mark.parametrize("rows", [1, 2, 3])
@TABLE
def test_blocks_give_same_result(shape, stride, kernel, count, options, rows, rng, monkeypatch):
    layer, x, error, weights, _ = convolution(shape, stride, kernel, count, options, rng)
    whole = rules(layer, x, error, weights)
    across = error.shape[-1] * shape[0] * 8
    monkeypatch.setattr(im2col, "BLOCK", rows * int(np.prod(kernel)) * across)
    for actual, same in zip(rules(layer, x, error, weights), whole, strict=True):
        agree(actual, same, 1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("rows", "inside", "columns"), [(2, 3, 17), (4, 2, 16), (1, 1, 40), (5, 5, 6), (3, 2, 1)])
def test_wide_matmul_in_pieces(rows, inside, columns, dtype, rng, monkeypatch):
    monkeypatch.setattr(wide_matmul, "PIECE", 30)
    monkeypatch.setattr(wide_matmul, "MIN_COLUMNS", 2)
    a, b = rng.normal(size=(rows, inside)).astype(dtype), rng.normal(size=(inside, columns)).astype(dtype)
    error = rng.normal(size=(rows, columns)).astype(dtype)
    tolerance = 1e-13 if dtype == "float64" else 1e-5
    for actual, expected in (
        (wide_matmul.wide_matmul(a, b), np.einsum("rk,kn->rn", a, b)),
        (wide_matmul.wide_inner(b, error), np.einsum("kn,rn->kr", b, error)),
        (wide_matmul.wide_matmul(a.T, error), np.einsum("rk,rn->kn", a, error)),
    ):
        assert actual.dtype == dtype
        agree(actual, expected, tolerance)


def test_conv_with_several_pieces(rng):
    """Products large enough to be cut; each gradient is checked by another formula."""
    layer, x = Conv(1, (2, 3, 3), 4, padding=1), rng.normal(size=(8, 2, 50, 60))
    weights = {"weights": rng.normal(size=(4, 2, 3, 3)), "bias": rng.normal(size=4)}
    error = rng.normal(size=(8, 4, 50, 60))
    y, pulled, kernels, bias = rules(layer, x, error, weights)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows_of_x = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    agree(y, np.einsum("bcuvij,kcij->bkuv", windows_of_x, weights["weights"]) + weights["bias"][:, None, None], 1e-10)
    agree(kernels, np.einsum("bcuvij,bkuv->kcij", windows_of_x, error), 1e-10)
    agree(bias, np.einsum("bkuv->k", error), 1e-10)
    moved = rng.normal(size=x.shape)
    change = layer.apply(moved, weights=weights["weights"], bias=np.zeros(4))[0]
    assert np.isclose((pulled * moved).sum(), (error * change).sum(), rtol=1e-10)


def test_nan_window_keeps_the_error():
    layer = Pooling((2, 2), (2, 2))
    for place in np.ndindex(2, 2):
        x = np.array([[[[1.0, 4.0], [3.0, 2.0]]]])
        x[0, 0][place] = np.nan
        saved = layer.apply(x)[1]
        assert layer.pull(saved, np.full((1, 1, 1, 1), 7.0)).sum() == 7.0


def test_outputs_are_batch_last_in_memory(rng):
    """The next layer reads such outputs without a copy."""
    y, _ = Conv(1, (2, 3, 3), 4).apply(
        rng.normal(size=(5, 2, 8, 8)), weights=rng.normal(size=(4, 2, 3, 3)), bias=np.zeros(4)
    )
    z, _ = Pooling(2, (2, 2)).apply(y)
    for array in (y, z):
        assert array.transpose(1, 2, 3, 0).flags.c_contiguous
