"""Layers with delta 0: bit for bit what they were, and no part of the clipping norm or the penalty."""

from __future__ import annotations

import copy
import math
from types import SimpleNamespace

import numpy as np
import pytest

from graphnet import (
    Builder,
    Composite,
    ConfigError,
    FullyConnected,
    NeuralNetwork,
    Runner,
    Trainer,
    TrainingConfig,
    seed,
)
from graphnet.authoring import Subgraph
from graphnet.initializers import Constant
from graphnet.losses import MeanSquaredError
from graphnet.optimizers import Adam, AdamW, Optimizer, RMSprop, Sgd, SgdWithMomentum
from graphnet.regularizers import L1_Regularizer, L2_Regularizer
from graphnet.training.callbacks import Callback
from graphnet.training.updates import Updates

pytestmark = pytest.mark.no_plugins

ALL = [Sgd(0.1), SgdWithMomentum(0.1, 0.8), Adam(0.1), AdamW(0.1, weight_decay=0.3), RMSprop(0.1)]


class Slow(Adam):
    """Adam, one array at a time."""


EACH = pytest.mark.parametrize("optimizer", [*ALL, Slow(0.1)], ids=lambda o: type(o).__name__)


class Pair(Composite):
    """Two dense layers."""

    size: int

    def build(self):
        g = Builder("pair")
        x = FullyConnected(self.size, 4)(g.input("x", f"batch, feature={self.size}"), name="inner")
        return g.build(FullyConnected(4, 3)(x, name="outer"))


def chain():
    """first, then a composite pair, then last."""
    seed(3)
    g = Builder("net")
    x = FullyConnected(2, 5)(g.input("x", "batch, feature=2"), name="first")
    return g.build(FullyConnected(3, 1)(Pair(5)(x, name="pair"), name="last"))


def data():
    rng = np.random.default_rng(8)
    x = rng.normal(size=(20, 2))
    return x, x[:, :1] * x[:, 1:] + 1


def config(**settings):
    return TrainingConfig(**{"loss": MeanSquaredError(), "epochs": 3, "batch_size": 7, "dtype": "float64", **settings})


def draw_gradients(runner, rng):
    for p in runner.parameters.values():
        p.gradient = rng.normal(size=p.value.shape)


def state_of(updates, path):
    """The optimizer's state of one weight array, in whichever group it is."""
    for group in updates.groups:
        for i, member in enumerate(group.members):
            if member.path == path:
                at = group.slices[i] if hasattr(group, "slices") else slice(None)
                return {n: np.ravel(a if a.ndim == 0 else a[at]) for n, a in group.optimizer.state().items()}
    raise AssertionError(path)


# ------------------------------------------------------------------ the norm and the penalty
@EACH
@pytest.mark.parametrize("regularizer", [None, L2_Regularizer(0.1)], ids=["plain", "L2"])
def test_frozen_layer_not_in_norm_or_penalty(optimizer, regularizer):
    runner = Runner(chain())
    runner.layers["first"].delta = 0.0
    updates = Updates(runner, config(optimizer=optimizer, regularizer=regularizer, clip_norm=0.5))
    draw_gradients(runner, np.random.default_rng(1))
    live = {path: p for path, p in runner.parameters.items() if not path.startswith("first")}
    runner.parameters["first/weights"].gradient *= 1e6
    norm = math.sqrt(sum(float((p.gradient**2).sum()) for p in live.values()))
    penalty = 0.0 if regularizer is None else sum(0.1 * np.linalg.norm(p.value) for p in live.values())
    assert updates.penalty() == pytest.approx(penalty, rel=1e-12)
    before = {path: p.value for path, p in runner.parameters.items()}
    assert updates.step() == pytest.approx(norm, rel=1e-12)
    assert runner.parameters["first/weights"].value is before["first/weights"]
    assert all((p.value != before[path]).all() for path, p in live.items())


def test_frozen_gradient_may_be_anything():
    runner = Runner(chain())
    runner.layers["first"].delta = 0.0
    updates = Updates(runner, config(clip_norm=1.0))
    draw_gradients(runner, np.random.default_rng(1))
    runner.parameters["first/weights"].gradient[0, 0] = np.nan
    assert math.isfinite(updates.step())


def test_all_layers_frozen():
    runner = Runner(chain())
    for layer in runner.layers.values():
        layer.delta = 0
    updates = Updates(runner, config(regularizer=L1_Regularizer(1.0)))
    draw_gradients(runner, np.random.default_rng(1))
    assert updates.step() == updates.penalty() == 0.0


