"""Learning rates by update, accumulated gradients, averages, frozen layers and groups: loops in numpy, and resuming."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.resumed import check_every_stop

from graphnet import Builder, FullyConnected, LayerNormalization, Model, Trainer, TrainingConfig
from graphnet.core.errors import ConfigError, StateError
from graphnet.io import parse_model
from graphnet.losses import CrossEntropy, MeanSquaredError
from graphnet.metrics import Accuracy
from graphnet.optimizers import Adam, AdamW, Optimizer, Sgd
from graphnet.regularizers import L2_Regularizer
from graphnet.schedules import Cosine, CosineRestarts, LinearDecay, OneCycle, OnPlateau, StepDecay, Warmup
from graphnet.training.updates import Updates

RNG = np.random.default_rng(6)
X = RNG.normal(size=(22, 3))
T = RNG.normal(size=(22, 2))
Y = RNG.integers(0, 2, 22)


def line():
    g = Builder("line")
    return g.build(y=FullyConnected(3, 2)(g.input("x", "batch, feature=3")))


def deep():
    g = Builder("deep")
    x = g.input("x", "batch, feature=3")
    hidden = LayerNormalization()(FullyConnected(3, 4)(x, name="encoder"), name="norm")
    return g.build(y=FullyConnected(4, 2)(hidden, name="head"))


SETTINGS = {
    "loss": MeanSquaredError(), "optimizer": Sgd(0.1), "epochs": 3, "batch_size": 5, "shuffle": False, "dtype": "float64",
}  # fmt: skip


def fitted(graph=line, targets=T, **settings):
    m = Model(graph())
    m.fit(X, targets, **{**SETTINGS, **settings})
    return m, {path: p.value for path, p in m.runner.parameters.items()}


def weights(model_and_weights):
    (value,) = model_and_weights[1].values()
    return value


def loop(rates, accumulate=1, average=None, epochs=3, size=5):
    """Gradient descent on the mean squared error of a line, by hand; a rate for each update."""
    start = Model(line())
    start.fit(X, T, **{**SETTINGS, "optimizer": Sgd(0.0), "epochs": 1})
    (w,) = (p.value.copy() for p in start.runner.parameters.values())
    x = np.concatenate([X, np.ones((len(X), 1))], axis=1)
    steps, mean = iter(rates), None
    for _ in range(epochs):
        gradients = []
        for begin in range(0, len(X), size):
            rows = slice(begin, begin + size)
            error = 2 * (x[rows] @ w - T[rows]) / T[rows].size
            gradients.append(x[rows].T @ error)
            if len(gradients) == accumulate or begin + size >= len(X):
                w = w - next(steps) * sum(gradients) / len(gradients)
                gradients = []
                mean = w if mean is None or average is None else average * mean + (1 - average) * w
    assert next(steps, None) is None
    return w if average is None else mean


@pytest.mark.parametrize(
    "schedule",
    [
        Cosine(by="step"),
        Warmup(4, 0.2),
        Warmup(3, 0.0, LinearDecay(by="step")),
        OneCycle(),
        CosineRestarts(4, 2, by="step"),
    ],
    ids=repr,
)
def test_schedules_by_update(schedule):
    rates = [0.1 * schedule.factor(step, 15) for step in range(15)]
    result = fitted(schedule=schedule)
    np.testing.assert_allclose(weights(result), loop(rates), rtol=1e-12)
    recorded = [record.learning_rate for record in result[0].history.epochs]
    np.testing.assert_allclose(recorded, rates[4::5], rtol=1e-12)


def test_schedules_by_epoch_and_their_names():
    rates = [0.1 * Cosine(2, 0.1).factor(epoch, 3) for epoch in (0, 1, 2) for _ in range(5)]
    np.testing.assert_allclose(weights(fitted(schedule=Cosine(2, 0.1))), loop(rates), rtol=1e-12)
    named = fitted(schedule="cosine", decay=0.1, decay_epochs=2)
    np.testing.assert_array_equal(weights(named), weights(fitted(schedule=Cosine(2, 0.1))))
    assert TrainingConfig(schedule="one_cycle").schedule.config() == OneCycle().config()


def test_rate_falls_on_a_plateau():
    m, _ = fitted(schedule=OnPlateau(0.5, patience=0), optimizer=Sgd(0.0), epochs=4)
    assert [r.learning_rate for r in m.history.epochs] == [0.0] * 4
    m, _ = fitted(schedule=OnPlateau(0.5, patience=1, threshold=10.0), epochs=6)
    rates = [r.learning_rate for r in m.history.epochs]
    np.testing.assert_allclose(rates, 0.1 * np.array([1, 1, 1, 0.5, 0.5, 0.25]))
    config = {"loss": CrossEntropy(), "metrics": Accuracy(), "validation": 0.3}
    m, _ = fitted(targets=Y, schedule=OnPlateau(0.5, 0, threshold=0.0), epochs=6, **config)
    best, rate = -1.0, 0.1
    for record in m.history.epochs:
        assert record.learning_rate == pytest.approx(rate)
        score = record.validation_metrics["accuracy"]
        rate, best = (rate, score) if score > best else (rate / 2, best)


@pytest.mark.parametrize("accumulate", [2, 3, 7])
def test_accumulated_gradients(accumulate):
    updates = 3 * -(-5 // accumulate)
    np.testing.assert_allclose(weights(fitted(accumulate=accumulate)), loop([0.1] * updates, accumulate), rtol=1e-12)
    schedule = LinearDecay(by="step")
    rates = [0.1 * schedule.factor(step, updates) for step in range(updates)]
    result = fitted(accumulate=accumulate, schedule=schedule)
    np.testing.assert_allclose(weights(result), loop(rates, accumulate), rtol=1e-12)


def test_batches_of_equal_size_accumulate_to_one_large_batch():
    settings = {"optimizer": Adam(0.1), "batch_size": 11}
    np.testing.assert_allclose(
        weights(fitted(**settings, accumulate=2)), weights(fitted(optimizer=Adam(0.1), batch_size=22)), rtol=1e-10
    )


def test_averages_of_weights():
    result = fitted(average=0.7)
    np.testing.assert_allclose(weights(result), loop([0.1] * 15, average=0.7), rtol=1e-12)
    m, _ = fitted(average=0.9, validation_data=(X[:6], T[:6]), epochs=2)
    assert m.history.best.validation_loss == pytest.approx(m.evaluate(X[:6], T[:6])["loss"], rel=1e-12)
    plain, _ = fitted(epochs=2)
    assert [r.loss for r in m.history.epochs] == [r.loss for r in plain.history.epochs]  # training itself is the same


def test_frozen_layers():
    _, start = fitted(deep, optimizer=Sgd(0.0))
    for frozen, kept in [
        ("encoder", {"encoder/weights"}),
        (("enc*", "norm"), {"encoder/weights", "norm/weights", "norm/bias"}),
        ("*", set(start)),
    ]:
        _, end = fitted(deep, frozen=frozen, optimizer=AdamW(0.1))
        assert {path for path in end if np.array_equal(end[path], start[path])} == kept
    m = Model(deep())
    layer = m.runner.layers["encoder"]
    layer.trainable = False
    assert not layer.trainable and layer.has_weights and layer.delta == 0
    m.fit(X, T, **SETTINGS)
    np.testing.assert_array_equal(m.runner.parameters["encoder/weights"].value, start["encoder/weights"])
    layer.trainable = True
    assert layer.delta == 1.0 and layer.trainable
    with pytest.raises(ConfigError, match=r"'decoder' matches nothing.*encoder"):
        fitted(deep, frozen="decoder")


@pytest.mark.parametrize("optimizer", [Sgd(0.1), AdamW(0.05, weight_decay=0.3)], ids=repr)
def test_parameter_groups(optimizer):
    """One update of each array by an optimizer of its own."""
    groups = {"encoder/*": {"learning_rate": 0.02}, "norm/*": {"learning_rate": 0.5}, "*/bias": {"learning_rate": 0.0}}
    if isinstance(optimizer, AdamW):
        groups["norm/*"] = {"weight_decay": 0.0}
    settings = {"optimizer": optimizer, "parameter_groups": groups, "epochs": 1, "batch_size": 22}
    _, end = fitted(deep, **settings)
    m, start = fitted(deep, optimizer=Sgd(0.0), epochs=1, batch_size=22)
    for path, parameter in m.runner.parameters.items():
        changed = {}
        for pattern, given in groups.items():
            if path.startswith(pattern[:-1]) or path.endswith(pattern[1:]):
                changed.update(given)
        alone = type(optimizer)(**{**optimizer.config(), **changed})
        expected = alone.calculate_update(1.0, start[path], parameter.gradient)
        np.testing.assert_allclose(end[path], expected, rtol=1e-12)


def test_no_decay_of_gains_and_biases():
    """The bias row of a fully connected layer, gains and biases move as without decay."""
    both = {
        "optimizer": AdamW(0.05, weight_decay=0.5),
        "regularizer": L2_Regularizer(0.1),
        "epochs": 1,
        "batch_size": 22,
    }
    _, end = fitted(deep, **both, decay_biases=False)
    _, decayed = fitted(deep, **both)
    m, start = fitted(deep, optimizer=Sgd(0.0), epochs=1, batch_size=22)
    for path, parameter in m.runner.parameters.items():
        free = AdamW(0.05, weight_decay=0.0).calculate_update(1.0, start[path], parameter.gradient)
        if path.startswith("norm"):
            np.testing.assert_allclose(end[path], free, rtol=1e-12)
        else:
            np.testing.assert_allclose(end[path][-1], free[-1], rtol=1e-12, atol=1e-15)
            np.testing.assert_allclose(end[path][:-1], decayed[path][:-1], rtol=1e-12)
            assert not np.allclose(end[path][-1], decayed[path][-1]) or not start[path][-1].any()
    model = Model(deep())
    trained = model.fit(X, T, **SETTINGS, regularizer=L2_Regularizer(0.1), decay_biases=False)
    assert trained.best is not None


def test_biases_that_are_not_zero_are_not_decayed():
    """With a gradient of 0, only decay moves weights."""
    m, _ = fitted(deep)
    config = TrainingConfig(optimizer=AdamW(0.1, weight_decay=0.5), regularizer=L2_Regularizer(0.2), decay_biases=False)
    for elementwise in (True, False):
        m.runner.layers["encoder"].set_weights(RNG.normal(size=(4, 4)))
        optimizer = config.optimizer if elementwise else type("Own", (AdamW,), {})(0.1, weight_decay=0.5)
        updates = Updates(m.runner, config.changed(optimizer=optimizer))
        before = {path: p.value.copy() for path, p in m.runner.parameters.items()}
        for parameter in m.runner.parameters.values():
            parameter.gradient = np.zeros_like(parameter.value)
        penalty = updates.penalty()
        updates.step()
        kept = [before[name][:-1] for name in ("encoder/weights", "head/weights")]
        assert penalty == pytest.approx(sum(config.regularizer.norm(part) for part in kept))
        for path, p in m.runner.parameters.items():
            if path.startswith("norm"):
                np.testing.assert_array_equal(p.value, before[path])
            else:
                np.testing.assert_allclose(p.value[-1], before[path][-1], rtol=1e-14)
                taken = 0.1 * (0.5 * before[path] + config.regularizer.calculate(before[path]))
                np.testing.assert_allclose(p.value[:-1], (before[path] - taken)[:-1], rtol=1e-13)


EVERYTHING = {
    "loss": MeanSquaredError, "optimizer": lambda: AdamW(0.05), "batch_size": 6, "epochs": 3, "accumulate": 3,
    "average": 0.8, "schedule": lambda: Warmup(3, 0.1, OnPlateau(0.5, patience=0, threshold=0.5)), "frozen": "encoder",
    "parameter_groups": {"norm/*": {"learning_rate": 0.1}}, "decay_biases": False, "validation": 0.2,
}  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [
        EVERYTHING,
        {**EVERYTHING, "schedule": OneCycle, "frozen": (), "regularizer": lambda: L2_Regularizer(0.1), "accumulate": 1},
        {"loss": MeanSquaredError, "schedule": lambda: CosineRestarts(2), "average": 0.9, "batch_size": 6, "epochs": 3},
    ],
    ids=["everything", "one cycle", "by epoch"],
)
def test_resumed_runs_are_equal(settings):
    def make():
        values = {name: value() if callable(value) else value for name, value in settings.items()}
        return deep(), TrainingConfig(**values, seed=2), (), {"inputs": X, "targets": T}

    check_every_stop(make)


def test_more_epochs_for_a_run_with_a_schedule(tmp_path):
    from helpers.resumed import Recorder, Stored, through_json

    for schedule, allow in [(StepDecay(2), ()), (Cosine(), ("schedule",)), (Cosine(9), ())]:
        config, recorder = TrainingConfig(**{**SETTINGS, "schedule": schedule}), Recorder()
        Trainer(line(), config, checkpoints=recorder).fit(X, T)
        stored = Stored(line(), config, through_json(recorder.snapshots[-1]), Recorder())
        if allow:
            with pytest.raises(StateError, match="number of epochs"):
                Trainer.resume(stored, epochs=5)
        trainer = Trainer.resume(stored, epochs=5, allow=allow)
        trainer.fit(X, T)
        rates = [record.learning_rate for record in trainer.history.epochs]
        total = 3 if allow else 5
        np.testing.assert_allclose(rates, [0.1 * schedule.factor(epoch, total) for epoch in range(5)])
    config, recorder = TrainingConfig(**{**SETTINGS, "schedule": OneCycle()}), Recorder()
    Trainer(line(), config, checkpoints=recorder).fit(X, T)
    with pytest.raises(StateError, match="as many epochs"):
        Trainer.resume(Stored(line(), config, through_json(recorder.snapshots[-1])), epochs=5, allow="schedule")


def test_settings_in_files(tmp_path):
    text = """
