"""A run that is stopped after any update and resumed in new objects equals, to the bit, the run that was not stopped."""

import random
import warnings
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest
from helpers.resumed import check_every_stop

import graphnet
from graphnet import BatchNormalization, Builder, Dropout, FullyConnected, Layer
from graphnet.authoring import Buffer
from graphnet.callbacks import Callback
from graphnet.core import random as graphnet_random
from graphnet.datasets import Stream
from graphnet.losses import CrossEntropy, MeanSquaredError
from graphnet.metrics import (
    F1,
    Accuracy,
    MeanAbsoluteError,
    Metric,
    Perplexity,
    RootMeanSquaredError,
    TopKAccuracy,
)
from graphnet.optimizers import Adam, AdamW, Optimizer, RMSprop, Sgd, SgdWithMomentum
from graphnet.regularizers import L1_Regularizer, L2_Regularizer
from graphnet.training import TrainingConfig, feeds
from graphnet_recurrent import GRU, LSTM

RNG = np.random.default_rng(20)
X, CLASSES = RNG.normal(size=(22, 4)), RNG.integers(0, 3, 22)
TARGETS = RNG.normal(size=(22, 2))
SEQUENCES = [RNG.normal(size=(n, 3)) for n in (5, 9, 2, 7, 7, 1, 6)]
STEPS = [RNG.normal(size=(len(s), 2)) for s in SEQUENCES]
SERIES, NEXT = RNG.normal(size=(46, 3)), RNG.normal(size=(46, 2))


def classes(*extra, **layers):
    builder = Builder("classes")
    hidden = BatchNormalization(6)(FullyConnected(4, 6)(builder.input("x", "batch, feature=4")))
    for layer in (Dropout(0.7), *extra):
        hidden = layer(hidden)
    return builder.build(scores=FullyConnected(6, 3)(hidden))


def recurrent(layer=LSTM):
    builder = Builder("steps")
    hidden = layer(3, 4, None)(builder.input("x", "time, batch, feature=3"))
    return builder.build(y=FullyConnected(4, 2)(Dropout(0.8)(hidden)))


def run(graph, fit, callbacks=lambda: (), **settings):
    """A function that makes all objects of a run."""
    settings = {"epochs": 3, "batch_size": 5, "seed": 3, **settings}

    def make():
        values = {name: value() if callable(value) else value for name, value in settings.items()}
        return graph(), TrainingConfig(**values), callbacks(), fit()

    return make


def examples():
    return {"inputs": X, "targets": CLASSES}


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": lambda: Sgd(0.1), "schedule": "cosine"},
        {
            "optimizer": lambda: SgdWithMomentum(0.05),
            "schedule": "step",
            "decay_epochs": 2,
            "regularizer": lambda: L2_Regularizer(0.01),
        },
        {"optimizer": lambda: Adam(0.05), "clip_norm": 0.5, "validation": 0.3, "metrics": lambda: (Accuracy(),)},
        {"optimizer": lambda: AdamW(0.05), "regularizer": lambda: L1_Regularizer(0.01), "shuffle": False},
        {"optimizer": lambda: RMSprop(0.01), "drop_last": True, "epochs": 6, "patience": 2, "validation": 0.3},
        {"dtype": "float64", "threads": None, "batch_size": 30},
    ],
    ids=["sgd", "momentum", "adam", "adamw", "rmsprop", "one batch"],
)
def test_feedforward(settings):
    check_every_stop(run(classes, examples, **settings), every=2)


def test_weights_of_examples_and_more_metrics():
    weight = RNG.random(22)
    fit = lambda: {**examples(), "sample_weight": weight, "class_weight": {0: 1.0, 1: 2.0, 2: 0.5}}  # noqa: E731
    metrics = lambda: (F1(), Perplexity(), TopKAccuracy(2))  # noqa: E731
    check_every_stop(run(classes, fit, metrics=metrics, validation=0.3))