# ------------------------------------------------------------------ delta in time
@EACH
def test_freezing_later_keeps_weights_and_moments(optimizer):
    """Momentum and weight decay are left alone too; afterwards the layer goes on as if nothing had happened."""
    runner, twin = Runner(chain()), Runner(chain())
    settings = config(optimizer=optimizer, regularizer=L2_Regularizer(0.01))
    updates, other = Updates(runner, settings), Updates(twin, settings)
    rng, path = np.random.default_rng(4), "first/weights"
    gradients = [{p: rng.normal(size=q.value.shape) for p, q in runner.parameters.items()} for _ in range(9)]

    def step(run, r, given):
        for p, q in r.parameters.items():
            q.gradient = given[p].copy()
        run.step()

    for number, given in enumerate(gradients):
        frozen = 3 <= number < 6
        runner.layers["first"].delta = 0.0 if frozen else 1.0
        before, state = runner.parameters[path].value, state_of(updates, path)
        held = before.copy()
        step(updates, runner, given)
        if frozen:
            np.testing.assert_array_equal(runner.parameters[path].value, held)
            for name, array in state_of(updates, path).items():
                np.testing.assert_array_equal(array, state[name])
        else:
            step(other, twin, given)
    np.testing.assert_allclose(runner.parameters[path].value, twin.parameters[path].value, rtol=1e-13)


def test_unfrozen_layer_starts_its_step_count():
    """Adam corrects the bias of a layer that is set free later as of its first step, not of the run's."""
    runner = Runner(chain())
    runner.layers["last"].delta = 0.0
    updates = Updates(runner, config(optimizer=Adam(0.1)))
    for _ in range(50):
        draw_gradients(runner, np.random.default_rng(0))
        updates.step()
    runner.layers["last"].delta = 1.0
    before = runner.parameters["last/weights"].value.copy()
    updates.step()
    np.testing.assert_allclose(np.abs(runner.parameters["last/weights"].value - before), 0.1, rtol=1e-6)


def test_deltas_may_change_between_epochs():
    class Thaw(Callback):
        def on_epoch_end(self, trainer, record):
            trainer.runner.layers["first"].delta = 1.0 if record.epoch >= 2 else 0.0
            seen.append(trainer.runner.parameters["first/weights"].value.copy())

    seen, graph = [], chain()
    graph.layers()["first"].delta = 0.0
    Trainer(graph, config(epochs=4), callbacks=[Thaw()]).fit(*data())
    np.testing.assert_array_equal(seen[0], seen[1])
    assert (seen[2] != seen[1]).all()


def test_optimizer_without_state_access_is_refused():
    class Opaque:
        elementwise = True

        def calculate_update(self, delta, weights, gradient):
            return weights - delta * gradient

    runner = Runner(chain())
    updates = Updates(runner, config(optimizer=Opaque()))
    draw_gradients(runner, np.random.default_rng(1))
    updates.step()
    runner.layers["first"].delta = 0.5
    before = {path: p.value.copy() for path, p in runner.parameters.items()}
    with pytest.raises(ConfigError, match="first/weights to last/weights, Opaque.*state, load_state, fresh"):
        updates.step()
    for path, p in runner.parameters.items():
        np.testing.assert_array_equal(p.value, before[path])


# ------------------------------------------------------------------ composites
def test_composite_delta_applies_to_inner_layers():
    runner = Runner(chain())
    runner.graph.nodes["pair"].layer.delta = 0.5
    runner.layers["pair/inner"].delta = 0.5
    updates = Updates(runner, config(optimizer=Sgd(1.0)))
    draw_gradients(runner, np.random.default_rng(1))
    before = {path: p.value.copy() for path, p in runner.parameters.items()}
    updates.step()
    for path, delta in {"first": 1.0, "pair/inner": 0.25, "pair/outer": 0.5, "last": 1.0}.items():
        p = runner.parameters[f"{path}/weights"]
        np.testing.assert_allclose(p.value, before[f"{path}/weights"] - delta * p.gradient, rtol=1e-12)


