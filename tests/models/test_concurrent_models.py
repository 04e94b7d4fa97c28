"""Models, Trainers and networks used by several threads: right numbers, or a StateError."""

import asyncio
import contextlib
import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers.concurrency import Gate, Held, gated_graph, in_another_thread, in_threads

from graphnet import (
    BatchNormalization,
    Builder,
    ConfigError,
    Dropout,
    Flatten,
    FullyConnected,
    Last,
    Model,
    NeuralNetwork,
    Phase,
    StateError,
    Trainer,
    TrainingConfig,
    dense,
)
from graphnet.core.errors import RuleError
from graphnet.data.datasets import Stream
from graphnet.initializers import Constant, UniformRandom
from graphnet.io import load_weights, save_weights
from graphnet.losses import MeanSquaredError
from graphnet.optimizers import Adam, Sgd
from graphnet.training.callbacks import Callback

pytest.importorskip("graphnet_recurrent")
pytest.importorskip("graphnet_activations")
pytest.importorskip("graphnet_conv")
from graphnet_activations import ReLU, SoftMax
from graphnet_conv import Conv, Pooling
from graphnet_recurrent import GRU, LSTM, RNN, Bidirectional, TanH, gru_cell

pytestmark = pytest.mark.slow


def lstm():
    g = Builder("lstm")
    return Model(g.build(LSTM(3, 6, 2, 50)(g.input("x", "time, batch, feature=3"))))


def deep():
    g = Builder("deep")
    x = Dropout(0.5)(ReLU()(dense(g.input("x", "batch, feature=6"), 16)))
    return Model(g.build(dense(BatchNormalization()(dense(x, 8)), 3)))


def conv():
    g = Builder("conv")
    x = g.input("x", "batch, channel=2, y=6, x=6")
    return Model(g.build(dense(Flatten()(Pooling((2, 2), (2, 2))(ReLU()(Conv((1, 1), (2, 3, 3), 3)(x)))), 3)))


def both():
    g = Builder("both")
    return Model(g.build(dense(Last()(Bidirectional(gru_cell(4))(g.input("x", "time, batch, feature=3"))), 2)))


def times(rng):
    return rng.normal(size=(rng.integers(2, 8), rng.integers(1, 4), 3))


MODELS = {
    "lstm": (lstm, times),
    "deep": (deep, lambda rng: rng.normal(size=(rng.integers(1, 5), 6)).astype("float32")),
    "conv": (conv, lambda rng: rng.normal(size=(rng.integers(1, 4), 2, 6, 6))),
    "both": (both, times),
}


def ready(name):
    """A model with weights, and running statistics where it has some."""
    make, inputs = MODELS[name]
    model = make()
    model.runner.forward({"x": np.asarray(inputs(np.random.default_rng(0)), float)})
    return model


# ---------------------------------------------------------------------- predictions
@pytest.mark.parametrize("name", MODELS)
def test_a_pool_predicts_as_one_thread(name):
    model, rng = ready(name), np.random.default_rng(1)
    given = [MODELS[name][1](rng) for _ in range(600)]
    alone = copy.deepcopy(model)
    expected = [alone.predict(x) for x in given]
    with ThreadPoolExecutor(8) as pool:
        result = list(pool.map(model.predict, given))
    for ours, serial in zip(result, expected, strict=True):
        np.testing.assert_array_equal(ours, serial)


def test_thousands_of_ragged_predictions_equal_serial():
    model, rng = ready("lstm"), np.random.default_rng(2)
    given = [[rng.normal(size=(n, 3)) for n in rng.integers(1, 6, size=rng.integers(1, 4))] for _ in range(2000)]
    alone = copy.deepcopy(model)
    expected = [alone.predict(x) for x in given]
    with ThreadPoolExecutor(8) as pool:
        result = list(pool.map(model.predict, given))
    for ours, serial in zip(result, expected, strict=True):
        for one, other in zip(ours, serial, strict=True):
            np.testing.assert_array_equal(one, other)


def test_tasks_predict_and_evaluate_as_one_thread():
    model, rng = ready("lstm"), np.random.default_rng(3)
    model.config = model.config.changed(loss=MeanSquaredError())
    given = [(times(rng), rng.normal(size=1)) for _ in range(60)]

    def work(x, shift):
        y = model.predict(x)
        return y, model.evaluate(x, y + shift)["loss"]

    async def main():
        return await asyncio.gather(*(asyncio.to_thread(work, *each) for each in given))

    expected = [work(*each) for each in given]
    for (y, loss), (serial, other) in zip(asyncio.run(main()), expected, strict=True):
        np.testing.assert_array_equal(y, serial)
        assert loss == other


