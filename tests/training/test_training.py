"""The Trainer against the same steps in plain numpy, and what it promises about seeds, epochs and errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from graphnet import (
    BatchNormalization,
    Builder,
    Cell,
    ConfigError,
    DataError,
    Dropout,
    FullyConnected,
    Layer,
    Scan,
    ShapeError,
    StateError,
    Trainer,
    TrainingConfig,
    generator,
    seed,
)
from graphnet.initializers import Constant
from graphnet.losses import CrossEntropy, MeanSquaredError
from graphnet.metrics import Accuracy, MeanAbsoluteError
from graphnet.optimizers import Adam, Sgd
from graphnet.regularizers import L2_Regularizer
from graphnet.training import Callback
from graphnet.training.evaluation import evaluate
from graphnet.training.nonfinite.worse import TrainingWarning

pytestmark = pytest.mark.no_plugins


class Tanh(Layer):
    def apply(self, x):
        y = np.tanh(x)
        return y, y

    def pull(self, y, error):
        return error * (1 - y * y)


def line(features=4, outputs=2):
    g = Builder("line")
    return g.build(y=FullyConnected(features, outputs)(g.input("x", f"batch, feature={features}"), name="dense"))


def dropping():
    g = Builder("dropping")
    hidden = Tanh()(FullyConnected(4, 8)(g.input("x", "batch, feature=4")))
    return g.build(scores=FullyConnected(8, 3)(Dropout(0.6)(hidden)))


def elman(hidden=5, features=3, classes=2, every_step=False):
    cell = Cell("elman", sequences="x", states={"h": hidden})
    h = Tanh()(FullyConnected(None, hidden)(cell.x) + FullyConnected(hidden, hidden, bias=False)(cell.h))
    g = Builder("elman")
    value = Scan(cell.build(output=h, h=h))(g.input("x", f"time, batch, feature={features}"), name="scan")
    read = value if every_step else value["h"]
    return g.build(scores=FullyConnected(hidden, classes)(read, name="dense"))


def rows(n=37, features=4, outputs=2, rng=0):
    rng = np.random.default_rng(rng)
    x = rng.normal(size=(n, features))
    return x, x @ rng.normal(size=(features, outputs)) + 0.3 * rng.normal(size=(n, outputs))


def classes(n=60, rng=1):
    rng = np.random.default_rng(rng)
    x = rng.normal(size=(n, 4))
    return x, (x @ rng.normal(size=(4, 3))).argmax(1)


def sequences(n=13, features=3, rng=2):
    rng = np.random.default_rng(rng)
    lengths = rng.integers(0, 8, n)
    lengths[[1, 4]] = 0, 7
    return [rng.normal(size=(length, features)) for length in lengths], rng.integers(0, 2, n)


def weights_of(graph):
    return {
        f"{path}/{name}": parameter.value
        for path, layer in graph.layers().items()
        for name, parameter in layer.params.items()
    }


def squared(**settings):
    return TrainingConfig(**{"loss": MeanSquaredError(), "dtype": "float64", "optimizer": Sgd(0.05), **settings})


# ------------------------------------------------------------------ the loop, written out
def written_out(x, y, start, epochs, size, rate=0.05, clip=None, alpha=0.0):
    """Sgd on the mean squared error, rows in order: weights, and per epoch the mean over all elements."""
    w, losses = start.copy(), []
    for _ in range(epochs):
        total, penalty = 0.0, 0.0
        for i in range(0, len(x), size):
            a, t = np.c_[x[i : i + size], np.ones(len(x[i : i + size]))], y[i : i + size]
            difference = a @ w - t
            total += (difference**2).sum()
            penalty += alpha * np.sqrt((w**2).sum()) * len(t)
            gradient = a.T @ (2 * difference / difference.size)
            norm = np.sqrt((gradient**2).sum())
            if clip and norm > clip:
                gradient *= clip / norm
            w = w - rate * gradient - rate * alpha * w
        losses.append(total / y.size + penalty / len(x))
    return w, losses


@pytest.mark.parametrize("size", [1, 8, 36, 37, 100])
@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.5}, {"regularizer": L2_Regularizer(0.1)}])
def test_trainer_matches_manual_loop(size, options):
    x, y = rows()
    graph = line()
    config = squared(epochs=3, batch_size=size, shuffle=False, weights_initializer=Constant(0.1), **options)
    history = Trainer(graph, config).fit(x, y)
    start = np.vstack([np.full((4, 2), 0.1), np.zeros((1, 2))])
    alpha = options["regularizer"].alpha if "regularizer" in options else 0.0
    epochs = history.best_epoch
    _, losses = written_out(x, y, start, 3, size, clip=options.get("clip_norm"), alpha=alpha)
    w, _ = written_out(x, y, start, epochs, size, clip=options.get("clip_norm"), alpha=alpha)
    np.testing.assert_allclose([record.loss for record in history.epochs], losses, rtol=1e-12)
    np.testing.assert_allclose(weights_of(graph)["dense/weights"], w, rtol=1e-10)
    assert epochs == 1 + int(np.argmin(losses))


def test_sum_reduction_over_partial_last_batch():
    x, y = rows(11)
    graph = line()
    config = squared(loss=MeanSquaredError("sum"), epochs=1, batch_size=4, optimizer=Sgd(0.0), shuffle=False)
    history = Trainer(graph, config).fit(x, y)
    w = weights_of(graph)["dense/weights"]
    assert history.epochs[0].loss == pytest.approx(((np.c_[x, np.ones(11)] @ w - y) ** 2).sum(), rel=1e-12)


@pytest.mark.parametrize("size", [7, 32, 60])
def test_metrics_do_not_depend_on_the_batches(size):
    x, y = classes()
    trainer = Trainer(line(4, 3), TrainingConfig(metrics=(Accuracy(),), epochs=1, batch_size=size, optimizer=Sgd(0.0)))
    record = trainer.fit(x, y).epochs[0]
    w = weights_of(trainer.graph)["dense/weights"]
    scores = np.c_[x, np.ones(60)] @ w
    assert record.metrics["accuracy"] == pytest.approx((scores.argmax(1) == y).mean(), abs=1e-12)
    logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    assert record.loss == pytest.approx(-logs[np.arange(60), y].mean(), rel=1e-5)
    assert trainer.evaluate(x, y)["accuracy"] == record.metrics["accuracy"]


def test_shuffle_visits_every_example_each_epoch():
    seen = []

    class Looking(Layer):
        def apply(self, x, *, phase):
            if phase.value == "train":
                seen.append(np.array(x)[:, 0])  # np.array: cannot be compiled
            return x, None

        def pull(self, saved, error):
            return error

    g = Builder("looking")
    graph = g.build(y=FullyConnected(1, 1)(Looking()(g.input("x", "batch, feature=1"))))
    x = np.arange(10.0)[:, None]
    Trainer(graph, squared(epochs=3, batch_size=4, optimizer=Sgd(0.0))).fit(x, x)
    assert [len(batch) for batch in seen] == [4, 4, 2] * 3
    epochs = [tuple(np.concatenate(seen[i : i + 3])) for i in (0, 3, 6)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len(set(epochs)) == 3 and tuple(range(10)) not in epochs


# ------------------------------------------------------------------ seeds
def test_same_seed_gives_identical_runs():
    x, y = classes()
    config = TrainingConfig(epochs=3, batch_size=7, validation=0.2, metrics=(Accuracy(),), seed=5)

    def run(before):
        seed(before)
        generator().random(before)
        graph = dropping()
        return Trainer(graph, config).fit(x, y), weights_of(graph)

    (one, first), (two, second) = run(1), run(99)
    assert [r.loss for r in one.epochs] == [r.loss for r in two.epochs]
    assert [r.validation_metrics for r in one.epochs] == [r.validation_metrics for r in two.epochs]
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_fit_restarts_and_depends_on_seed():
    x, y = classes()
    g = Builder("normal")
    graph = g.build(scores=FullyConnected(4, 3)(BatchNormalization()(g.input("x", "batch, feature=4"))))
    trainer = Trainer(graph, TrainingConfig(epochs=2))
    first = [record.loss for record in trainer.fit(x, y).epochs]
    figures = trainer.evaluate(x, y)
    assert [record.loss for record in trainer.fit(x, y).epochs] == first
    assert trainer.evaluate(x, y) == figures
    other = Trainer(graph, TrainingConfig(epochs=2, seed=1)).fit(x, y)
    assert other.epochs[0].loss != first[0]


def test_the_global_generator_is_left_alone():
    x, y = classes()
    seed(3)
    expected = generator().random(4)
    seed(3)
    graph, config = dropping(), TrainingConfig(epochs=1)
    seed(3)
    Trainer(graph, config).fit(x, y)
    assert np.array_equal(generator().random(4), expected)


def test_warm_start_continues_from_weights():
    x, y = rows()
    graph = line()
    trainer = Trainer(graph, squared(epochs=4, shuffle=False, batch_size=8))
    whole = [record.loss for record in trainer.fit(x, y).epochs]
    halves = Trainer(graph, squared(epochs=2, shuffle=False, batch_size=8))
    first = [record.loss for record in halves.fit(x, y).epochs]
    second = [record.loss for record in halves.fit(x, y, warm_start=True).epochs]
    np.testing.assert_allclose(first + second, whole, rtol=1e-12)


# ------------------------------------------------------------------ sequences
@pytest.mark.parametrize("size", [1, 4, 13])
def test_ragged_batch_matches_single_sequences(size):
    x, y = sequences()
    graph = elman()
    trainer = Trainer(graph, TrainingConfig(epochs=1, dtype="float64", batch_size=size))
    trainer.fit(x, y)
    alone = [trainer.evaluate([x[i]], [y[i]])["loss"] for i in range(len(x))]
    together = evaluate(trainer.runner, trainer.config, x, y)["loss"]
    assert together == pytest.approx(np.mean(alone), rel=1e-12)


@pytest.mark.parametrize("every_step", [False, True])
def test_padded_arrays_with_lengths_equal_a_list(every_step):
    x, last = sequences()
    rng = np.random.default_rng(5)
    lengths = np.array([len(each) for each in x])
    padded = rng.normal(size=(9, 13, 3))  # what lies beyond must not count
    for i, each in enumerate(x):
        padded[: len(each), i] = each
    steps = [rng.integers(0, 2, len(each)) for each in x]
    targets = np.zeros((9, 13), int)
    for i, each in enumerate(steps):
        targets[: len(each), i] = each
    whole, listed = (targets, steps) if every_step else (last, last)
    config = TrainingConfig(epochs=2, batch_size=4, dtype="float64", metrics=(Accuracy(),))
    graphs = [elman(every_step=every_step) for _ in range(4)]
    runs = [
        Trainer(graphs[0], config).fit(x, listed),
        Trainer(graphs[1], config).fit(padded, whole, lengths=lengths),
        Trainer(graphs[2], config).fit(x, whole),
        Trainer(graphs[3], config).fit(padded, listed, lengths={"x": lengths}),
    ]
    for run, graph in zip(runs[1:], graphs[1:], strict=True):
        for one, two in zip(runs[0].epochs, run.epochs, strict=True):
            assert one.loss == pytest.approx(two.loss, rel=1e-12)
            assert one.metrics == two.metrics
        for name, value in weights_of(graphs[0]).items():
            np.testing.assert_allclose(weights_of(graph)[name], value, rtol=1e-9, atol=1e-12)


def test_sequence_loss_is_mean_over_valid_steps():
    x, _ = sequences()
    rng = np.random.default_rng(6)
    targets = [rng.normal(size=(len(each), 2)) for each in x]
    graph = elman(every_step=True)
    trainer = Trainer(graph, squared(epochs=1, batch_size=5, optimizer=Sgd(0.0), metrics=(MeanAbsoluteError(),)))
    record = trainer.fit(x, targets).epochs[0]
    named = weights_of(graph)
    differences = []
    for each, target in zip(x, targets, strict=True):
        h = np.zeros(5)
        for step, wanted in zip(each, target, strict=True):
            h = np.tanh(
                np.r_[step, 1] @ named["scan/fully_connected/weights"] + h @ named["scan/fully_connected_2/weights"]
            )
            differences.append(np.r_[h, 1] @ named["dense/weights"] - wanted)
    assert record.loss == pytest.approx(np.square(differences).mean(), rel=1e-10)
    assert record.metrics["mean_absolute_error"] == pytest.approx(np.abs(differences).mean(), rel=1e-10)


def test_batch_of_empty_sequences_is_skipped():
    x, _ = sequences(5)
    x[0] = x[1] = np.zeros((0, 3))
    targets = [np.zeros(len(each), int) for each in x]
    graph = elman(every_step=True)
    config = TrainingConfig(epochs=1, batch_size=2, shuffle=False, dtype="float64", optimizer=Sgd(0.0))
    trainer = Trainer(graph, config)
    record = trainer.fit(x, targets).epochs[0]
    assert record.loss == pytest.approx(trainer.evaluate(x[2:], targets[2:])["loss"], rel=1e-12)
    assert record.examples == 5


def test_lists_of_lists_are_sequences():
    trainer = Trainer(elman(), TrainingConfig(epochs=1, dtype="float64"))
    history = trainer.fit([[], [[1, 2, 3], [4, 5, 6]]], [0, 1])
    assert math.isfinite(history.epochs[0].loss)
    assert trainer.evaluate([[]], [0])["loss"] == pytest.approx(trainer.evaluate([np.zeros((0, 3))], [0])["loss"])


# ------------------------------------------------------------------ several inputs and outputs
def test_losses_of_several_outputs_are_summed():
    g = Builder("two")
    x, z = g.input("x", "batch, feature=4"), g.input("z", "batch, feature=4", optional=False)
    shared = FullyConnected(4, 3)(x + z, name="shared")
    graph = g.build(scores=shared, value=FullyConnected(3, 1)(shared, name="value"), unused=shared * 2.0)
    (x, labels), (z, value) = classes(), rows(60, outputs=1)
    losses = {"scores": CrossEntropy(), "value": MeanSquaredError()}
    config = squared(loss=losses, epochs=1, batch_size=60, optimizer=Sgd(0.0), metrics=(Accuracy(),))
    trainer = Trainer(graph, config)
    record = trainer.fit({"z": z, "x": x}, {"scores": labels, "value": value}).epochs[0]
    named = weights_of(graph)
    scores = np.c_[x + z, np.ones(60)] @ named["shared/weights"]
    logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    squares = (np.c_[scores, np.ones(60)] @ named["value/weights"] - value) ** 2
    assert record.loss == pytest.approx(-logs[np.arange(60), labels].mean() + squares.mean(), rel=1e-10)
    assert record.metrics["accuracy"] == pytest.approx((scores.argmax(1) == labels).mean())


# ------------------------------------------------------------------ the best epoch
class Keeping(Callback):
    """Every epoch's weights, and what else happened."""

    def __init__(self):
        self.weights, self.ended, self.batches, self.losses = [], [], None, []

    def on_start(self, trainer, batches):
        self.batches = batches

    def on_batch_end(self, trainer, epoch, batch, loss):
        self.losses.append((epoch, batch, loss))

    def on_epoch_end(self, trainer, record):
        self.weights.append(weights_of(trainer.graph))

    def on_end(self, trainer, history):
        self.ended.append((history.stopped, history.best_epoch))


