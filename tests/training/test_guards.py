"""Callbacks, metrics, losses and data sets that fail: each is named, the others run, and the files are whole."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass

import numpy as np
import pytest

import graphnet
from graphnet import ConfigError, FullyConnected, RuleError, Sequential, TrainingConfig
from graphnet.core.errors import GraphnetWarning
from graphnet.io import learning_curve, run_files, run_folder
from graphnet.io.run_folder import RunFolder
from graphnet.losses import MeanSquaredError
from graphnet.metrics import Metric
from graphnet.training import Trainer
from graphnet.training.callbacks import Callback

X = np.linspace(-1, 1, 8)[:, None]


def trainer(*callbacks, name="line", **settings):
    graph = Sequential(FullyConnected(1, 1), shape="batch, feature=1", name=name)
    config = TrainingConfig(loss=MeanSquaredError(), epochs=2, batch_size=4, **settings)
    return Trainer(graph, config, callbacks=callbacks)


class Failing(Callback):
    def __init__(self, method):
        def fail(*arguments):
            raise ZeroDivisionError("a fault")

        setattr(self, method, fail)


class Noting(Callback):
    def __init__(self):
        self.calls = []

    def on_start(self, trainer, batches):
        self.calls.append("start")

    def on_epoch_end(self, trainer, record):
        self.calls.append("epoch")

    def on_end(self, trainer, history):
        self.calls.append(history.stopped)


@pytest.mark.parametrize(
    ("method", "calls"),
    [
        ("on_start", ["start", "failed"]),
        ("on_batch_end", ["start", "failed"]),
        ("on_epoch_end", ["start", "epoch", "failed"]),
        ("on_end", ["start", "epoch", "epoch", "finished"]),
    ],
)
def test_failing_callback_is_named_and_the_others_end(method, calls):
    before, after = Noting(), Noting()
    run = trainer(before, Failing(method), after)
    with pytest.raises(
        RuleError, match=rf"callback .*Failing, {method}: the callback failed: ZeroDivisionError: a fault"
    ):
        run.fit(X, 3 * X)
    assert before.calls == calls
    assert after.calls[-1] == calls[-1]
    assert len(run.history) == (2 if method == "on_end" else int(method == "on_epoch_end"))


def test_failures_at_the_end_are_added_to_the_first():
    with pytest.raises(RuleError, match="on_batch_end") as caught:
        trainer(Failing("on_batch_end"), Failing("on_end")).fit(X, X)
    assert any("on_end" in note for note in caught.value.__notes__)


@dataclass(eq=False)
class Given(Metric):
    value: object = 0.5
    name = "given"

    def update(self, prediction, target, mask=None):
        if self.value == "update":
            raise KeyError("x")

    def result(self):
        if self.value == "result":
            raise KeyError("x")
        return self.value

    def loss(self):
        return MeanSquaredError()


@pytest.mark.parametrize(
    "value",
    [np.float32(0.25), np.array(0.25), 1, np.int64(3), True, float("nan"), 10**400],
    ids=lambda value: repr(value)[:20],
)
def test_results_of_metrics_become_floats(value):
    run = trainer(metrics=Given(value))
    record = run.fit(X, X).epochs[0]
    assert type(record.metrics["given"]) is float
    assert json.loads(run_folder.line(record))["loss"] == record.loss


@pytest.mark.parametrize("value", ["text", None, [0.5], np.ones(2), 1j, "update", "result"])
def test_wrong_metrics_are_named(value):
    with pytest.raises(
        RuleError, match="metric .*Given, (result|update): the metric (failed|returned an invalid value)"
    ):
        trainer(metrics=Given(value)).fit(X, X)


@pytest.mark.parametrize("name", ["loss", "epoch", "best", "validation_loss", "", None, 3])
def test_name_of_a_metric_that_is_taken_is_refused(name):
    wrong = type("Wrong", (Given,), {"name": name})
    with pytest.raises(ConfigError, match="metric Wrong: a metric cannot be called"):
        TrainingConfig(metrics=[wrong()])


class Broken(MeanSquaredError):
    def value_and_error(self, *arguments):
        raise IndexError("out")


def test_failing_loss_is_named():
    graph = Sequential(FullyConnected(1, 1), shape="batch, feature=1")
    with pytest.raises(RuleError, match="loss .*Broken, value_and_error: the loss failed: IndexError: out"):
        Trainer(graph, TrainingConfig(loss=Broken(), epochs=1)).fit(X, X)


# ------------------------------------------------------------------ pictures
def test_picture_that_cannot_be_drawn_is_a_warning(tmp_path, monkeypatch):
    def broken(history, title):
        raise ValueError("no font")

    monkeypatch.setattr(run_files, "learning_curve", broken)
    with pytest.warns(GraphnetWarning, match="the learning curve was not drawn: ValueError: no font"):
        trainer(RunFolder(tmp_path / "run")).fit(X, X)
    assert {"summary.json", "metrics.jsonl", "weights.safetensors"} <= {
        path.name for path in (tmp_path / "run").iterdir()
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["$x_{", r"$\frac", "a_$b$_c", "\u221e"])
def test_name_with_signs_of_mathematics_is_drawn(name):
    pytest.importorskip("matplotlib")
    run = trainer(name=name)
    run.fit(X, X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter that the font does not have
        assert learning_curve.learning_curve(run.history, name).startswith(b"\x89PNG")


def test_data_set_of_a_plugin_that_fails_is_named():
    from graphnet.models.dataset_lookup import open_dataset
    from graphnet.plugins import PluginManager, hookimpl, using

    class Plugin:
        @hookimpl
        def graphnet_register_datasets(self, register):
            def broken():
                raise OSError("no network")

            register(broken)

    manager = PluginManager()
    manager.load(allow=())
    manager.register(Plugin(), name="data")
    with (
        using(manager),
        pytest.raises(graphnet.GraphnetError, match="broken: the data set cannot be loaded: OSError: no network"),
    ):
        open_dataset("broken")
