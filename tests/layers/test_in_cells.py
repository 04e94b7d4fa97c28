"""The layers inside a recurrent cell, whose widths are known only when everything fits together."""

import numpy as np
import pytest
from helpers.numeric_gradient import close, numeric

from graphnet import (
    Affine,
    BatchNormalization,
    Builder,
    Cell,
    Concatenate,
    Dropout,
    Flatten,
    FullyConnected,
    LayerNormalization,
    Multiply,
    Phase,
    Reshape,
    Runner,
    Scan,
    Split,
    Subtract,
    seed,
)


def cell():
    """A state that passes every layer that a cell may contain; only FullyConnected sets a width."""
    c = Cell("cell", sequences="x", states="h")
    joined = Concatenate()(c.x, c.h, name="joined")
    parts = Split((4, 2))(FullyConnected(None, 6)(joined, name="dense"), name="parts")
    normal = LayerNormalization()(parts["part_0"], name="normal")
    square = Flatten()(Reshape((2, -1))(normal, name="square"), name="flat")
    kept = Dropout(0.7)(square, name="kept")
    mixed = Multiply()(Subtract()(kept, Affine(0.5)(c.h), name="less"), Affine(0.3, 0.2)(normal), name="mixed")
    return c.build(output=parts["part_1"], h=mixed)


def made(sequence, **options):
    g = Builder("m")
    scanned = Scan(cell(), **options)(g.input("x", sequence), name="scan")
    runner = Runner(g.build(y=scanned, h=scanned["h"]))
    runner.materialize()  # so that all later draws are masks
    return runner


@pytest.mark.parametrize("lengths", [None, [5, 2, 0]])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("phase", Phase)
def test_gradients_through_time(lengths, reverse, phase):
    rng = np.random.default_rng(3)
    runner, x = made("time, batch, feature=3", reverse=reverse), rng.normal(size=(5, 3, 3))
    errors = {"y": rng.normal(size=(5, 3, 2)), "h": rng.normal(size=(3, 4))}

    def loss(values):
        seed(2)
        result = runner.forward({"x": values}, lengths=lengths, phase=phase)
        return sum((result[name] * error).sum() for name, error in errors.items())

    loss(x)
    pulled = runner.backward(errors)["x"]
    gradients = {name: p.gradient for name, p in runner.parameters.items()}
    assert sorted(gradients) == ["scan/dense/weights", "scan/normal/bias", "scan/normal/weights"]
    close(pulled, numeric(loss, x))
    for name, parameter in runner.parameters.items():
        kept = parameter.value

        def by_weight(values, parameter=parameter):
            parameter.value = values
            return loss(x)

        close(gradients[name], numeric(by_weight, kept))
        parameter.value = kept


def test_one_sequence_is_a_batch_of_one():
    x = np.random.default_rng(3).normal(size=(5, 3))
    scan, g, h = Scan(cell()), Builder("batch"), Builder("single")
    batch = Runner(g.build(y=scan(g.input("x", "time, batch, feature=3"))))
    single = Runner(h.build(y=scan(h.input("x", "time, feature=3"))))
    batch.materialize()
    seed(1)
    expected = batch.forward({"x": x[:, None]})["y"]
    seed(1)
    np.testing.assert_allclose(single.forward({"x": x})["y"], expected[:, 0], rtol=1e-13)


def test_batch_normalization_in_cell():
    c = Cell("cell", sequences="x", states={"h": "batch, feature=3"})
    normal = BatchNormalization(momentum=0.5)(c.x, name="normal")
    g = Builder("m")
    scan = Scan(c.build(output=normal, h=normal + c.h))
    runner = Runner(g.build(y=scan(g.input("x", "time, batch, feature=3"), name="scan")))
    x = np.random.default_rng(3).normal(size=(3, 4, 3))
    y = runner.forward({"x": x})["y"]
    np.testing.assert_allclose(y, (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-10), rtol=1e-12)
    means = x.mean(1)
    np.testing.assert_allclose(
        runner.buffers["scan/normal/mean"], means[0] / 4 + means[1] / 4 + means[2] / 2, rtol=1e-12
    )
    assert runner.buffers["scan/normal/batches"] == 3
