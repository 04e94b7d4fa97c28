"""Histories: as a table, a dictionary, a DataFrame, and from the files of a run."""

import json
import math
import sys

import numpy as np
import pytest

import graphnet
from graphnet import FullyConnected, Model, Sequential, Trainer
from graphnet.io.run_folder import RunFolder
from graphnet.training import EpochRecord, History

RNG = np.random.default_rng(5)
X = RNG.normal(size=(60, 3))
Y = (X @ RNG.normal(size=(3, 3))).argmax(axis=1)


def model():
    return Model(Sequential(FullyConnected(3, 3), shape="batch, feature=3"))


def made(count, best, **figures):
    return History([EpochRecord(i + 1, 1.0 / (i + 1), **figures) for i in range(count)], best_epoch=best)


def test_table_has_the_first_the_best_and_the_last_epochs():
    lines = repr(made(40, 20)).splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == ["1", "2", "3", "4", "...", "*", "...", "37", "38", "39", "40"]
    assert lines[6].split() == ["*", "20", "0.0500", "0.00"]
    assert lines[-1] == "best epoch 20 of 40, chosen by the training loss: no examples were held out"
    assert len({len(line) for line in lines[:-1]}) <= 2 and str(made(40, 20)) == repr(made(40, 20))
    assert [line.split()[0] for line in repr(made(10, 0)).splitlines()[1:-1]] == [str(i) for i in range(1, 11)]


def test_table_without_epochs_and_with_many_metrics():
    assert repr(History(stopped="interrupted")) == "no epoch was completed, stopped: interrupted"
    many = repr(made(2, 1, metrics={f"metric_number_{i}": 0.5 for i in range(20)}))
    assert max(map(len, many.splitlines()[:3])) <= 112 and "metric_number_19" in many


@pytest.mark.parametrize(
    ("settings", "by"),
    [
        ({}, "training loss"),
        ({"metrics": ["accuracy"]}, "training loss"),
        ({"validation": 0.2}, "validation loss"),
        ({"validation": 0.2, "metrics": ["f1", "accuracy"]}, "validation f1"),
    ],
)
def test_history_says_what_chose_the_best_epoch(settings, by):
    history = model().fit(X, Y, epochs=3, **settings)
    assert history.selected_by == by and f"chosen by the {by}" in repr(history)
    assert ("no examples were held out" in repr(history)) == (by == "training loss")


def test_dictionary_has_a_value_for_each_epoch():
    history = model().fit(X, Y, epochs=4, metrics=["accuracy"], validation=0.25)
    figures = history.to_dict()
    assert figures["epoch"] == [1, 2, 3, 4] and figures["examples"] == [45] * 4
    assert figures["validation_accuracy"] == [record.validation_metrics["accuracy"] for record in history.epochs]
    assert figures["best"].count(True) >= 1 and History().to_dict() == {}
    skipped = made(2, 1)
    skipped.epochs[1] = EpochRecord(2, 0.5, skipped_batches=3)
    assert skipped.to_dict()["skipped_batches"] == [None, 3]


def test_data_frame(monkeypatch):
    pandas = pytest.importorskip("pandas")
    history = model().fit(X, Y, epochs=3, metrics=["accuracy"])
    frame = history.to_dataframe()
    assert list(frame.index) == [1, 2, 3] and frame.index.name == "epoch"
    pandas.testing.assert_series_equal(
        frame["accuracy"], pandas.Series([r.metrics["accuracy"] for r in history.epochs], frame.index, name="accuracy")
    )
    assert History().to_dataframe().empty
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(graphnet.PluginError, match="a DataFrame needs pandas.*pip install pandas"):
        history.to_dataframe()


def test_histories_are_equal_by_their_figures():
    first, second = (model().fit(X, Y, epochs=3, metrics=["accuracy"], validation=0.2, seed=4) for _ in range(2))
    assert first == second and first.epochs == second.epochs
    assert first.to_dict()["seconds"] != second.to_dict()["seconds"]
    assert first != model().fit(X, Y, epochs=3, metrics=["accuracy"], validation=0.2, seed=5)
    assert made(2, 1) != made(2, 2) and made(2, 1) != made(3, 1) and made(2, 1) != "history"
    nan = [made(1, 0, validation_loss=math.nan, metrics={"a": math.nan}) for _ in range(2)]
    assert nan[0] == nan[1] != made(1, 0, metrics={"a": math.nan})


def test_run_and_saved_model_are_loaded_with_their_history(tmp_path):
    trained = model()
    history = trained.fit(X, Y, epochs=4, metrics=["accuracy"], validation=0.2, callbacks=[RunFolder(tmp_path / "run")])
    trained.save(tmp_path / "model")
    for name in ("run", "model"):
        loaded = graphnet.load(tmp_path / name)
        assert loaded.history == history and loaded.history.to_dict() == history.to_dict()
        loaded.save(tmp_path / f"{name} again")
        assert graphnet.load(tmp_path / f"{name} again").history == history
    model().save(tmp_path / "untrained")
    assert graphnet.load(tmp_path / "untrained").history is None
    continued = Trainer.resume(tmp_path / "run", epochs=6).fit(X, Y)
    assert len(continued) == 6 and continued.epochs[:4] == history.epochs
    assert graphnet.load(tmp_path / "run").history == continued


def test_history_of_a_run_that_has_not_ended_is_that_of_its_checkpoint(tmp_path):
    model().fit(X, Y, epochs=3, callbacks=[RunFolder(tmp_path / "run")], checkpoint_epochs=1)
    (tmp_path / "run" / "summary.json").unlink()
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines(keepends=True)
    later = {**json.loads(lines[2]), "epoch": 4, "best": True}
    (tmp_path / "run" / "metrics.jsonl").write_text("".join([*lines, json.dumps(later) + "\n", '{"epoch": 5, "lo']))
    found = graphnet.load(tmp_path / "run").history
    assert (len(found), found.stopped, found.best_epoch) == (3, "unfinished", 3)
    assert repr(found).endswith("best epoch 3 of 3, not ended, chosen by the training loss: no examples were held out")


@pytest.mark.parametrize(
    "lines", ['{"epoch": 2, "loss": 1}\n', '{"epoch": 1}\n', '{"epoch": 1, "loss": "x"}\n', "[]\n"]
)
def test_damaged_metrics_are_no_history(tmp_path, lines):
    model().fit(X, Y, epochs=1, callbacks=[RunFolder(tmp_path / "run")])
    (tmp_path / "run" / "metrics.jsonl").write_text(lines)
    assert graphnet.load(tmp_path / "run").history == History()


def test_figures_that_are_not_finite_come_back_as_nan():
    record = EpochRecord(1, math.inf, {"a": math.nan}, 0.5, {"a": 1.0}, None, skipped_batches=2)
    from graphnet.io.run_files import line

    read = EpochRecord.from_flat(json.loads(line(record)))
    assert math.isnan(read.loss) and math.isnan(read.metrics["a"])
    assert (read.validation_loss, read.validation_metrics, read.learning_rate) == (0.5, {"a": 1.0}, None)
    assert read.skipped_batches == 2