@pytest.mark.parametrize(
    ("metrics", "key"),
    [
        ((Accuracy(),), lambda r: (-r.validation_metrics["accuracy"], r.validation_loss)),
        ((), lambda r: r.validation_loss),
    ],
)
def test_best_epoch_weights_are_restored(metrics, key):
    x, y = classes(40)
    other, labels = classes(30, rng=8)
    keeping = Keeping()
    config = TrainingConfig(epochs=12, optimizer=Adam(0.5), metrics=metrics, dtype="float64")
    trainer = Trainer(line(4, 3), config, callbacks=[keeping])
    history = trainer.fit(x, y, validation_data=(other, labels))
    best = min(history.epochs, key=key)
    assert history.best_epoch == best.epoch < 12
    assert history.best is history.epochs[best.epoch - 1] and best.best
    placed = weights_of(trainer.graph)
    assert all(np.array_equal(placed[name], value) for name, value in keeping.weights[best.epoch - 1].items())
    assert trainer.evaluate(other, labels)["loss"] == pytest.approx(best.validation_loss, rel=1e-12)
    assert keeping.ended == [("finished", best.epoch)]


def test_best_epoch_buffers_are_restored():
    x, y = classes(40)
    g = Builder("normal")
    graph = g.build(scores=FullyConnected(4, 3)(BatchNormalization()(g.input("x", "batch, feature=4"))))
    other, labels = classes(30, rng=8)
    trainer = Trainer(graph, TrainingConfig(epochs=10, optimizer=Adam(0.5), dtype="float64"))
    history = trainer.fit(x, y, validation_data=(other, labels))
    assert history.best_epoch < 10
    assert trainer.evaluate(other, labels)["loss"] == pytest.approx(history.best.validation_loss, rel=1e-12)