def test_streams_are_evaluated_at_the_same_time():
    model = ready("lstm")
    model.config = model.config.changed(loss=MeanSquaredError(), tbptt=(5, 5))
    rng = np.random.default_rng(4)
    streams = [Stream(x, x[:, :2], batch=2) for x in rng.normal(size=(6, 60, 3))]
    expected = [model.evaluate(each)["loss"] for each in streams]
    assert in_threads(*[lambda each=each: model.evaluate(each)["loss"] for each in streams]) == expected


def test_concurrent_first_predictions_create_weights_once():
    g = Builder("open")
    model = Model(g.build(dense(TanH()(dense(g.input("x"), 4)), 2)))
    x = np.random.default_rng(5).normal(size=(3, 5))
    result = in_threads(*[lambda: model.predict(x)] * 8)
    for y in result:
        np.testing.assert_array_equal(y, model.predict(x))


def test_stateful_predictions_of_two_threads_are_refused():
    g = Builder("gated")
    model = Model(g.build(Gate()(RNN(3, 4, 2, 9)(g.input("x", "time, batch, feature=3")))))
    x = np.random.default_rng(6).normal(size=(4, 2, 3))
    alone = copy.deepcopy(model)
    expected = [alone.predict(x, stateful=True) for _ in range(2)]
    with Held(lambda: model.predict(x, stateful=True)) as held:
        for call in (lambda: model.predict(x, stateful=True), model.reset_state):
            with pytest.raises(StateError, match="the kept state is in use in another thread") as caught:
                call()
            assert "train" not in str(caught.value) and "continues from a kept state" in str(caught.value)
        assert model.predict(x).shape == (4, 2, 2)
    np.testing.assert_array_equal(held.result, expected[0])
    np.testing.assert_array_equal(model.predict(x, stateful=True), expected[1])


# ---------------------------------------------------------------------- training meets others
X = np.random.default_rng(7).normal(size=(12, 3))
Y = np.random.default_rng(8).normal(size=(12, 2))
SETTINGS = {"loss": MeanSquaredError(), "optimizer": Sgd(0.01), "epochs": 2, "seed": 1}


def gated():
    model = Model(gated_graph())
    model.predict(X)
    return model


def weights_of(model):
    return {name: p.value.copy() for name, p in model.runner.parameters.items()}


OTHERS = {
    "predict": lambda model, folder: model.predict(X),
    "evaluate": lambda model, folder: model.evaluate(X, Y),
    "save": lambda model, folder: model.save(folder / "saved"),
    "fit": lambda model, folder: model.fit(X, Y, **SETTINGS),
    "fit of another model": lambda model, folder: Model(model.graph).fit(X, Y, **SETTINGS),
    "fit of a Trainer": lambda model, folder: Trainer(model.graph, TrainingConfig(**SETTINGS)).fit(X, Y),
    "save_weights": lambda model, folder: save_weights(folder / "weights", model.runner),
    "copy": lambda model, folder: copy.deepcopy(model),
    "forward": lambda model, folder: model.runner.forward({"x": X}),
    "explain": lambda model, folder: model.graph.explain(),
    "get_weights": lambda model, folder: dense_of(model).get_weights(),
    "set_weights": lambda model, folder: dense_of(model).set_weights(dense_of(model).get_weights()),
    "set_optimizer": lambda model, folder: dense_of(model).set_optimizer(Sgd(0.5)),
    "delta": lambda model, folder: setattr(dense_of(model), "delta", 0.5),
    "phase": lambda model, folder: setattr(dense_of(model), "phase", Phase.test),
}


def dense_of(model):
    """The first trainable layer of a model."""
    return next(layer for layer in model.runner.layers.values() if layer.trainable)


@pytest.mark.parametrize("name", OTHERS)
def test_training_refuses_other_threads(name, tmp_path):
    model = gated()
    model.config = model.config.changed(**SETTINGS)
    alone = copy.deepcopy(model)
    alone.fit(X, Y, **SETTINGS)
    with Held(lambda: model.fit(X, Y, **SETTINGS)) as held:
        with pytest.raises(StateError, match="the model is being trained in another thread") as caught:
            OTHERS[name](model, tmp_path)
        assert "copy.deepcopy(model)" in str(caught.value) and "fit in thread" in str(caught.value)
    assert not list(tmp_path.iterdir())
    assert held.result.stopped == alone.history.stopped
    for found, expected in zip(weights_of(model).values(), weights_of(alone).values(), strict=True):
        np.testing.assert_array_equal(found, expected)
    if name != "save":  # no file can name a Gate
        OTHERS[name](model, tmp_path)


