"""The range test of the learning rate: against updates by hand, and without a trace on what it is given."""

import math
import random
import warnings

import numpy as np
import pytest
from click.testing import CliRunner

import graphnet
from graphnet import Builder, ConfigError, DataError, Dropout, FullyConnected, Model, ShapeError, TrainingConfig
from graphnet.cli import main
from graphnet.io import write_model
from graphnet.losses import MeanSquaredError
from graphnet.optimizers import Adam, Sgd, SgdWithMomentum
from graphnet.training import RateCurve, find_rate

RNG = np.random.default_rng(8)
X = RNG.normal(size=(44, 3))
Y = X @ np.array([[1.0], [-2.0], [0.5]]) + 0.1 * RNG.normal(size=(44, 1))


def line():
    g = Builder("line")
    return g.build(FullyConnected(3, 1)(g.input("x", "batch, feature=3")))


def by_hand(weights, bias, rates, batch, accumulate=1):
    """Gradient descent on the mean of squares, in numpy; the loss of each update before it."""
    losses, position = [], 0
    for rate in rates:
        parts, gradients_w, gradients_b = [], [], []
        for _ in range(accumulate):
            x, y = X[position : position + batch], Y[position : position + batch]
            position = position + batch if position + batch < len(X) else 0
            error = x @ weights + bias - y
            parts.append(float(np.mean(error**2)))
            gradients_w.append(2 * x.T @ error / len(x))
            gradients_b.append(2 * error.mean(0))
            if position == 0:  # an epoch ends with an update
                break
        losses.append(np.mean(parts))
        weights, bias = weights - rate * np.mean(gradients_w, 0), bias - rate * np.mean(gradients_b, 0)
    return np.array(losses)


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("batch", [11, 16])
def test_curve_equals_updates_by_hand(accumulate, batch):
    model = Model(line(), TrainingConfig(loss=MeanSquaredError(), optimizer=Sgd(0.3), dtype="float64", shuffle=False))
    first = model.graph.nodes["fully_connected"].layer
    first.weights = np.array([[0.25], [0.5], [-1.0], [0.125]])
    curve = find_rate(
        model, X, Y, low=1e-3, high=0.2, steps=17, warm_start=True, batch_size=batch, accumulate=accumulate
    )
    rates = np.geomspace(1e-3, 0.2, 17)
    expected = by_hand(first.weights[:-1], first.weights[-1], rates, batch, accumulate)
    np.testing.assert_allclose(curve.rates, rates, rtol=1e-12)
    np.testing.assert_allclose(curve.losses, expected, rtol=1e-9)
    assert not curve.diverged


def test_nothing_that_is_given_changes():
    g = Builder("two")
    graph = g.build(FullyConnected(4, 1)(Dropout(0.5)(FullyConnected(3, 4)(g.input("x", "batch, feature=3")))))
    model = Model(graph, TrainingConfig(loss="mse", optimizer=SgdWithMomentum(0.01), batch_size=8))
    model.fit(X, Y, epochs=2, metrics=["mean_absolute_error"])
    weights = {name: p.value.copy() for name, p in model.runner.parameters.items()}
    config, history = model.config, repr(model.history)
    graphnet.seed(5)
    state, global_state = graphnet.generator().bit_generator.state, random.getstate()
    curves = [find_rate(model, X, Y, steps=30), find_rate(model, X, Y, steps=30)]
    assert graphnet.generator().bit_generator.state == state and random.getstate() == global_state
    assert model.config is config and config == model.config and repr(model.history) == history
    assert config.optimizer.learning_rate == 0.01
    assert all((p.value == weights[name]).all() for name, p in model.runner.parameters.items())
    assert (curves[0].losses == curves[1].losses).all()


