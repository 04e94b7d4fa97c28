"""Pooling, AveragePooling and GlobalAveragePooling against plain loops and numeric derivatives."""

import inspect

import numpy as np
import pytest
from conv_oracle import agree, pool, slopes

from graphnet import Builder, ConfigError, DataError, Phase, Runner, ShapeError, StateError
from graphnet_conv import AveragePooling, GlobalAveragePooling, Pooling

pytestmark = pytest.mark.usefixtures("every_backend")

#: name: (input shape, stride, window)
CASES = {
    "side by side": ((2, 3, 4, 6), (2, 2), (2, 2)),
    "overlapping": ((2, 2, 5, 6), (1, 2), (3, 3)),
    "overlapping, stride 1": ((2, 1, 4, 5), (1, 1), (2, 3)),
    "windows leave a rest": ((2, 2, 8, 7), (3, 2), (3, 2)),
    "stride above the window": ((1, 2, 8, 9), (4, 3), (2, 2)),
    "stride above the image": ((1, 2, 3, 4), (9, 9), (2, 3)),
    "one window": ((3, 2, 3, 4), (1, 1), (3, 4)),
    "1x1": ((2, 2, 3, 4), (1, 1), (1, 1)),
    "1x1 with stride": ((2, 2, 5, 4), (2, 3), (1, 1)),
    "one number as stride": ((2, 2, 5, 6), 2, (2, 3)),
    "signal": ((2, 3, 8), (2,), (2,)),
    "signal, overlapping": ((2, 3, 8), 1, (3,)),
    "signal, a rest": ((2, 2, 9), (4,), (2,)),
}
TABLE = pytest.mark.parametrize(("shape", "stride", "window"), CASES.values(), ids=CASES)
BOTH = pytest.mark.parametrize("layer", [Pooling, AveragePooling])


@pytest.fixture
def rng():
    return np.random.default_rng(41)


@TABLE
@BOTH
def test_passes_equal_plain_loop(layer, shape, stride, window, rng):
    pooling, x, average = layer(stride, window), rng.normal(size=shape), layer is AveragePooling
    expected, _ = pool(x, window, stride, average=average)
    for phase in Phase:
        pooling.phase = phase
        agree(pooling.forward(x), expected, 1e-14)
    error = rng.normal(size=expected.shape)
    agree(pooling.backward(error), pool(x, window, stride, error, average)[1], 1e-14)


@TABLE
@BOTH
def test_backward_equals_numeric_derivative(layer, shape, stride, window, rng):
    """Numbers at least 0.01 apart, so that small steps do not move a maximum."""
    pooling, x = layer(stride, window), rng.permutation(np.prod(shape)).reshape(shape) * 0.01
    error = rng.normal(size=pooling.forward(x).shape)
    agree(pooling.backward(error), slopes(lambda moved: float((pooling.forward(moved) * error).sum()), x, 1e-3))


@TABLE
def test_first_maximum_wins_ties(shape, stride, window, rng):
    pooling, x = Pooling(stride, window), rng.integers(-1, 2, size=shape) * 1.0
    expected, _ = pool(x, window, stride)
    error = rng.normal(size=expected.shape)
    agree(pooling.forward(x), expected, 1e-14)
    agree(pooling.backward(error), pool(x, window, stride, error)[1], 1e-14)


def test_tie_example():
    pooling = Pooling((2, 2), (2, 2))
    pooling.forward([[[[1.0, 5.0], [5.0, 5.0]]]])
    np.testing.assert_array_equal(pooling.backward([[[[3.0]]]]), [[[[0.0, 3.0], [0.0, 0.0]]]])


