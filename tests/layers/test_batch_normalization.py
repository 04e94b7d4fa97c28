"""Batch normalization: statistics by hand, phases, images, sequences."""

import numpy as np
import pytest
from helpers.numeric_gradient import close, numeric

from graphnet import BatchNormalization, Builder, Phase, Runner, ShapeError, StateError


def batches(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) * rng.uniform(0.5, 2, size=shape[-1]) + rng.normal(size=shape[-1])


def test_training_output_matches_formula():
    x = batches(6, 3)
    layer = BatchNormalization(epsilon=0.01)
    layer.forward(x)
    layer.weights, layer.bias = [2, 3, 4], [0.5, 0, -1]
    expected = (x - x.mean(0)) / np.sqrt(x.var(0) + 0.01) * [2, 3, 4] + [0.5, 0, -1]
    np.testing.assert_allclose(layer.forward(x), expected, rtol=1e-12)


def test_default_epsilon():
    x = np.array([[1e-5], [-1e-5]])
    np.testing.assert_allclose(BatchNormalization().forward(x), [[0.5**0.5], [-(0.5**0.5)]], rtol=1e-9)
    assert BatchNormalization(epsilon=1e-5).epsilon == 1e-5


@pytest.mark.parametrize("momentum", [0.8, 0.0, 0.35])
def test_the_test_phase_uses_running_statistics(momentum):
    layer = BatchNormalization(3, **({} if momentum == 0.8 else {"momentum": momentum}))
    first, second, third = (batches(5 + i, 3, seed=i) for i in range(3))
    layer.forward(first)
    layer.phase = Phase.test
    mean, variance = first.mean(0), first.var(0)
    np.testing.assert_allclose(layer.forward(third), (third - mean) / np.sqrt(variance + 1e-10), rtol=1e-12)
    layer.phase = Phase.train
    layer.forward(second)
    layer.phase = Phase.test
    mean = momentum * mean + (1 - momentum) * second.mean(0)
    variance = momentum * variance + (1 - momentum) * second.var(0)
    for _ in range(2):  # the test phase changes no statistics
        np.testing.assert_allclose(layer.forward(third), (third - mean) / np.sqrt(variance + 1e-10), rtol=1e-12)
    np.testing.assert_allclose(layer.forward(third[:1]), ((third - mean) / np.sqrt(variance + 1e-10))[:1], rtol=1e-12)


def test_the_test_phase_before_any_training_batch():
    for layer in (BatchNormalization(3), BatchNormalization()):
        layer.phase = Phase.test
        with pytest.raises(StateError, match="no running statistics yet.*Run at least one training batch"):
            layer.forward(batches(4, 3))
        layer.phase = Phase.train
        assert layer.forward(batches(4, 3)).std() == pytest.approx(1)


def test_statistics_are_constants_in_the_test_phase():
    layer, x = BatchNormalization(3), batches(5, 3)
    layer.forward(batches(7, 3, seed=3))
    layer.weights = [2, -1, 0.5]
    layer.phase = Phase.test
    error = np.random.default_rng(9).normal(size=x.shape)
    layer.forward(x)
    close(layer.backward(error), numeric(lambda v: (layer.forward(v) * error).sum(), x))
    normal = (x - layer.buffer_values["mean"]) / np.sqrt(layer.buffer_values["variance"] + 1e-10)
    np.testing.assert_allclose(layer.get_gradient_weights(), (error * normal).sum(0), rtol=1e-12)


