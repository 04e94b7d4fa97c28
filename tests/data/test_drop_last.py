"""TrainingConfig(drop_last=True): no last smaller batch, in training alone."""

from __future__ import annotations

import numpy as np
import pytest

from graphnet import BatchNormalization, Builder, ConfigError, FullyConnected, MeanOverTime, Trainer, TrainingConfig
from graphnet.data.datasets import Stream
from graphnet.io import read_model, write_model
from graphnet.losses import MeanSquaredError
from graphnet.training.callbacks import Callback
from graphnet.training.evaluation import evaluate

pytestmark = pytest.mark.no_plugins


class Seen(Callback):
    """Batches and loss calls of a run."""

    def __init__(self):
        self.promised, self.batches = None, []

    def on_start(self, trainer, batches):
        self.promised = batches

    def on_batch_end(self, trainer, epoch, batch, loss):
        self.batches.append((epoch, batch))


def flat():
    g = Builder("flat")
    x = BatchNormalization(2)(g.input("x", "batch, feature=2"), name="scaled")
    return g.build(y=FullyConnected(2, 1)(x, name="dense"))


def sequences():
    g = Builder("sequences")
    return g.build(y=FullyConnected(2, 1)(MeanOverTime()(g.input("x", "time, batch, feature=2"))))


def config(**settings):
    plain = {"loss": MeanSquaredError(), "epochs": 3, "batch_size": 4, "drop_last": True}
    return TrainingConfig(**{**plain, **settings})


def data(count):
    rng = np.random.default_rng(3)
    return rng.normal(size=(count, 2)), rng.normal(size=(count, 1))


@pytest.mark.parametrize(("count", "batches"), [(4, 1), (9, 2), (11, 2), (12, 3)])
def test_last_smaller_batch_is_left_out(count, batches):
    seen, trainer = Seen(), Trainer(flat(), config())
    trainer.callbacks = (seen,)
    history = trainer.fit(*data(count))
    assert seen.promised == batches and len(seen.batches) == 3 * batches
    assert [record.examples for record in history.epochs] == [4 * batches] * 3
    assert trainer.runner.buffers["scaled/batches"] == history.best_epoch * batches


def test_last_partial_batch_is_trained_by_default():
    history = Trainer(flat(), config(drop_last=False)).fit(*data(9))
    assert [record.examples for record in history.epochs] == [9] * 3


def test_last_examples_are_left_out_without_shuffle():
    x, y = data(10)
    whole, cut = Trainer(flat(), config(shuffle=False)), Trainer(flat(), config(shuffle=False, drop_last=False))
    whole.fit(x, y)
    cut.fit(x[:8], y[:8])
    for path, p in whole.runner.parameters.items():
        np.testing.assert_array_equal(p.value, cut.runner.parameters[path].value)


@pytest.mark.parametrize("batching", ["random", "length"])
def test_every_example_has_its_turn(batching):
    """The longest sequences are not always those left out, which they would be if the rest were cut off sorted."""
    x = [np.full((1 + i, 2), float(i)) for i in range(10)]
    trainer = Trainer(sequences(), config(epochs=1, batching=batching))
    examples = trainer.examples(x, np.zeros((10, 1)))
    order, dropped = np.random.default_rng(0), set()
    for _ in range(60):
        result = list(examples.batches(4, order, by_length=batching == "length", drop_last=True))
        used = sorted(int(v) for batch in result for v in batch.inputs["x"].max((0, 2)))
        assert [batch.rows for batch in result] == [4, 4] and len(set(used)) == 8
        dropped |= set(range(10)) - set(used)
        if batching == "length":
            low, high = sorted(sorted(batch.inputs["x"].max((0, 2))) for batch in result)
            assert low[-1] < high[0]
    assert dropped == set(range(10))


def test_drop_last_drops_pieces_of_last_batch():
    x = np.random.default_rng(1).normal(size=(6, 5, 2))
    g = Builder("steps")
    graph = g.build(y=FullyConnected(2, 1)(g.input("x", "time, batch, feature=2")))
    history = Trainer(graph, config(tbptt=(4, 4))).fit(x, np.zeros((6, 5, 1)))
    assert [record.examples for record in history.epochs] == [4] * 3


def test_validation_and_evaluation_use_all_examples():
    x, y = data(11)
    trainer = Trainer(flat(), config(epochs=1, metrics=()))
    history = trainer.fit(x, y, validation_data=(x[:7], y[:7]))
    every = evaluate(trainer.runner, trainer.config, x[:7], y[:7])["loss"]
    assert history.epochs[0].validation_loss == pytest.approx(every, rel=1e-6)
    whole = evaluate(trainer.runner, trainer.config.changed(drop_last=False), x[:7], y[:7])["loss"]
    assert whole == every


# ------------------------------------------------------------------ what is refused
@pytest.mark.parametrize("settings", [{}, {"validation": 0.25, "batch_size": 4}])
def test_drop_last_without_batch_is_refused(settings):
    graph = flat()
    before, seen = graph.layers()["dense"].get_weights(), Seen()
    trainer = Trainer(graph, config(**settings), callbacks=[seen])
    message = r"drop_last would leave no batch.*at least batch_size=4 training examples, received 3"
    with pytest.raises(ConfigError, match=message):
        trainer.fit(*data(4 if settings else 3))
    np.testing.assert_array_equal(graph.layers()["dense"].get_weights(), before)
    assert seen.promised is None


def test_stream_has_no_smaller_last_batch():
    x = np.zeros((9, 2, 2))
    g = Builder("steps")
    graph = g.build(y=FullyConnected(2, 1)(g.input("x", "time, batch, feature=2")))
    with pytest.raises(ConfigError, match="a Stream has no smaller last batch"):
        Trainer(graph, config(tbptt=(4, 4))).fit(Stream(x, x[..., :1]))


@pytest.mark.parametrize("bad", [1, None, "yes"])
def test_drop_last_is_a_truth_value(bad):
    with pytest.raises(ConfigError, match="drop_last.*True or False"):
        config(drop_last=bad)


def test_model_file_keeps_it(tmp_path):
    write_model(tmp_path / "model.yaml", flat(), config())
    assert "drop_last: true" in (tmp_path / "model.yaml").read_text()
    assert read_model(tmp_path / "model.yaml").training == config()