def test_negative_maxima_are_kept():
    assert Pooling(1, (2,)).forward([[[-3.0, -2.0, -7.0]]]).tolist() == [[[-2.0, -2.0]]]
    assert Pooling(1, (2,)).forward([[[-np.inf, -np.inf]]]).tolist() == [[[-np.inf]]]


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (3, 2, 6), (1, 1, 1, 1), (2, 3, 2, 2, 2)])
def test_global_average(shape, rng):
    pooling, x = GlobalAveragePooling(), rng.normal(size=shape)
    y = pooling.forward(x)
    agree(y, [[np.mean(channel) for channel in row] for row in x], 1e-14)
    error = rng.normal(size=y.shape)
    pulled = pooling.backward(error)
    agree(pulled, slopes(lambda moved: float((pooling.forward(moved) * error).sum()), x))
    pulled[:] = 0.0


def test_nan_is_not_hidden():
    y = Pooling((2, 2), (2, 2)).forward([[[[1.0, np.nan, 3.0, 4.0], [5.0, 0.0, 2.0, 1.0]]]])
    np.testing.assert_array_equal(y, [[[[np.nan, 4.0]]]])


@pytest.mark.parametrize("window", [(16, 16), (17, 16)])
def test_windows_with_many_cells(window):
    """The last cell has the maximum, so its index is the largest possible one."""
    pooling, x = Pooling(1, window), np.arange(float(np.prod(window))).reshape(1, 1, *window)
    assert pooling.forward(x).item() == x.max()
    assert pooling.backward([[[[2.0]]]]).ravel().tolist() == [0.0] * (x.size - 1) + [2.0]


# ---------------------------------------------------------------------- what holds for all three
LAYERS = pytest.mark.parametrize(
    "pooling", [Pooling(2, (2, 2)), AveragePooling(2, (2, 2)), GlobalAveragePooling()], ids=repr
)


@LAYERS
def test_sequences_of_images(pooling, rng):
    builder = Builder()
    graph = builder.build(seen=pooling(builder.input("frames", "time, batch, channel=3, y, x")))
    runner, x = Runner(graph), rng.normal(size=(4, 2, 3, 5, 6))
    y = runner.forward({"frames": x})["seen"]
    error = rng.normal(size=y.shape)
    pulled = runner.backward({"seen": error})["frames"]
    for t in range(4):
        agree(y[t], pooling.forward(x[t]), 1e-14)
        agree(pulled[t], pooling.backward(error[t]), 1e-14)


@LAYERS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_and_memory(pooling, dtype, rng):
    x = rng.normal(size=(2, 3, 4, 6)).astype(dtype)
    expected = pooling.forward(x)
    error = rng.normal(size=expected.shape).astype(dtype)
    pulled = pooling.backward(error)
    assert expected.dtype == pulled.dtype == dtype
    frozen = x.copy()
    frozen.flags.writeable = error.flags.writeable = False
    for same in (frozen, np.asfortranarray(x), np.repeat(x, 2, axis=3)[..., ::2]):
        y = pooling.forward(same)
        agree(y, expected, 1e-6)
        y[:] = 0.0
        agree(pooling.backward(np.asfortranarray(error)), pulled, 1e-6)
    np.testing.assert_array_equal(frozen, x)


@LAYERS
def test_pooling_refuses_invalid_input(pooling):
    assert not pooling.trainable
    assert pooling.calculate_regularization_loss() == 0
    fresh = type(pooling)(**pooling.config())
    with pytest.raises(StateError, match="backward before forward"):
        fresh.backward(np.ones((1, 1)))
    with pytest.raises(DataError, match="an input is empty"):
        pooling.forward(np.ones((0, 3, 4, 4)))
    with pytest.raises(ShapeError, match=r"expected \(batch, channel, y, x\)"):
        pooling.forward(np.ones((2, 3)))
    y = pooling.forward(np.ones((2, 3, 4, 4)))
    with pytest.raises(ShapeError, match="the shape of its output"):
        pooling.backward(np.ones((2, 3, 4, 4)))
    assert pooling.backward(y).shape == (2, 3, 4, 4)