def test_batches_that_are_skipped():
    damaged = X.copy()
    damaged[[3, 17]] = np.nan
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "a batch was skipped|.*skipped")
        trainer, _ = check_every_stop(
            run(classes, lambda: {"inputs": damaged, "targets": CLASSES}, on_nan="skip"), every=2
        )
    assert sum(record.skipped_batches for record in trainer.history.epochs) > 1


def test_every_backend(every_backend):
    check_every_stop(run(classes, examples, backend=every_backend), every=7)
    fit = {"inputs": SEQUENCES, "targets": STEPS}
    loss = {"loss": MeanSquaredError, "batch_size": 3, "epochs": 2, "backend": every_backend}
    check_every_stop(run(recurrent, lambda: fit, tbptt=(3, 5), **loss), every=7)


@pytest.mark.parametrize("batching", ["random", "length"])
def test_sequences_of_different_length(batching):
    fit = {"inputs": SEQUENCES, "targets": STEPS, "validation_data": (SEQUENCES[:3], STEPS[:3])}
    metrics = lambda: (MeanAbsoluteError(), RootMeanSquaredError())  # noqa: E731
    settings = {"batching": batching, "loss": MeanSquaredError, "metrics": metrics, "batch_size": 3}
    check_every_stop(run(recurrent, lambda: fit, **settings), every=3)


@pytest.mark.parametrize("window", [(3, 3), (2, 5), (4, 1)])
def test_truncated_backpropagation(window):
    fit = {"inputs": SEQUENCES, "targets": STEPS}
    settings = {"loss": MeanSquaredError, "tbptt": window, "batch_size": 3, "epochs": 2, "batching": "length"}
    check_every_stop(run(lambda: recurrent(GRU), lambda: fit, **settings), every=7)


def pieces():
    fresh = np.array([True, False])
    return [
        (SERIES[:10].reshape(5, 2, 3), NEXT[:10].reshape(5, 2, 2)),
        (SERIES[10:24].reshape(7, 2, 3), NEXT[10:24].reshape(7, 2, 2), fresh),
        (SERIES[24:40].reshape(8, 2, 3), NEXT[24:40].reshape(8, 2, 2), ~fresh),
    ]


class Noisy:
    """A source of pieces with a generator and a counter of its own."""

    def __init__(self):
        self.rng, self.opened, self.noise = np.random.default_rng(8), 0, np.ones(3)

    def __call__(self):
        self.opened += 1
        for inputs, targets, *fresh in pieces():
            yield inputs + self.noise * self.rng.normal(size=inputs.shape) * self.opened, targets, *fresh


def noisy_function():
    rng, python = np.random.default_rng(9), random.Random(4)

    def read():
        for inputs, targets, *_ in pieces():
            yield inputs * rng.random() + python.random(), targets

    return read


def shared_function():
    """Draws from the generator of the run and from numpy's global one, which others use too."""
    for inputs, targets, *_ in pieces():
        yield inputs + graphnet_random.generator().random(), targets + np.random.rand()  # noqa: NPY002


class Methods:
    """A source by a bound method with arguments, with a pair of methods."""

    def __init__(self):
        self.rng, self.iterator = np.random.default_rng(2), iter(range(10**6))

    def read(self, scale, own):
        for inputs, targets, *_ in pieces():
            yield scale * inputs + self.rng.random() + next(self.iterator), targets + own.random()

    def state(self):
        return {"rng": self.rng, "count": self.iterator.__reduce__()[-1]}

    def load_state(self, state):
        self.rng, self.iterator = state["rng"], iter(range(10**6))
        for _ in range(state["count"]):
            next(self.iterator)