def test_patience_stops_the_run():
    x, y = classes(40)
    config = TrainingConfig(epochs=100, optimizer=Adam(0.5), validation=0.25, patience=3)
    history = Trainer(line(4, 3), config).fit(x, y)
    assert history.stopped == "patience"
    assert len(history) == history.best_epoch + 3 < 100


def test_held_out_examples_are_not_trained_on():
    x, y = rows(40)
    x[:] = np.arange(40)[:, None]
    seen = set()

    class Looking(Layer):
        def apply(self, x, *, phase):
            if phase.value == "train":
                seen.update(x[:, 0].tolist())
            return x, None

        def pull(self, saved, error):
            return error

    g = Builder("looking")
    graph = g.build(y=FullyConnected(4, 2)(Looking()(g.input("x", "batch, feature=4"))))
    record = Trainer(graph, squared(epochs=2, validation=0.3, optimizer=Sgd(0.0))).fit(x, y).epochs[0]
    assert len(seen) == record.examples == 28
    assert record.validation_loss is not None


@pytest.mark.parametrize(("schedule", "factors"), [
    ("constant", [1, 1, 1, 1]),
    ("cosine", [1, (1 + math.cos(math.pi / 4)) / 2, 0.5, (1 + math.cos(3 * math.pi / 4)) / 2]),
    ("step", [1, 0.1, 0.01, 0.001]),
])  # fmt: skip
def test_the_learning_rate_follows_its_schedule(schedule, factors):
    x, y = rows()
    history = Trainer(line(), squared(epochs=4, schedule=schedule)).fit(x, y)
    rates = [record.learning_rate for record in history.epochs]
    np.testing.assert_allclose(rates, [0.05 * factor for factor in factors], rtol=1e-12)


