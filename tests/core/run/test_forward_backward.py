"""A runner between passes: snapshots, restored layers, and batches that were valid before."""

import numpy as np
import pytest

from graphnet import Builder, Runner, ShapeError, dense


def dense_runner(backend):
    g = Builder("dense")
    return Runner(g.build(y=dense(g.input("x", "batch, feature"), 3)), backend=backend)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_dropped_weights_are_created_again(backend):
    runner = dense_runner(backend)
    (layer,) = runner.layers.values()
    before = layer.snapshot()
    inputs = {"x": np.ones((2, 4))}
    runner.forward(inputs)
    layer.restore(before)
    assert not layer.params
    assert runner.forward(inputs)["y"].shape == (2, 3)
    assert layer.get_weights().shape == (5, 3)


def test_remembered_shapes_do_not_hide_errors():
    g = Builder("two")
    x, z = g.input("x", "batch, feature=4"), g.input("z", "batch, feature=3")
    runner = Runner(g.build(y=dense(x, 3) + z))
    inputs = {"x": np.ones((2, 4)), "z": np.ones((2, 3))}
    for _ in range(3):
        runner.forward(inputs)
    with pytest.raises(ShapeError, match="input 'z'"):
        runner.forward({"x": np.ones((2, 4)), "z": np.ones((2, 4))})
    with pytest.raises(ShapeError, match="missing"):
        runner.forward({"x": np.ones((2, 4))})
    with pytest.raises(ShapeError, match="'w'"):
        runner.forward({**inputs, "w": np.ones(2)})


def test_mixed_dtypes_run_in_float64():
    g = Builder("two")
    runner = Runner(g.build(y=g.input("x", "batch, feature=3") + g.input("z", "batch, feature=3")))
    single, double = np.ones((2, 3), np.float32), np.ones((2, 3))
    for x, z, dtype in [(single, single, "float32"), (single, double, "float64"), (double, double, "float64")] * 2:
        y = runner.forward({"x": x, "z": z})["y"]
        assert y.dtype == dtype
        errors = runner.backward({"y": y})
        assert errors["x"].dtype == dtype