@pytest.mark.parametrize("name", ["predict", "evaluate", "forward"])
def test_fit_during_another_threads_call_is_refused(name, tmp_path):
    model = gated()
    model.config = model.config.changed(**SETTINGS)
    before = weights_of(model)
    with (
        Held(lambda: OTHERS[name](model, tmp_path)) as held,
        pytest.raises(StateError, match="in use in another thread"),
    ):
        model.fit(X, Y, **SETTINGS)
    assert not isinstance(held.result, Exception)
    for name, array in weights_of(model).items():
        np.testing.assert_array_equal(array, before[name])
    assert model.history is None
    model.fit(X, Y, **SETTINGS)


def test_load_weights_during_pass_is_refused(tmp_path):
    model = gated()
    save_weights(tmp_path / "weights", model.runner)
    expected = model.predict(X)
    for parameter in model.runner.parameters.values():
        parameter.value = parameter.value * 2
    with Held(lambda: model.predict(X)), pytest.raises(StateError, match="in use in another thread"):
        load_weights(tmp_path / "weights", model.runner)
    assert not np.array_equal(model.predict(X), expected)
    load_weights(tmp_path / "weights", model.runner)
    np.testing.assert_array_equal(model.predict(X), expected)


def test_a_copy_predicts_during_training():
    model = gated()
    other = copy.deepcopy(model)
    expected = model.predict(X)
    with Held(lambda: model.fit(X, Y, **SETTINGS)):
        np.testing.assert_array_equal(other.predict(X), expected)


class Predicting(Callback):
    def __init__(self, model):
        self.model, self.seen = model, []

    def on_epoch_end(self, trainer, record):
        self.seen.append(self.model.predict(X))
        self.model.evaluate(X, Y)


def test_callbacks_predict_with_the_model_in_training():
    model = gated()
    model.config = model.config.changed(**SETTINGS)
    callback = Predicting(model)
    model.fit(X, Y, callbacks=[callback], **SETTINGS)
    assert len(callback.seen) == 2
    assert not np.array_equal(*callback.seen)


class Raising(Callback):
    def __init__(self, error):
        self.error = error

    def on_batch_end(self, trainer, epoch, batch, loss):
        raise self.error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("callback"), SystemExit(3)])
def test_the_guard_ends_with_any_exception(error):
    model = gated()
    with contextlib.suppress(type(error), RuleError):  # Ctrl-C ends a training early, and is not raised again
        model.fit(X, Y, callbacks=[Raising(error)], **SETTINGS)
    with pytest.raises(ConfigError):
        model.fit(X, None)
    assert in_another_thread(lambda: model.predict(X)).shape == (12, 2)
    assert in_another_thread(lambda: model.fit(X, Y, **SETTINGS)).epochs


# ---------------------------------------------------------------------- trainings at the same time
def trained(name, seed):
    g = Builder(name)
    if name == "lstm":
        x = g.input("x", "time, batch, feature=3")
        graph = g.build(dense(Dropout(0.6)(Last()(LSTM(None, 5, None, None)(x))), 2))
        given = np.random.default_rng(9).normal(size=(6, 20, 3))
    else:
        x = g.input("x", "batch, feature=4")
        graph = g.build(dense(Dropout(0.6)(BatchNormalization()(ReLU()(dense(x, 7)))), 2))
        given = np.random.default_rng(10).normal(size=(20, 4))
    model = Model(graph)
    target = np.random.default_rng(11).normal(size=(20, 2))
    history = model.fit(
        given, target, loss=MeanSquaredError(), optimizer=Adam(0.01), epochs=4, batch_size=4, seed=seed, validation=0.2
    )
    result = [p.value for p in model.runner.parameters.values()] + list(model.runner.buffers.values())
    return result, [(record.loss, record.validation_loss) for record in history.epochs]


def test_concurrent_trainings_are_reproducible():
    jobs = [(name, seed) for name in ("lstm", "dense") for seed in (1, 2, 3)]
    expected = [trained(*job) for job in jobs]
    result = in_threads(*[lambda job=job: trained(*job) for job in jobs])
    for (ours, losses), (serial, others) in zip(result, expected, strict=True):
        assert losses == others
        for one, other in zip(ours, serial, strict=True):
            np.testing.assert_array_equal(one, other)


def test_trainings_in_tasks_are_reproducible():
    async def main():
        return await asyncio.gather(*(asyncio.to_thread(trained, "dense", seed) for seed in (4, 5)))

    for (ours, _), seed in zip(asyncio.run(main()), (4, 5), strict=True):
        for one, other in zip(ours, trained("dense", seed)[0], strict=True):
            np.testing.assert_array_equal(one, other)