def test_zero_learning_rate_changes_no_weights():
    x, y = rows()
    keeping = Keeping()
    config = squared(epochs=3, schedule="step", decay=0.0, decay_epochs=1)
    Trainer(line(), config, callbacks=[keeping]).fit(x, y)
    one, two, three = (w["dense/weights"] for w in keeping.weights)
    assert np.array_equal(one, two) and np.array_equal(two, three)


# ------------------------------------------------------------------ callbacks and the end
def test_callbacks_are_called_and_may_stop():
    class Enough(Keeping):
        def on_epoch_end(self, trainer, record):
            trainer.stopping = record.epoch == 2

    x, y = rows()
    enough = Enough()
    history = Trainer(line(), squared(epochs=9, batch_size=16), callbacks=[enough]).fit(x, y)
    assert history.stopped == "callback" and len(history) == 2
    assert enough.batches == 3
    assert [place[:2] for place in enough.losses] == [(e, b) for e in (1, 2) for b in (1, 2, 3)]
    assert enough.losses[2][2] == history.epochs[0].loss


def test_ctrl_c_restores_best_weights():
    class Interrupting(Keeping):
        def on_batch_end(self, trainer, epoch, batch, loss):
            if (epoch, batch) == (3, 2):
                raise KeyboardInterrupt

    x, y = rows()
    interrupting = Interrupting()
    trainer = Trainer(line(), squared(epochs=9, batch_size=16), callbacks=[interrupting])
    history = trainer.fit(x, y)
    assert history.stopped == "interrupted" and len(history) == 2
    best = interrupting.weights[history.best_epoch - 1]["dense/weights"]
    assert np.array_equal(weights_of(trainer.graph)["dense/weights"], best)
    assert interrupting.ended == [("interrupted", history.best_epoch)]


