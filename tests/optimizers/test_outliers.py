"""Numbers whose squares overflow or vanish: norms are right, and no weight is frozen in silence."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest

from graphnet import (
    Builder,
    DataError,
    FullyConnected,
    GraphnetError,
    NeuralNetwork,
    RuleError,
    StateError,
    Trainer,
    TrainingConfig,
)
from graphnet.core.norms import euclidean
from graphnet.initializers import Constant
from graphnet.losses import MeanSquaredError
from graphnet.optimizers import Adam, AdamW, Optimizer, RMSprop, Sgd, SgdWithMomentum
from graphnet.optimizers.clipping import clip_by_global_norm
from graphnet.regularizers import L2_Regularizer

pytestmark = pytest.mark.no_plugins


@dataclass(eq=False)
class PowerMean(Optimizer):
    """Remembers the fourth power of the gradient; has none of the fused machinery."""

    state_names = ("fourth", "step_count")

    def step(self, rate, weights, gradient):
        fourth = 0.5 * self.recall("fourth", weights) + 0.5 * gradient**4
        self.keep(fourth=fourth, step_count=np.asarray(self.step_count + 1))
        return weights - rate * gradient / (fourth**0.25 + 1e-8)


@dataclass(eq=False)
class PowerMeanOfAll(PowerMean):
    """The same, for flat arrays."""

    elementwise = True


SQUARES = [Adam(0.1), AdamW(0.1), RMSprop(0.1), PowerMean(0.1), PowerMeanOfAll(0.1)]
EACH = pytest.mark.parametrize("optimizer", SQUARES, ids=lambda o: type(o).__name__)
SIZES = pytest.mark.parametrize(("dtype", "outlier"), [("float32", 3e23), ("float64", -2e180)])


def exact_norm(*arrays):
    squares = sum((Fraction(float(v)) ** 2 for a in arrays for v in np.ravel(a)), Fraction(0))
    shift = Fraction(2) ** 1200  # into the range of integers, whose root is exact
    return float(Fraction(math.isqrt(int(squares * shift * shift)), 1) / shift)


# ------------------------------------------------------------------ norms
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_euclidean_norm_equals_exact_arithmetic(dtype):
    limits, rng = np.finfo(dtype), np.random.default_rng(11)
    for size in (limits.max / 9, math.sqrt(limits.max), 1.0, math.sqrt(limits.tiny), limits.tiny, limits.tiny / 64):
        arrays = [(rng.normal(size=(5, 3)).clip(-2, 2) * size).astype(dtype), np.array(size / 3, dtype)]
        assert euclidean(arrays) == pytest.approx(exact_norm(*arrays), rel=1e-14)
    assert euclidean([np.full(2, limits.smallest_subnormal)]) >= limits.smallest_subnormal
    assert euclidean([np.array([1e200]), np.array([1e-200, 3.0])]) == 1e200


def test_euclidean_norm_special_values():
    assert euclidean([]) == euclidean([np.zeros((0, 2)), np.zeros(3)]) == 0.0
    assert math.isnan(euclidean([np.array([np.inf, 1.0]), np.array([np.nan])]))
    assert euclidean([np.array([1.0, -np.inf]), np.array([2.0])]) == math.inf
    assert euclidean([np.full(9, 1.7e308)]) == math.inf


def test_l2_norm_neither_overflows_nor_vanishes():
    assert L2_Regularizer(0.5).norm(np.full(4, 1e200)) == pytest.approx(1e200, rel=1e-15)
    assert L2_Regularizer(0.5).norm([3e-200, 4e-200]) == pytest.approx(2.5e-200, rel=1e-15)


def test_clipping_subnormal_gradients_keeps_them():
    tiny = np.full(4, 5e-324)
    clipped, norm = clip_by_global_norm([tiny], 1.0)
    assert norm == 1e-323 and np.array_equal(clipped[0], tiny)


def test_mean_loss_finite_if_sum_overflows():
    x = np.full((4, 1), 1e154)
    assert MeanSquaredError().value(x, np.zeros((4, 1))) == pytest.approx(1e308)
    g = Builder("same")
    graph = g.build(FullyConnected(1, 1)(g.input("x", "batch, feature=1"), name="dense"))
    trainer = Trainer(graph, TrainingConfig(loss=MeanSquaredError(), batch_size=1, dtype="float64"))
    trainer.runner.layers["dense"].set_weights([[1.0], [0.0]])
    assert trainer.evaluate(x, np.zeros((4, 1)))["loss"] == pytest.approx(1e308)
    x[1] = 1e300
    assert trainer.evaluate(x, np.zeros((4, 1)))["loss"] == math.inf


def test_gradient_overflowing_dtype_is_refused():
    with pytest.raises(RuleError, match="not finite"):
        Sgd(0.1).calculate_update(1.0, np.ones(2, np.float32), np.array([1.0, 1e60]))


# ------------------------------------------------------------------ one optimizer
@EACH
@SIZES
def test_overflowing_state_is_refused(optimizer, dtype, outlier):
    optimizer, weights = copy.deepcopy(optimizer), np.array([1.0, 2.0, 3.0], dtype)
    weights = optimizer.calculate_update(1.0, weights, np.array([0.1, -0.2, 0.3], dtype))
    before, value = optimizer.state(), weights.copy()
    with pytest.raises(StateError, match=rf"{type(optimizer).__name__}.*not finite.*received infinity.*clip_norm"):
        optimizer.calculate_update(1.0, weights, np.array([0.1, outlier, 0.1], dtype))
    np.testing.assert_array_equal(weights, value)
    assert optimizer.state().keys() == before.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(optimizer.state()[name], array)
    again = optimizer.calculate_update(1.0, weights, np.array([0.1, 0.1, 0.1], dtype))
    assert (again != weights).all()


@pytest.mark.parametrize("optimizer", [*SQUARES, Sgd(0.1), SgdWithMomentum(0.1)], ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_not_finite_gradient_is_refused(optimizer, bad):
    optimizer = copy.deepcopy(optimizer)
    with pytest.raises((RuleError, StateError), match="not finite"):
        optimizer.calculate_update(1.0, np.ones(2), np.array([1.0, bad]))
    assert optimizer.state() == {}


def test_velocity_that_overflows_is_refused():
    optimizer = SgdWithMomentum(1.0, 0.99)
    optimizer.calculate_update(1.0, np.zeros(1), np.full(1, 1.7e308))
    with pytest.raises(GraphnetError, match="not finite"):
        optimizer.calculate_update(1.0, np.zeros(1), np.full(1, 1.7e308))
    assert np.isfinite(optimizer.state()["velocity"]).all()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_not_finite_saved_state_is_refused(bad):
    optimizer = Adam()
    optimizer.calculate_update(1.0, np.ones(2), np.ones(2))
    good = optimizer.state()
    with pytest.raises(StateError, match="second moment is not finite"):
        optimizer.load_state(good | {"second_moment": np.array([1.0, bad])})
    np.testing.assert_array_equal(optimizer.state()["second_moment"], good["second_moment"])


@EACH
def test_overflowing_step_is_undone(optimizer):
    layer = FullyConnected(2, 2, dtype="float32")
    layer.set_optimizer(copy.deepcopy(optimizer))
    layer.forward(np.ones((1, 2), np.float32))
    layer.backward(np.ones((1, 2), np.float32))
    before, state = layer.get_weights(), layer.optimizer.state()
    layer.forward(np.ones((1, 2), np.float32))
    with pytest.raises(StateError, match=r"FullyConnected\(.*optimizer .*not finite"):
        layer.backward(np.array([[1.0, 1e30]], np.float32))
    np.testing.assert_array_equal(layer.get_weights(), before)
    assert layer.optimizer.state().keys() == state.keys()
    for name, array in state.items():
        np.testing.assert_array_equal(layer.optimizer.state()[name], array)


class Given:
    """A data layer and a loss layer: one batch, and the error that it is to have."""

    def __init__(self):
        self.error = np.ones((1, 1))

    def forward(self, *arguments):
        return 0.0 if arguments else (np.ones((1, 2)), np.ones((1, 1)))

    def backward(self, labels):
        return self.error


def test_network_undoes_all_layers():
    given, net = Given(), NeuralNetwork(Adam(0.1), Constant(0.5), Constant(0.1))
    net.data_layer = net.loss_layer = given
    for sizes in ((2, 3), (3, 1)):
        net.append_trainable_layer(FullyConnected(*sizes))
    net.train(1)
    before = [layer.get_weights() for layer in net.layers]
    given.error = np.full((1, 1), 1e200)
    with pytest.raises(StateError, match="second moment is not finite"):
        net.train(1)
    for layer, array in zip(net.layers, before, strict=True):
        np.testing.assert_array_equal(layer.get_weights(), array)
        assert layer.optimizer.step_count == 1


# ------------------------------------------------------------------ the Trainer
def network(dtype="float32"):
    g = Builder("net")
    x = FullyConnected(2, 3, dtype=dtype)(g.input("x", "batch, feature=2"), name="first")
    return g.build(FullyConnected(3, 1, dtype=dtype)(x, name="second"))


def data(outlier):
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(12, 2)), rng.normal(size=(12, 1))
    x[9] = [0.3, outlier]
    return x.astype(np.float32), y.astype(np.float32)


def settings(optimizer, weight=1e-3, **more):
    return TrainingConfig(
        loss=MeanSquaredError(), optimizer=optimizer, epochs=1, batch_size=3, shuffle=False,
        weights_initializer=Constant(weight), **more,
    )  # fmt: skip


@EACH
def test_trainer_error_names_path_of_outlier(optimizer):
    trainer = Trainer(network(), settings(optimizer))
    with pytest.raises(StateError, match=r"epoch 1, batch 4: (first|second)/weights.*optimizer .*not finite"):
        trainer.fit(*data(1e18))
    assert all(np.isfinite(p.value).all() for p in trainer.runner.parameters.values())


def test_clipping_lets_the_same_outlier_pass():
    trainer = Trainer(network(), settings(Adam(0.1), clip_norm=1.0))
    history = trainer.fit(*data(1e18))
    assert 1e30 < history.epochs[0].gradient_norm < 1e38
    before = [p.value for p in trainer.runner.parameters.values()]
    trainer.config = trainer.config.changed(epochs=1)
    trainer.fit(*data(1.0), warm_start=True)
    moved = [(p.value != old).all() for p, old in zip(trainer.runner.parameters.values(), before, strict=True)]
    assert all(moved)


def test_history_has_the_true_norm_without_clipping():
    result = []
    for dtype in ("float32", "float64"):
        x, y = data(1e16)
        history = Trainer(network(dtype), settings(Sgd(1e-38), dtype=dtype)).fit(x.astype(dtype), y.astype(dtype))
        result.append(history.epochs[0].gradient_norm)
    assert result[0] == pytest.approx(result[1], rel=1e-5)
    assert 1e23 < result[0] < math.inf


def test_clipping_error_names_weights():
    trainer = Trainer(network(), settings(Sgd(1e-9), 1e-6, clip_norm=1.0))
    with pytest.raises(DataError, match=r"epoch 1, batch 4: a gradient is not finite: .*node second.*first/weights"):
        trainer.fit(*data(1e30))