# ---------------------------------------------------------------------- layers and networks by hand
def test_layer_with_memory_allows_one_thread():
    layer = GRU(3, 4, 2, 9)
    layer.phase = Phase.test
    x = np.random.default_rng(12).normal(size=(5, 2, 3))
    expected = layer.forward(x)
    for result in in_threads(*[lambda: layer.forward(x)] * 6):
        np.testing.assert_array_equal(result, expected)
    layer.reset_state()
    layer.toggle_memory()
    steps = [copy.deepcopy(layer)]
    serial = [steps[0].forward(x) for _ in range(61)]
    result = []

    def go_on():
        for _ in range(10):
            with contextlib.suppress(StateError):
                result.append(layer.forward(x))

    in_threads(*[go_on] * 6)
    assert result
    for ours in result:  # each one is a step of one sequence, and no step came twice
        assert sum(np.array_equal(ours, one) for one in serial) >= 1
    np.testing.assert_array_equal(layer.forward(x), serial[len(result)])


@pytest.mark.parametrize("make", [lambda: LSTM(3, 4, 2, 9), lambda: FullyConnected(3, 2), SoftMax])
def test_backward_in_another_thread_is_refused(make):
    layer = make()
    x = np.random.default_rng(13).normal(size=(4, 3))
    y = layer.forward(x)
    in_another_thread(lambda: layer.forward(x))
    with pytest.raises(StateError, match="another thread's"):
        layer.backward(y)
    labels = np.eye(3)[[0, 1, 2, 0]]
    if isinstance(layer, SoftMax):
        in_another_thread(lambda: layer.forward(x, labels))
        with pytest.raises(StateError, match="another thread's"):
            layer.backward(labels)


class Data:
    def __init__(self, rng):
        self.rng = rng

    def forward(self):
        return self.rng.normal(size=(6, 3)), np.eye(2)[self.rng.integers(2, size=6)]


def network(seed=0):
    made = NeuralNetwork(Sgd(0.01), UniformRandom(), Constant(0.1))
    made.append_trainable_layer(FullyConnected(3, 5))
    made.layers += [Dropout(0.5), ReLU()]
    made.append_trainable_layer(FullyConnected(5, 2))
    made.data_layer, made.loss_layer = Data(np.random.default_rng(seed)), SoftMax()
    return made


def test_network_tests_in_threads_equal_serial():
    made = network()
    made.layers.insert(0, RNN(3, 4, 3, 5))  # runs by its own forward
    given = np.random.default_rng(14).normal(size=(400, 6, 3))
    expected = [made.test(x) for x in given]
    assert all(layer.phase is Phase.train for layer in made.layers)
    for i, result in enumerate(in_threads(*[lambda i=i: [made.test(x) for x in given[i::8]] for i in range(8)])):
        for ours, serial in zip(result, expected[i::8], strict=True):
            np.testing.assert_array_equal(ours, serial)


class ForeignLayer:
    """A layer that is not graphnet's, with a phase."""

    def __init__(self):
        self.phase, self.seen = Phase.train, []

    def forward(self, x):
        self.seen.append(self.phase)
        return x if self.phase is Phase.test else 0 * x

    def backward(self, error):
        return error


def test_network_tests_foreign_layers_in_test_phase():
    made = network()
    foreign = ForeignLayer()
    made.layers.insert(1, foreign)
    given = np.random.default_rng(15).normal(size=(80, 6, 3))
    expected = [made.test(x) for x in given]
    for i, result in enumerate(in_threads(*[lambda i=i: [made.test(x) for x in given[i::4]] for i in range(4)])):
        for ours, serial in zip(result, expected[i::4], strict=True):
            np.testing.assert_array_equal(ours, serial)
    assert set(foreign.seen) == {Phase.test}
    assert foreign.phase is Phase.train


def test_network_training_refuses_other_threads():
    made = network()
    entered, released = threading.Event(), threading.Event()

    class Waiting(Data):
        def forward(self):
            entered.set()
            assert released.wait(60)
            return super().forward()

    made.data_layer = Waiting(np.random.default_rng(0))
    thread = threading.Thread(target=made.train, args=(3,))
    thread.start()
    try:
        assert entered.wait(60)
        for call in (lambda: made.train(1), made.forward, lambda: made.test(np.ones((2, 3)))):
            with pytest.raises(StateError, match="trained in another thread"):
                call()
    finally:
        released.set()
        thread.join(60)
    assert len(made.loss) == 3
    assert made.test(np.ones((2, 3))).shape == (2, 2)


def test_network_backward_in_another_thread_is_refused():
    made = network()
    made.forward()
    in_another_thread(made.forward)
    with pytest.raises(StateError, match="another thread's"):
        made.backward()


def test_network_training_thread_uses_two_plans():
    made = network()
    made.train(10)
    (chain,) = made._chains.values()
    (segment,) = chain.segments
    assert sum(len(binding.idle) for binding in segment._runner._binder.bindings.values()) == 1