def test_loss_not_finite_names_epoch_and_batch():
    x, y = rows()
    x[33] = np.nan
    keeping = Keeping()
    config = squared(epochs=5, batch_size=16, shuffle=False)
    trainer = Trainer(line(), config, callbacks=[keeping])
    with pytest.raises(
        StateError, match=r"epoch 1, batch 3: the training loss is not finite.*input.*row 1 .example 33.*received nan"
    ):
        trainer.fit(x, y)
    assert keeping.ended == [("failed", 0)]
    assert np.isfinite(weights_of(trainer.graph)["dense/weights"]).all()


@pytest.mark.parametrize("clip", [None, 1e300])
def test_diverging_run_keeps_best_weights(clip):
    x, y = rows()
    keeping = Keeping()
    config = squared(epochs=2000, batch_size=37, optimizer=Sgd(1.2), clip_norm=clip)
    trainer = Trainer(line(), config, callbacks=[keeping])
    with pytest.raises(Exception, match=r"epoch \d+, batch 1: .*finite") as caught:
        trainer.fit(x * 3, y)
    assert isinstance(caught.value, (StateError, DataError, RuntimeError))
    losses = [record.loss for record in trainer.history.epochs]
    assert trainer.history.best_epoch == 1 + int(np.argmin(losses))
    best = keeping.weights[trainer.history.best_epoch - 1]["dense/weights"]
    assert np.array_equal(weights_of(trainer.graph)["dense/weights"], best)