@BOTH
def test_constructor_and_shape_errors(layer):
    assert list(inspect.signature(layer).parameters) == ["stride_shape", "pooling_shape", "padding"]
    with pytest.raises(ShapeError, match="window is larger than the input; expected at least 3"):
        layer((1, 1), (3, 2)).forward(np.ones((1, 2, 2, 4)))
    with pytest.raises(ShapeError, match=r"expected \(batch, channel, x\)"):
        layer(1, (3,)).forward(np.ones((1, 2, 4, 4)))
    with pytest.raises(ShapeError, match="another rank"):
        layer(1, (3, 3)).forward(np.ones((1, 2, 4, 4, 4)))


@BOTH
@pytest.mark.parametrize(
    ("field", "stride", "window"),
    [
        ("pooling_shape", 1, 2),
        ("pooling_shape", 1, ()),
        ("pooling_shape", 1, (2, 2, 2)),
        ("pooling_shape", 1, (0, 2)),
        ("pooling_shape", 1, (2.0, 2)),
        ("pooling_shape", 1, (True, 2)),
        ("stride_shape", (1, 1), (2,)),
        ("stride_shape", 0, (2, 2)),
        ("stride_shape", (1, -1), (2, 2)),
        ("stride_shape", 1.5, (2, 2)),
        ("stride_shape", None, (2, 2)),
        ("stride_shape", "2", (2, 2)),
    ],
)
def test_invalid_configuration_is_refused(layer, field, stride, window):
    with pytest.raises(ConfigError, match=f"{layer.__name__}: {field} is out of range"):
        layer(stride, window)


PADDED = [
    ((2, 3, 5, 6), (2, 2), (3, 3), "same"),
    ((2, 2, 5, 7), (2, 1), (2, 3), (1, (0, 2))),
    ((1, 2, 4, 4), 1, (2, 2), 1),
    ((2, 3, 9), (2,), (4,), "same"),
    ((2, 2, 6), (3,), (3,), ((2, 0),)),
]


def padded_windows(x, window, stride, padding):
    """Each window as the list of its cells that lie in the input, by output position."""
    axes = len(window)
    stride = (stride,) * axes if isinstance(stride, int) else stride
    if padding == "same":
        padding = tuple(((m - 1) // 2, (m - 1) - (m - 1) // 2) for m in window)
    elif isinstance(padding, int):
        padding = (padding,) * axes
    pairs = [p if isinstance(p, tuple) else (p, p) for p in padding]
    sizes = [(n + a + b - m) // s + 1 for n, (a, b), m, s in zip(x.shape[-axes:], pairs, window, stride, strict=True)]
    for place in np.ndindex(*sizes):
        starts = [i * s - a for i, s, (a, _) in zip(place, stride, pairs, strict=True)]
        yield place, [
            cell for cell in np.ndindex(*x.shape[-axes:])
            if all(start <= c < start + m for c, start, m in zip(cell, starts, window, strict=True))
        ]  # fmt: skip


@pytest.mark.parametrize(("shape", "stride", "window", "padding"), PADDED, ids=str)
@BOTH
def test_padding_is_never_in_a_result(layer, shape, stride, window, padding, rng):
    pooling, x = layer(stride, window, padding=padding), rng.permutation(np.prod(shape)).reshape(shape) * 0.01 - 5.0
    y = pooling.forward(x)
    for place, cells in padded_windows(x, window, stride, padding):
        values = np.stack([x[(..., *cell)] for cell in cells])
        expected = values.mean(axis=0) if layer is AveragePooling else values.max(axis=0)
        agree(y[(..., *place)], expected, 1e-14)
    error = rng.normal(size=y.shape)
    agree(pooling.backward(error), slopes(lambda moved: float((pooling.forward(moved) * error).sum()), x, 1e-3))
    assert pooling.forward(x.astype(np.float32)).dtype == np.float32


@BOTH
def test_padding_that_does_not_fit(layer):
    for padding in (2, (1, 2), "full", -1, ((0, 2), 0), None):
        with pytest.raises(ConfigError, match="padding"):
            layer(1, (2, 2), padding=padding)
    assert layer(2, (3, 3), padding="same").forward(np.zeros((1, 1, 7, 6))).shape == (1, 1, 4, 3)