format: graphnet/1
name: m
inputs: {x: 'batch, feature=3'}
nodes: {y: {layer: dense, inputs: x}}
outputs: {y: y}
training: {schedule: {warmup: {length: 5, start: 0.0, then: {cosine: {by: step}}}}, accumulate: 2, average: 0.99,
  frozen: encoder, parameter_groups: {'*/bias': {learning_rate: 0.1, regularize: false}}, decay_biases: false}
""".replace("layer: dense", "layer: fully_connected, with: {input_size: 3, output_size: 2}")
    config = parse_model(text).training
    assert config == TrainingConfig(
        schedule=Warmup(5, 0.0, Cosine(by="step")), accumulate=2, average=0.99, frozen=("encoder",), decay_biases=False,
        parameter_groups={"*/bias": {"learning_rate": 0.1, "regularize": False}},
    )  # fmt: skip
    m, _ = fitted(
        deep, schedule=OneCycle(20), average=0.5, frozen="head", parameter_groups={"norm/*": {"learning_rate": 0.05}}
    )
    m.save(tmp_path / "m")
    import graphnet

    assert graphnet.load(tmp_path / "m").config == m.config


class Own:
    """An optimizer of the contract alone."""

    def calculate_update(self, delta, weights, gradient):
        return weights - 0.1 * gradient


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"accumulate": 0}, "accumulate"),
        ({"average": 1.0}, "average"),
        ({"frozen": 3}, "frozen"),
        ({"parameter_groups": ["a"]}, "parameter_groups"),
        ({"parameter_groups": {"*": {"momentum": 0.1}}}, "'momentum'"),
        ({"parameter_groups": {"*": {"learning_rate": -1}}}, "learning_rate"),
        ({"parameter_groups": {"*": {"regularize": 1}}}, "regularize"),
        ({"decay_biases": False, "optimizer": Own()}, "decay_biases"),
        ({"schedule": OneCycle(), "decay": 0.1}, "no effect"),
        ({"schedule": 3}, "schedule"),
    ],
)
def test_what_is_refused(settings, text):
    with pytest.raises(ConfigError, match=text):
        TrainingConfig(**settings)


def test_patterns_and_lengths_that_do_not_fit():
    with pytest.raises(ConfigError, match="matches nothing"):
        fitted(parameter_groups={"head/*": {"learning_rate": 0.1}})
    g = Builder("steps")
    graph = g.build(y=FullyConnected(3, 2)(g.input("x", "time, batch, feature=3")))
    with pytest.raises(ConfigError, match="length"):
        Model(graph).fit(
            X.reshape(11, 2, 3), T.reshape(11, 2, 2), **{**SETTINGS, "tbptt": (3, 3), "schedule": OneCycle()}
        )
    assert issubclass(Sgd, Optimizer)