@pytest.mark.parametrize(
    "source",
    [
        lambda: Stream(SERIES, NEXT, batch=2),
        lambda: Stream(pieces()),
        lambda: Stream(Noisy()),
        lambda: Stream(noisy_function()),
        lambda: Stream(shared_function),
        lambda: Stream(partial(Methods().read, 1e-3, own=np.random.default_rng(9))),
    ],
    ids=["arrays", "list", "object", "function", "shared generators", "method"],
)
def test_stream(source):
    settings = {"loss": MeanSquaredError, "tbptt": (3, 5), "epochs": 2}
    fit = lambda: {"inputs": source(), "validation_data": source()}  # noqa: E731
    check_every_stop(run(recurrent, fit, **settings), every=3)


def test_stream_of_large_pieces_is_read_again(monkeypatch):
    """What has been read and not used is too large to be kept."""
    monkeypatch.setattr(feeds, "UNREAD", 0)
    settings = {"loss": MeanSquaredError, "tbptt": (3, 3), "epochs": 2}
    check_every_stop(run(recurrent, lambda: {"inputs": Stream(Noisy())}, **settings), every=4)


def test_stream_that_is_read_once():
    settings = {"loss": MeanSquaredError, "tbptt": (4, 4), "epochs": 1}
    check_every_stop(run(recurrent, lambda: {"inputs": Stream(iter(pieces()))}, **settings), every=2)


# ---------------------------------------------------------------------- objects of users
@dataclass(eq=False)
class Odd(Optimizer):
    """Keeps its state in attributes: a number, lists, an array, a generator."""

    seed: int = 5

    def __post_init__(self):
        super().__post_init__()
        self.rng, self.calls, self.largest, self.velocity = np.random.default_rng(self.seed), 0, [], None

    def fresh(self):
        return type(self)(self.learning_rate, self.seed)

    def step(self, rate, weights, gradient):
        self.calls += 1
        self.largest.append(float(np.abs(gradient).max()))
        noise = self.rng.normal(size=weights.shape) / self.calls
        self.velocity = gradient + noise if self.velocity is None else 0.5 * self.velocity + gradient + noise
        return weights - rate * self.velocity * min(1.0, max(self.largest[-4:]))


class Plain:
    """An optimizer of no base class, with slots, a dictionary and a big integer."""

    __slots__ = ("count", "memory")

    def __init__(self):
        self.count, self.memory = 2**70, {}

    def calculate_update(self, delta, weights, gradient):
        self.count += 1
        self.memory["mean"] = self.memory.get("mean", 0.0) * 0.5 + gradient
        return weights - 0.1 * delta * self.memory["mean"] * (self.count - 2**70)


class ByMethods:
    """An optimizer with an attribute that cannot be kept, and the pair of methods."""

    def __init__(self):
        self.steps = iter(range(1000))
        self.done = 0

    def calculate_update(self, delta, weights, gradient):
        self.done = next(self.steps) + 1
        return weights - delta * gradient / (10 + self.done)

    def state(self):
        return {"done": self.done}

    def load_state(self, state):
        self.done = state["done"]
        self.steps = iter(range(self.done, 1000))

    def __deepcopy__(self, memo):
        return ByMethods()


@pytest.mark.parametrize("optimizer", [lambda: Odd(0.05), Plain, ByMethods])
def test_optimizer_of_a_user(optimizer):
    check_every_stop(run(classes, examples, optimizer=optimizer), every=2)


@dataclass(eq=False)
class Median(Metric):
    """Keeps all scores of the epoch."""

    _scores: list = field(default_factory=list, init=False)
    name = "median"

    def reset(self):
        self._scores = []

    def loss(self):
        return CrossEntropy()

    def update(self, prediction, target, mask=None):
        self._scores += [float(row[cls]) for row, cls in zip(prediction, target, strict=True)]

    def result(self):
        return float(np.median(self._scores))


@dataclass(frozen=True)
class Counting(MeanSquaredError):
    """A loss whose values depend on the number of its calls."""

    calls: dict = field(default_factory=lambda: {"count": 0})

    def rule(self, prediction, target):
        self.calls["count"] += 1
        losses, errors = super().rule(prediction, target)
        return losses / self.calls["count"], errors / self.calls["count"]


