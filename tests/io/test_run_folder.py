"""The folder that a run leaves behind, and the picture in it."""

from __future__ import annotations

import json
import struct
import subprocess
import sys

import numpy as np
import pytest

import graphnet
from graphnet import Builder, FileError, FullyConnected, StateError, Trainer, TrainingConfig
from graphnet.io.learning_curve import learning_curve
from graphnet.io.run_folder import RunFolder, numbered
from graphnet.io.weights import read_arrays
from graphnet.metrics import Accuracy
from graphnet.optimizers import Adam, Sgd
from graphnet.training import Callback, EpochRecord, History

pytestmark = [pytest.mark.no_plugins, pytest.mark.slow]


def dense(name="dense"):
    g = Builder(name)
    return g.build(scores=FullyConnected(4, 3)(g.input("x", "batch, feature=4"), name="last"))


def classes(n=50):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 4))
    return x, (x @ rng.normal(size=(4, 3))).argmax(1)


def run(folder, *callbacks, name="dense", **settings):
    config = TrainingConfig(**{"metrics": (Accuracy(),), "optimizer": Adam(0.05), "epochs": 4, **settings})
    trainer = Trainer(dense(name), config, callbacks=[folder, *callbacks])
    return trainer, trainer.fit(*classes())


def test_everything_is_there(tmp_path):
    folder = RunFolder(tmp_path / "run")
    trainer, history = run(folder, validation=0.2)
    folder.summarize(history, {"loss": 0.5, "accuracy": 0.75})
    names = {path.name for path in folder.path.iterdir()}
    assert names >= {"model.yaml", "weights.safetensors", "metrics.jsonl", "versions.json", "summary.json"}
    assert [name for name in names if name.startswith(".")] == [".lock"]
    lines = [json.loads(line) for line in (folder.path / "metrics.jsonl").read_text().splitlines()]
    assert lines == [record.flat() for record in history.epochs]
    assert {"epoch", "loss", "accuracy", "validation_loss", "validation_accuracy", "learning_rate"} <= lines[0].keys()
    summary = json.loads((folder.path / "summary.json").read_text())
    assert summary["best_epoch"] == history.best_epoch and summary["test"]["accuracy"] == 0.75
    assert summary["best"] == history.best.flat() and summary["stopped"] == "finished"
    versions = json.loads((folder.path / "versions.json").read_text())
    assert versions["threads"] == 1 and versions["python"] == sys.version.split()[0]
    assert next(plugin["name"] for plugin in versions["plugins"]) == "builtin"
    loaded = graphnet.load(folder.path)
    assert loaded.config == trainer.config
    assert loaded.evaluate(*classes()) == trainer.evaluate(*classes())


def test_saved_weights_survive_divergence(tmp_path):
    class Poison(Callback):
        def on_epoch_end(self, trainer, record):
            self.best = trainer.runner.parameters["last/weights"].value
            if record.epoch == 3:
                self.kept = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
                for parameter in trainer.runner.parameters.values():
                    parameter.value = np.full_like(parameter.value, np.nan)

    folder, poison = RunFolder(tmp_path / "run"), Poison()
    with pytest.raises(StateError, match="epoch 4, batch 1"):
        run(folder, poison, epochs=9)
    assert len(poison.kept) == 3
    assert len((folder.path / "metrics.jsonl").read_text().splitlines()) == 3
    summary = json.loads((folder.path / "summary.json").read_text())
    assert summary["stopped"] == "failed" and summary["best_epoch"] == 3
    assert np.array_equal(read_arrays(folder.path / "weights.safetensors")["last/weights"], poison.best)


def test_run_failing_at_once_saves_weights(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(Exception, match="finite"):
        run(folder, optimizer=Sgd(1e300))
    assert np.isfinite(read_arrays(folder.path / "weights.safetensors")["last/weights"]).all()
    assert (folder.path / "metrics.jsonl").read_text() == ""


def test_bad_data_leave_no_folder(tmp_path):
    folder = RunFolder(runs=tmp_path / "runs")
    trainer = Trainer(dense(), TrainingConfig(), callbacks=[folder])
    with pytest.raises(ValueError, match="does not fit"):
        trainer.fit(np.zeros((3, 9)), [0, 1, 2])
    assert list(tmp_path.iterdir()) == []


def test_runs_are_numbered_and_never_overwritten(tmp_path):
    paths = []
    for _ in range(3):
        folder = RunFolder(runs=tmp_path)
        run(folder, epochs=1)
        paths.append(folder.path.name)
    assert paths == ["dense-001", "dense-002", "dense-003"]
    (tmp_path / "dense-017").mkdir()
    (tmp_path / "other-900").mkdir()
    assert numbered(tmp_path, "dense").name == "dense-018"
    assert numbered(tmp_path, "../a b/c").parent == tmp_path
    assert numbered(tmp_path, "..").name == "model-001"


def test_used_output_folder_is_refused(tmp_path):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").write_text("mine")
    with pytest.raises(FileError, match="never overwritten.*not empty.*Name another folder"):
        RunFolder(tmp_path / "used")
    (tmp_path / "empty").mkdir()
    folder = RunFolder(tmp_path / "empty")
    run(folder, epochs=1)
    assert (tmp_path / "empty" / "model.yaml").is_file()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileError, match="cannot be created|a file"):
        run(RunFolder(runs=tmp_path / "file"), epochs=1)


def test_data_path_becomes_relative(tmp_path):
    (tmp_path / "data").mkdir()
    folder = RunFolder(tmp_path / "runs" / "one", data=tmp_path / "data" / "mine.npz")
    run(folder, epochs=1)
    assert graphnet.load(folder.path).config.data == "../../data/mine.npz"


# ------------------------------------------------------------------ the picture
def png_size(data):
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


def history(metrics, validation=True, n=12):
    epochs = []
    for i in range(1, n + 1):
        held = dict.fromkeys(metrics, 1 - 1.2 / i) if validation else {}
        epochs.append(EpochRecord(i, 1 / i, dict.fromkeys(metrics, 1 - 1 / i), 1.2 / i if validation else None, held))
    return History(epochs, best_epoch=9)


def test_learning_curve_panels():
    pytest.importorskip("matplotlib")
    one, two = learning_curve(history([]), "a"), learning_curve(history(["accuracy"]), "a")
    assert png_size(two)[0] == 2 * png_size(one)[0]
    assert learning_curve(history(["accuracy"], validation=False), "a") != two
    assert learning_curve(history(["accuracy"], n=1), "a") is not None
    assert learning_curve(History(), "a") is None


def test_drawing_leaves_the_backend_alone():
    pytest.importorskip("matplotlib")
    code = (
        "import sys, matplotlib; before = matplotlib.rcParams._get_backend_or_none()\n"
        "from graphnet.io.learning_curve import learning_curve\n"
        "from graphnet.training import EpochRecord, History\n"
        "assert learning_curve(History([EpochRecord(1, 0.5)], 1), 'a')\n"
        "assert matplotlib.rcParams._get_backend_or_none() == before\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_learning_curve_without_matplotlib(tmp_path, monkeypatch):
    from graphnet.io import learning_curve as curve

    monkeypatch.setattr(curve.importlib.util, "find_spec", lambda name: None)
    folder = RunFolder(tmp_path / "run")
    run(folder, epochs=1)
    assert not (folder.path / "learning_curve.png").exists()
    assert (folder.path / "summary.json").exists()