@pytest.mark.parametrize("shape", [(4, 3, 5), (4, 3, 2, 6)])
def test_images_are_normalized_per_channel(shape):
    x = np.random.default_rng(1).normal(size=shape) * 3 + 1
    flat, images = BatchNormalization(3), BatchNormalization(3)
    for layer in (flat, images):
        layer.weights, layer.bias = [2, -1, 0.5], [1, 2, 3]
    long = np.moveaxis(x, 1, -1)
    y = images.forward(x)
    np.testing.assert_allclose(np.moveaxis(y, 1, -1), flat.forward(long.reshape(-1, 3)).reshape(long.shape), rtol=1e-12)
    error = np.random.default_rng(2).normal(size=shape)
    pulled = flat.backward(np.moveaxis(error, 1, -1).reshape(-1, 3)).reshape(long.shape)
    np.testing.assert_allclose(np.moveaxis(images.backward(error), 1, -1), pulled, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(images.get_gradient_weights(), flat.get_gradient_weights(), rtol=1e-11)
    np.testing.assert_allclose(
        images.get_gradient_bias(), error.sum(tuple(i for i in range(x.ndim) if i != 1)), rtol=1e-12
    )


def running(shape, **config):
    g = Builder("m")
    return Runner(g.build(y=BatchNormalization(**config)(g.input("x", shape), name="n")))


@pytest.mark.parametrize("axes", ["feature=3", "channel=3, x=2", "channel=3, y=2, x=2"])
@pytest.mark.parametrize("lengths", [[5, 2, 4, 0], [3, 3, 3, 3], None])
def test_sequences_are_normalized_over_their_valid_steps(axes, lengths):
    inner = tuple(int(part.split("=")[1]) for part in axes.split(", "))
    x = np.random.default_rng(4).normal(size=(5, 4, *inner)) * 2 + 3
    runner = running(f"time, batch, {axes}")
    y = runner.forward({"x": x}, lengths=lengths)["y"]
    valid = np.arange(5)[:, None] < np.array(lengths or [5] * 4)
    alone = BatchNormalization(3)
    np.testing.assert_allclose(y[valid], alone.forward(x[valid]), rtol=1e-12)
    assert not y[~valid].any()
    for name in ("mean", "variance", "batches"):
        np.testing.assert_allclose(runner.buffers[f"n/{name}"], alone.buffer_values[name], rtol=1e-12)
    error = np.random.default_rng(5).normal(size=x.shape)
    pulled = runner.backward({"y": error})["x"]
    np.testing.assert_allclose(pulled[valid], alone.backward(error[valid]), rtol=1e-10, atol=1e-12)
    assert not pulled[~valid].any()
    np.testing.assert_allclose(runner.parameters["n/weights"].gradient, alone.get_gradient_weights(), rtol=1e-11)


def test_empty_rows_alone_leave_the_statistics():
    runner = running("time, batch, feature=3")
    x = np.random.default_rng(4).normal(size=(5, 2, 3))
    assert not runner.forward({"x": x}, lengths=[0, 0])["y"].any()
    with pytest.raises(StateError, match="n: .*no running statistics yet"):
        runner.forward({"x": x}, phase=Phase.test)
    runner.forward({"x": x}, lengths=[4, 1])
    before = runner.buffers
    runner.forward({"x": x}, lengths=[0, 0])
    for name, array in runner.buffers.items():
        np.testing.assert_array_equal(array, before[name])


def test_a_sequence_without_a_batch_axis():
    x = np.random.default_rng(4).normal(size=(5, 3))
    np.testing.assert_allclose(
        running("time, feature=3").forward({"x": x})["y"], BatchNormalization().forward(x), rtol=1e-14
    )


def test_single_row_or_constant_feature():
    layer = BatchNormalization(2)
    layer.bias = [4, 5]
    np.testing.assert_array_equal(layer.forward([[7.0, -3.0]]), [[4, 5]])
    np.testing.assert_array_equal(layer.forward(np.full((6, 2), 3.0, np.float32)), np.tile([4, 5], (6, 1)))
    assert np.isfinite(layer.backward(np.ones((6, 2), np.float32))).all()


def test_sizes_follow_first_input():
    layer = BatchNormalization()
    layer.forward(batches(4, 3))
    assert layer.get_weights().shape == layer.bias.shape == (3,)
    with pytest.raises(ShapeError, match="another size"):
        layer.forward(batches(4, 5))
    assert layer.forward(batches(4, 3)).shape == (4, 3)


@pytest.mark.parametrize(("shape", "message"), [
    ("batch, feature=4", r"n: .*expected \(batch, feature=3\), received \(batch, feature=4\)"),
    ("batch, channel=4, x=3", r"expected \(batch, channel=3, x=3\)"),
    ("time, batch", "needs an axis of features or channels"),
    ("batch", "needs an axis of features or channels"),
])  # fmt: skip
def test_wrong_input_is_refused(shape, message):
    with pytest.raises(ShapeError, match=message):
        running(shape, channels=3)


def test_statistics_keep_their_dtype():
    layer = BatchNormalization(3, dtype="float32")
    layer.forward(batches(5, 3))
    assert {a.dtype.name for a in layer.buffer_values.values()} == {"float32"}
    wide = BatchNormalization(3)
    wide.forward(batches(5, 3).astype(np.float32))
    assert {a.dtype.name for a in wide.buffer_values.values()} == {"float64"}


# ------------------------------------------------------------------ batches of several sizes
def running_after(batch_list, momentum):
    """Running statistics written out: a batch moves them by its share of the first one."""
    mean, variance = batch_list[0].mean(0), batch_list[0].var(0)
    for x in batch_list[1:]:
        rate = (1 - momentum) * min(1.0, len(x) / len(batch_list[0]))
        mean, variance = mean + rate * (x.mean(0) - mean), variance + rate * (x.var(0) - variance)
    return mean, variance


@pytest.mark.parametrize("momentum", [0.8, 0.0, 0.35])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_statistics_weigh_batches_by_their_rows(momentum, dtype):
    layer = BatchNormalization(3, momentum=momentum)
    given = [batches(n, 3, seed=n).astype(dtype) for n in (32, 31, 64, 1, 7, 32)]
    for x in given:
        layer.forward(x)
    mean, variance = running_after([x.astype(float) for x in given], momentum)
    np.testing.assert_allclose(layer.buffer_values["mean"], mean, rtol=1e-12 if dtype == "float64" else 1e-5)
    np.testing.assert_allclose(layer.buffer_values["variance"], variance, rtol=1e-12 if dtype == "float64" else 1e-5)
    assert layer.buffer_values["rows"] == 32 and layer.buffer_values["batches"] == 6


def test_statistics_hardly_move_for_a_last_row():
    layer, x = BatchNormalization(2), batches(257, 2)
    for start in range(0, 257, 32):
        before = {name: array.copy() for name, array in layer.buffer_values.items()}
        layer.forward(x[start : start + 32])
    assert (layer.buffer_values["variance"] > 0.99 * before["variance"]).all()


def test_rows_of_images_are_examples_not_positions():
    layer = BatchNormalization(3)
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(8, 3, 5, 4)), rng.normal(size=(2, 3, 7, 9)) + 5
    layer.forward(first)
    layer.forward(second)
    means = [x.mean((0, 2, 3)) for x in (first, second)]
    np.testing.assert_allclose(layer.buffer_values["mean"], means[0] + 0.2 * 2 / 8 * (means[1] - means[0]), rtol=1e-12)
    assert layer.buffer_values["rows"] == 8


