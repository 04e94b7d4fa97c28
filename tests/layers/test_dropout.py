"""Dropout: which units stay, how they are scaled, and when."""

import numpy as np
import pytest

from graphnet import Builder, ConfigError, DataError, Dropout, Phase, Runner, StateError, seed


def test_the_probability_is_that_of_keeping():
    layer = Dropout(0.8)
    y = layer.forward(np.ones((200, 100)))
    assert set(np.unique(y)) == {0.0, 1 / 0.8}
    assert (y > 0).mean() == pytest.approx(0.8, abs=0.01)
    assert y.mean() == pytest.approx(1, abs=0.02)


def test_units_are_drawn_independently():
    layer = Dropout(0.5)
    first, second = layer.forward(np.ones((300, 20))), layer.forward(np.ones((300, 20)))
    assert 0.4 < (first != second).mean() < 0.6
    assert len({tuple(row) for row in first}) > 250
    assert first.std(0).min() > 0


def test_the_seed_decides():
    seed(11)
    first = Dropout(0.5).forward(np.ones((30, 4)))
    seed(11)
    np.testing.assert_array_equal(Dropout(0.5).forward(np.ones((30, 4))), first)
    seed(12)
    assert (Dropout(0.5).forward(np.ones((30, 4))) != first).any()


def test_backward_uses_the_mask_of_forward():
    layer, rng = Dropout(0.7), np.random.default_rng(1)
    x, error = rng.normal(size=(40, 6)) + 3, rng.normal(size=(40, 6))
    y = layer.forward(x)
    for _ in range(2):
        np.testing.assert_allclose(layer.backward(error), error * y / x, rtol=1e-13)
    assert not layer.trainable
    assert layer.calculate_regularization_loss() == 0


@pytest.mark.parametrize("probability", [0.3, 1, 1.0])
def test_test_phase_is_identity(probability):
    layer, x = Dropout(probability), np.random.default_rng(1).normal(size=(5, 2, 3, 4))
    assert layer.phase is Phase.train
    layer.phase = Phase.test
    y = layer.forward(x)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(layer.backward(x * 2), x * 2)
    y[:] = 0
    assert x.any()
    layer.phase = Phase.train
    assert (layer.forward(x) == x).all() == (probability == 1)


def test_test_phase_uses_no_random_numbers():
    layer = Dropout(0.5)
    layer.phase = Phase.test
    seed(3)
    layer.forward(np.ones((5, 5)))
    layer.phase = Phase.train
    after = layer.forward(np.ones((5, 5)))
    seed(3)
    np.testing.assert_array_equal(Dropout(0.5).forward(np.ones((5, 5))), after)


def test_layer_used_twice_draws_twice():
    layer, g = Dropout(0.5), Builder("m")
    x = g.input("x", "batch, feature")
    runner = Runner(g.build(a=layer(x, name="a"), b=layer(x, name="b")))
    result = runner.forward({"x": np.ones((40, 10))})
    assert 0.3 < (result["a"] != result["b"]).mean() < 0.7
    a, b = (np.random.default_rng(i).normal(size=(40, 10)) for i in (1, 2))
    np.testing.assert_allclose(runner.backward({"a": a, "b": b})["x"], a * result["a"] + b * result["b"], rtol=1e-13)


@pytest.mark.parametrize("wrong", [0, 0.0, -0.5, 1.5, 2, np.nan, np.inf, True, "0.5"])
def test_no_probability(wrong):
    with pytest.raises(ConfigError, match=r"Dropout: probability .*expected the probability of keeping, in \(0, 1\]"):
        Dropout(wrong)


def test_before_its_time_and_without_rows():
    layer = Dropout(0.5)
    with pytest.raises(StateError):
        layer.backward(np.ones((2, 2)))
    with pytest.raises(DataError):
        layer.forward(np.ones((0, 3)))
    assert layer.forward([[1, 2]]).dtype == np.float64
    assert layer.forward(np.ones((2, 2), np.float32)).dtype == np.float32