@EACH
def test_frozen_composite_stays_in_training(optimizer):
    graph = chain()
    graph.nodes["pair"].layer.delta = 0.0
    trainer = Trainer(graph, config(optimizer=optimizer, epochs=1))
    trainer.fit(*data())
    before = {path: p.value.copy() for path, p in trainer.runner.parameters.items()}
    trainer.fit(*data(), warm_start=True)
    for path, p in trainer.runner.parameters.items():
        assert np.array_equal(p.value, before[path]) == path.startswith("pair/")


@EACH
def test_frozen_single_layer_keeps_optimizer_state(optimizer):
    class Outer(Composite):
        """A composite in a composite."""

        def build(self):
            g = Builder("outer")
            return g.build(Pair(2)(g.input("x", "batch, feature=2"), name="pair"))

    for layer, frozen in ((FullyConnected(2, 3), None), (Outer(), None), (Outer(), "pair")):
        layer.set_optimizer(copy.deepcopy(optimizer))
        x = np.random.default_rng(2).normal(size=(4, 2))

        def run(layer=layer, x=x):
            return layer.backward(layer.forward(x))

        run()
        inner = layer if frozen is None else layer.graph.nodes[frozen].layer
        inner.delta = 0.0
        before = copy.deepcopy(layer.get_weights())
        run()
        after = layer.get_weights()
        pairs = [(before, after)] if isinstance(before, np.ndarray) else [(before[n], after[n]) for n in before]
        assert all(np.array_equal(a, b) for a, b in pairs)
        inner.delta = 1.0
        run()
        assert not np.array_equal(_arrays(layer.get_weights())[0], pairs[0][0])


def _arrays(weights):
    return [weights] if isinstance(weights, np.ndarray) else list(weights.values())


def test_shared_layer_with_two_deltas_is_refused():
    g, shared = Builder("shared"), FullyConnected(2, 2)

    def around(name):
        inner = Builder(name)
        return Subgraph(inner.build(shared(inner.input("x", "batch, feature=2"), name="dense")))

    one, two = around("one"), around("two")
    graph = g.build(two(one(g.input("x", "batch, feature=2"), name="a"), name="b"))
    one.delta = 0.0
    trainer = Trainer(graph, config())
    before = shared.get_weights()
    with pytest.raises(ConfigError, match=r"a/dense: a shared layer has several deltas.*0\.0, 1\.0"):
        trainer.fit(np.ones((4, 2)), np.ones((4, 2)))
    np.testing.assert_array_equal(shared.get_weights(), before)
    two.delta = 0.0
    trainer.fit(np.ones((4, 2)), np.ones((4, 2)))


# ------------------------------------------------------------------ bad deltas, and the contract
@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf, "1", None, True, np.ones(2), 1j], ids=repr)
def test_invalid_delta_is_refused(bad):
    for layer in (FullyConnected(2, 2), Pair(2)):
        with pytest.raises(ConfigError, match=rf"{type(layer).__name__}: individual_delta.*expected a finite number"):
            layer.delta = bad
        assert layer.delta == 1.0


@pytest.mark.parametrize("good", [0, 2, 0.5, np.float32(0.5), np.array(3.0), np.int64(4)], ids=repr)
def test_delta_may_be_any_real_number(good):
    layer = FullyConnected(2, 2)
    layer.delta = good
    assert layer.delta == float(good) and type(layer.delta) is float
    assert copy.deepcopy(layer).delta == layer.delta


def test_network_loss_includes_frozen_layers():
    optimizer = Sgd(0.1)
    optimizer.add_regularizer(L2_Regularizer(2.0))
    net = NeuralNetwork(optimizer, Constant(0.5), Constant(0.5))
    net.append_trainable_layer(FullyConnected(2, 2))
    net.layers[0].delta = 0.0
    net.data_layer = SimpleNamespace(forward=lambda: (np.ones((1, 2)), np.ones((1, 2))))
    net.loss_layer = SimpleNamespace(forward=lambda x, labels: 0.0, backward=lambda labels: np.ones((1, 2)))
    assert net.forward() == pytest.approx(2.0 * math.sqrt(6 * 0.25))


def test_subclass_of_optimizer_sees_no_frozen_layer():
    class Counting(Optimizer):
        calls = 0

        def step(self, rate, weights, gradient):
            type(self).calls += 1
            return weights - rate * gradient

    layer = FullyConnected(2, 2)
    layer.set_optimizer(Counting(0.1))
    for delta in (1.0, 0.0):
        layer.delta = delta
        layer.backward(layer.forward(np.ones((1, 2))))
    assert Counting.calls == 1