@pytest.mark.parametrize("axes", ["feature=3", "channel=3, x=2"])
def test_rows_of_sequences_are_their_valid_steps(axes):
    inner = tuple(int(part.split("=")[1]) for part in axes.split(", "))
    rng, runner, alone = np.random.default_rng(4), running(f"time, batch, {axes}"), BatchNormalization(3)
    for steps, lengths in ((5, [5, 2, 4, 0]), (3, None), (4, [0, 1]), (2, [0, 0])):
        count = 4 if lengths is None else len(lengths)
        x = rng.normal(size=(steps, count, *inner))
        runner.forward({"x": x}, lengths=lengths)
        valid = np.arange(steps)[:, None] < np.array(lengths or [steps] * count)
        if valid.any():
            alone.forward(x[valid])
    assert runner.buffers["n/rows"] == 11
    for name, array in alone.buffer_values.items():
        np.testing.assert_allclose(runner.buffers[f"n/{name}"], array, rtol=1e-12)


def test_unknown_rows_use_next_batch():
    layer, other = BatchNormalization(3), BatchNormalization(3)
    given = [batches(n, 3, seed=n) for n in (16, 8, 2)]
    for each in (layer, other):
        each.forward(given[0])
    layer.store.replace_buffers(
        {**layer.buffer_values, "rows": np.zeros(())}
    )  # as a file of an earlier version leaves it
    layer.forward(given[1])
    assert layer.buffer_values["rows"] == 8
    mean = 0.8 * given[0].mean(0) + 0.2 * given[1].mean(0)
    np.testing.assert_allclose(layer.buffer_values["mean"], mean, rtol=1e-12)
    layer.forward(given[2])
    np.testing.assert_allclose(layer.buffer_values["mean"], 0.95 * mean + 0.05 * given[2].mean(0), rtol=1e-12)


def test_constant_feature_comes_out_as_documented():
    layer = BatchNormalization(1)
    layer.forward(np.full((4, 1), 3.0))
    layer.weights, layer.bias = [2.0], [0.5]
    layer.phase = Phase.test
    np.testing.assert_allclose(layer.forward([[3.25]]), [[1e5 * 2 * 0.25 + 0.5]])