def test_divergence_ends_the_test():
    curve = find_rate(line(), X, Y, loss="mse", optimizer=Sgd(1.0), high=1e6, steps=200, batch_size=8)
    assert curve.diverged and len(curve.losses) < 200 and curve.rates[-1] < 1e6
    largest = np.linalg.eigvalsh(2 * np.c_[X, np.ones(44)].T @ np.c_[X, np.ones(44)] / 44)[-1]
    assert curve.suggestion < 2 / largest  # beyond it gradient descent diverges


@pytest.mark.parametrize("kind", [Adam, Sgd])
def test_overflow_ends_the_test(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        curve = find_rate(line(), X * 1e18, Y, loss="mse", optimizer=kind(1.0), low=1e-30, high=1e30, steps=60)
    assert curve.diverged and np.isfinite(curve.losses).all()


def test_suggestion_is_the_steepest_place():
    """A falling logistic curve in the logarithm of the rate is steepest in its middle."""
    rates = np.geomspace(1e-5, 1.0, 101)
    for middle in (-9.0, -6.0, -4.0):
        losses = 3 / (1 + np.exp(2 * (np.log(rates) - middle)))
        assert math.log(RateCurve(rates, losses).suggestion) == pytest.approx(middle, abs=0.2)
        noisy = losses + 0.1 * np.random.default_rng(3).normal(size=101)
        assert math.log(RateCurve(rates, noisy).suggestion) == pytest.approx(middle, abs=1.0)
    assert RateCurve(rates, np.linspace(1, 2, 101)).suggestion is None
    assert "suggestion none" in repr(RateCurve(rates, np.linspace(1, 2, 101)))
    assert RateCurve(rates[:2], np.array([2.0, 1.0])).suggestion is None


def test_smoothed_losses_are_weighted_means():
    losses = np.random.default_rng(4).normal(size=12)
    curve = RateCurve(np.geomspace(1, 2, 12), losses)
    for i in range(12):
        shares = 0.9 ** np.arange(i, -1, -1.0)
        assert curve.smoothed[i] == pytest.approx(np.average(losses[: i + 1], weights=shares), rel=1e-12)


class Own(FullyConnected):
    """A layer that no file can name: there is no warning, as nothing is to be saved."""


def test_no_warning_for_a_model_that_cannot_be_saved():
    g = Builder("own")
    graph = g.build(FullyConnected(2, 1)(Own(3, 2)(g.input("x", "batch, feature=3"))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(find_rate(graph, X, Y, loss="mse", steps=8).losses) == 8


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"low": 1.0, "high": 0.1}, ConfigError),
        ({"low": 0.0}, ConfigError),
        ({"steps": 1}, ConfigError),
        ({"high": math.inf}, ConfigError),
        ({"warm_start": "no"}, ConfigError),
        ({"epoch": 3}, ConfigError),
        ({"targets": Y[:5]}, (DataError, ShapeError)),
    ],
)
def test_wrong_arguments_are_refused(options, error):
    with pytest.raises(error):
        find_rate(line(), **{"inputs": X, "targets": Y, "loss": "mse", **options})


def test_command_prints_the_curve_and_writes_nothing(tmp_path, monkeypatch):
    np.savez(tmp_path / "data.npz", train_x=X, train_target=Y, test_x=X[:3], test_target=Y[:3])
    write_model(tmp_path / "model.yaml", line(), TrainingConfig(loss=MeanSquaredError(), data="data.npz", batch_size=8))
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["train", "model.yaml", "--find-rate", "--seed", "2"])
    assert result.exit_code == 0, result.output
    last = result.output.splitlines()[-1]
    expected = find_rate(line(), X, Y, TrainingConfig(loss=MeanSquaredError(), batch_size=8, seed=2)).suggestion
    assert last == f"suggested learning rate: {expected:.2g} (in the file: 0.001)"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.npz", "model.yaml"]
    refused = CliRunner().invoke(main, ["train", "--resume", "run", "--find-rate"])
    assert refused.exit_code == 2 and "--find-rate cannot be given with --resume" in refused.stderr