def test_layer_optimizers_are_not_changed():
    x, y = rows()
    graph = line()
    layer = graph.nodes["dense"].layer
    mine = Adam(0.1)
    layer.set_optimizer(mine)
    config = squared(epochs=1, optimizer=Adam(0.01))
    Trainer(graph, config).fit(x, y)
    assert layer.optimizer is mine and mine.step_count == 0 and config.optimizer.step_count == 0


# ------------------------------------------------------------------ bad input, before anything changes
def bad(inputs=None, targets=None, config=None, graph=None, lengths=None):
    x, y = classes()
    return {
        "inputs": x if inputs is None else inputs(x),
        "targets": y if targets is None else targets(y),
        "config": config or TrainingConfig(epochs=1),
        "graph": graph or line(4, 3),
        "lengths": lengths,
    }


@pytest.mark.parametrize(
    ("case", "error", "message"),
    [
        (bad(inputs=lambda x: x[:, :3]), ShapeError, r"input 'x': does not fit.*feature=4.*\(60, 3\)"),
        (bad(inputs=lambda x: x[:, 0]), ShapeError, r"does not fit.*\(60,\)"),
        (bad(inputs=lambda x: {"y": x}), ShapeError, "unknown input 'y'; expected x"),
        (bad(inputs=lambda x: {}), ShapeError, "an input is missing; expected x"),
        (bad(inputs=lambda x: x[:0], targets=lambda y: y[:0]), DataError, "there are no examples"),
        (bad(inputs=lambda x: x[:50]), ShapeError, "differ in examples.*x: 50, target of y: 60"),
        (bad(inputs=lambda x: x.astype(complex)), TypeError, "complex128"),
        (bad(targets=lambda y: y + 1), DataError, r"target of 'y'.*0 to 2"),
        (bad(targets=lambda y: y.astype(float) * np.nan), DataError, "NaN"),
        (bad(targets=lambda y: np.eye(3)[y] * 2), DataError, "one-hot"),
        (bad(targets=lambda y: np.eye(4)[y]), ShapeError, "target"),
        (bad(targets=lambda y: {"z": y}), ShapeError, "unknown output"),
        (bad(targets=lambda y: {}), ShapeError, "no target; expected y"),
        (bad(lengths=[3]), ShapeError, "time, batch, feature"),
    ],
)
def test_bad_input_is_refused(case, error, message):
    graph = case["graph"]
    before = weights_of(graph)
    trainer = Trainer(graph, case["config"])
    with pytest.raises(error, match=message):
        trainer.fit(case["inputs"], case["targets"], lengths=case["lengths"])
    assert all(weights_of(graph)[name] is value for name, value in before.items())


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda x, y, k: ([*x[:5], np.zeros((2, 4)), *x[6:]], y, None), ShapeError, "sequence|differ"),
        (lambda x, y, k: ([*x[:5], np.zeros((2, 4, 3)), *x[6:]], y, None), ShapeError, "differ in more than length"),
        (lambda x, y, k: (x, y, k), ShapeError, "a list of sequences has its own"),
        (lambda x, y, k: (np.zeros((7, 13, 3)), y, k + 5), DataError, "out of range.*0 to 7"),
        (lambda x, y, k: (np.zeros((7, 13, 3)), y, k[:4]), ShapeError, "one length for each row"),
        (lambda x, y, k: (np.zeros((7, 13, 3)), y, k * 1.0), TypeError, "must be integers"),
        (lambda x, y, k: (np.zeros((7, 13, 3)), y, {"z": k}), ShapeError, "not an input with padded sequences"),
    ],
)
def test_bad_sequences_are_refused(change, error, message):
    x, y = sequences()
    lengths = np.array([len(each) for each in x])
    inputs, targets, counts = change(x, y, lengths)
    with pytest.raises(error, match=message):
        Trainer(elman(), TrainingConfig(epochs=1)).fit(inputs, targets, lengths=counts)