def test_metric_and_loss_of_a_user():
    check_every_stop(run(classes, examples, metrics=lambda: (Median(), Accuracy()), validation=0.3))
    fit = {"inputs": X, "targets": TARGETS}
    graph = lambda: Builder("line").build  # noqa: E731, F841

    def line():
        builder = Builder("line")
        return builder.build(y=FullyConnected(4, 2)(builder.input("x", "batch, feature=4")))

    check_every_stop(run(line, lambda: fit, loss=Counting))


class Tracker:
    def __init__(self):
        self.mean = np.zeros(2, ">f4")


class Watcher(Callback):
    """Changes the run, from a state of many kinds."""

    def __init__(self):
        self.rng = np.random.Generator(np.random.MT19937(3))
        self.python, self.legacy = random.Random(2), np.random.RandomState(7)
        self.log, self.seen, self.recent = [], {(1, "a"): float("nan")}, {3}
        self.tracker, self.best, self.records = Tracker(), float("inf"), []
        self.function = noisy_function()
        self.children = np.random.default_rng(4)

    def on_start(self, trainer, batches):
        self.file, self.log = open(__file__, "rb"), []  # noqa: SIM115

    def on_batch_end(self, trainer, epoch, batch, loss):
        self.log.append(loss)
        self.recent.add(batch)
        self.best = np.float32(min(self.best, loss))
        child = self.children.spawn(1)[0].random()
        self.tracker.mean = (self.tracker.mean + self.rng.random(2) * child).astype(">f4")
        layer = next(iter(trainer.runner.layers.values()))
        factor = 1 + 1e-3 * (self.python.random() + self.legacy.rand() + graphnet_random.generator().random())
        layer.params["weights"].value = np.asfortranarray(layer.params["weights"].value * factor)

    def on_epoch_end(self, trainer, record):
        self.records.append(record)
        self.seen[record.epoch, "x"] = -float("inf")
        layers = [layer for layer in trainer.runner.layers.values() if layer.params]
        layers[record.epoch % 2].delta = 0.5 if record.epoch > 1 else 0.0
        for dropout in (layer for layer in trainer.runner.layers.values() if isinstance(layer, Dropout)):
            dropout.probability = 0.5 + 0.1 * record.epoch

    def on_end(self, trainer, history):
        self.file.close()


class Global(Callback):
    """Draws from the global generators of numpy and Python."""

    def on_epoch_end(self, trainer, record):
        trainer.stopping = record.epoch == 3
        for parameter in trainer.runner.parameters.values():
            parameter.value = parameter.value * (1 + 0.01 * np.random.rand()) + 0.01 * random.random()  # noqa: NPY002


def test_callbacks_with_state():
    check_every_stop(run(classes, examples, callbacks=lambda: [Watcher()]))


def test_callback_that_stops_after_this_epoch():
    _, snapshots = check_every_stop(run(classes, examples, callbacks=lambda: [Global()], epochs=3))
    assert snapshots[-1].values["stopped"] == "callback"


class Jitter(Layer):
    """Adds noise of a generator of its own, scaled by a buffer that counts the passes."""

    size: int = 6

    def check(self):
        self._rng, self._passes = np.random.default_rng(1), 0

    def buffers(self, x):
        return {"passes": Buffer(())}

    def apply(self, x, *, passes, phase):
        if phase is graphnet.Phase.test:
            return x, passes
        self._passes += 1
        return x + self._rng.normal() / (1 + passes + self._passes), passes

    def pull(self, passes, error):
        return error

    def update(self, saved, *, passes):
        return {"passes": passes + 1}


def test_layer_of_a_user_with_buffers_and_a_generator():
    check_every_stop(run(lambda: classes(Jitter()), examples, backend="reference", validation=0.2))
