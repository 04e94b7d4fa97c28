"""Steps after a row's end, in the middle of a graph: there they hold numbers, where at its borders they are zeros."""

import numpy as np
import pytest
from helpers.layer_cases import check

from graphnet import BatchNormalization, Builder, FullyConnected, Last, Layer, LayerNormalization, MeanOverTime, Runner


class Total(Layer):
    """The sum over all steps, independent of the lengths: reveals values after the end of a row."""

    def infer(self, x):
        return x.without(0)

    def apply(self, x):
        return x.sum(0), x.shape

    def pull(self, shape, error):
        return np.broadcast_to(error, shape)


def made(layer):
    rng = np.random.default_rng(7)
    g = Builder("m")
    y = layer(FullyConnected(2, 3)(g.input("x", "time=5, batch=3, feature=2"), name="before"), name="node")
    y = y if isinstance(layer, (Last, MeanOverTime)) else Total()(y)
    runner = Runner(g.build(y=y))
    runner.materialize()
    for parameter in runner.parameters.values():
        parameter.value = rng.normal(size=parameter.value.shape) + 0.3
    return runner, {"x": rng.normal(size=(5, 3, 2))}, {"y": rng.normal(size=(3, 3))}


@pytest.mark.parametrize("layer", [Last, MeanOverTime, BatchNormalization, LayerNormalization])
@pytest.mark.parametrize("lengths", [[5, 2, 4], [3, 0, 1], [0, 0, 2]])
def test_gradients(layer, lengths):
    check(*made(layer()), lengths)


@pytest.mark.parametrize(
    ("layer", "of"), [(Last, lambda steps: steps[-1]), (MeanOverTime, lambda steps: steps.mean(0))]
)
def test_rows_give_what_they_give_alone(layer, of):
    runner, inputs, _ = made(layer())
    w = runner.parameters["before/weights"].value
    lengths = [3, 0, 5]
    y = runner.forward(inputs, lengths=lengths)["y"]
    for row, count in enumerate(lengths):
        steps = inputs["x"][:count, row] @ w[:-1] + w[-1]
        np.testing.assert_allclose(y[row], of(steps) if count else np.zeros(3), rtol=1e-12)


def test_statistics_are_of_valid_steps():
    runner, inputs, _ = made(BatchNormalization())
    w = runner.parameters["before/weights"].value
    lengths = np.array([3, 0, 5])
    runner.forward(inputs, lengths=lengths)
    valid = inputs["x"][np.arange(5)[:, None] < lengths] @ w[:-1] + w[-1]
    np.testing.assert_allclose(runner.buffers["node/mean"], valid.mean(0), rtol=1e-12)
    np.testing.assert_allclose(runner.buffers["node/variance"], valid.var(0), rtol=1e-12)