def test_targets_need_the_steps_of_their_sequences():
    x, _ = sequences()
    targets = [np.zeros(len(each), int) for each in x]
    targets[4] = np.zeros(3, int)
    trainer = Trainer(elman(every_step=True), TrainingConfig(epochs=1))
    with pytest.raises(ShapeError, match="target 4 does not have the steps.*expected 7 steps.*received 3 steps"):
        trainer.fit(x, targets)
    with pytest.raises(DataError, match="every sequence is empty"):
        trainer.fit([np.zeros((0, 3))] * 2, [[], []])
    with pytest.raises(ShapeError, match="too few steps"):
        trainer.fit(x, np.zeros((5, 13), int))


@pytest.mark.parametrize("value", [0.2, (1,), rows()[0]])
def test_validation_data_are_inputs_and_targets(value):
    with pytest.raises(ConfigError, match=r"\(inputs, targets\)"):
        Trainer(line(), squared()).fit(*rows(), validation_data=value)


def test_input_without_batch_axis_is_refused():
    g = Builder("steps")
    graph = g.build(FullyConnected(3, 2)(g.input("x", "time, feature=3")))
    with pytest.raises(ShapeError, match="no batch axis"):
        Trainer(graph, TrainingConfig(epochs=1)).fit(np.zeros((5, 3)), np.zeros(5, int))


def test_losses_must_belong_to_outputs():
    g = Builder("two")
    x = g.input("x", "batch, feature=2")
    graph = g.build(a=x * 2.0, b=x * 3.0)
    with pytest.raises(ConfigError, match="one loss for several outputs.*a, b"):
        Trainer(graph, TrainingConfig())
    with pytest.raises(ConfigError, match="unknown output 'c'; expected one of a, b"):
        Trainer(graph, TrainingConfig(loss={"c": MeanSquaredError()}))


def test_inputs_of_any_layout_are_not_written():
    x, y = rows()
    x.flags.writeable = y.flags.writeable = False
    config = squared(epochs=2, shuffle=False)
    plain = Trainer(line(), config).fit(x, y)
    strange = Trainer(line(), config).fit(np.asfortranarray(np.repeat(x, 2, axis=0))[::2], y.tolist())
    assert [r.loss for r in plain.epochs] == [r.loss for r in strange.epochs]
    with pytest.warns(TrainingWarning, match="ended worse"):
        whole = Trainer(line(), config).fit(np.arange(148).reshape(37, 4), y)
    assert math.isfinite(whole.epochs[0].loss)


def test_sizes_may_follow_from_the_data():
    x, y = rows()
    g = Builder("free")
    graph = g.build(y=FullyConnected(None, 2)(g.input("x")))
    other = line()
    one = Trainer(graph, squared(epochs=2)).fit(x, y)
    two = Trainer(other, squared(epochs=2)).fit(x, y)
    assert [r.loss for r in one.epochs] == [r.loss for r in two.epochs]
