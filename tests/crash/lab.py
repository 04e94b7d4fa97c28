"""A small training run that is stopped at any operation on files, and what must hold afterwards."""

import json
import shutil
import warnings
from contextlib import contextmanager

import numpy as np

import graphnet
from graphnet import Builder, FullyConnected, Trainer, TrainingConfig
from graphnet.core.errors import GraphnetError
from graphnet.io import filesystem, lock, run_files
from graphnet.io.checkpoint import Checkpoint, entries
from graphnet.io.checkpoint_store import newest
from graphnet.io.run_folder import RunFolder
from graphnet.models.runs import open_run
from graphnet.optimizers import Adam

from .faults import Faulty, Stopped

EPOCHS, MORE = 3, 4
X = np.random.default_rng(0).normal(size=(8, 3))
Y = (X @ np.random.default_rng(1).normal(size=(3, 2))).argmax(1)


def graph():
    """A layer with three inputs and two outputs."""
    g = Builder("dense")
    return g.build(scores=FullyConnected(3, 2)(g.input("x", "batch, feature=3"), name="last"))


def config(**settings):
    """Adam, two updates an epoch, a checkpoint after each update and each epoch."""
    given = {"optimizer": Adam(0.05), "epochs": EPOCHS, "batch_size": 4, "dtype": "float64", "backend": "reference"}
    return TrainingConfig(**{**given, "checkpoint_steps": 1, "checkpoint_epochs": 1, "keep_checkpoints": 1, **settings})


@contextmanager
def quick(monkeypatch):
    """A picture that takes no time to draw, and copies that may take any share of the time."""
    monkeypatch.setattr(run_files, "learning_curve", lambda history, title: b"picture of %d epochs" % len(history))
    monkeypatch.setattr("graphnet.io.checkpoint_writer.SHARE", 1e9)
    with warnings.catch_warnings(), filesystem.using(Faulty()):
        warnings.simplefilter("ignore", graphnet.core.errors.GraphnetWarning)
        yield


def fresh(path, **settings):
    """Train into a new folder; returns it."""
    folder = RunFolder(path, background=False)
    train(Trainer(graph(), config(**settings), callbacks=[folder]), folder)
    return folder


def resumed(path, epochs=None):
    """Go on with the run in a folder; returns it."""
    run = open_run(path)
    run.checkpoints.background = False
    train(Trainer.resume(run, epochs=epochs), run.checkpoints)
    return run.checkpoints


def train(trainer, folder):
    """Train, then write the result on a test set, as the command line does."""
    folder.awaits_test = True
    current.append(folder)
    history = trainer.fit(X, Y)
    folder.summarize(history, {"loss": 0.125})


#: The folders of the runs that were begun; the last one is going on.
current = []


def killed(work, system):
    """Do something through a file layer, up to where it stops; returns whether it did, and what was saved by then.

    As when a process is killed, nothing is written afterwards, and locks are free.
    """
    current.clear()
    stopped = failed = None
    with filesystem.using(system):
        try:
            work()
        except Stopped as error:
            stopped = error
        except GraphnetError as error:
            failed = error
    lock.forget_all()
    system.end()
    saved = current[-1].saved if current else None
    return stopped, failed, saved


# ---------------------------------------------------------------------- what a folder must be
def arrays_of(checkpoint):
    """The checksums of the files with arrays; the values have durations, too."""
    return {name: found for name, found in checkpoint.manifest.files.items() if name.endswith(".safetensors")}


def reference(path, work=fresh, **settings):
    """What the folder of a run that is never stopped holds: checksums by checkpoint, and its results."""
    work(path, **settings)
    checkpoints = {entry.path.name: arrays_of(Checkpoint.read(entry.path)) for entry in entries(path)}
    return checkpoints, results(path)


def results(path):
    """All that a run leaves, without durations."""
    summary = json.loads((path / "summary.json").read_text())
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    for record in (summary, summary["best"], *lines):
        record.pop("seconds", None)
    last = newest(path)
    return {
        "summary": summary,
        "metrics": lines,
        "weights": (path / "weights.safetensors").read_bytes(),
        "picture": (path / "learning_curve.png").read_bytes(),
        "last": (last.path.name, arrays_of(last)),
    }


def check_readable(path, checkpoints, saved):
    """A folder is a whole run at a known checkpoint, not older than the last one that was reported; or there is none."""
    if not path.exists() and saved is None:
        return None
    found = newest(path)
    assert found is not None, sorted(path.iterdir())
    facts = found.manifest.facts
    assert saved is None or (facts["epoch"], facts["step"]) >= saved, (facts, saved)
    if facts["resumable"]:
        assert arrays_of(Checkpoint.read(found.path)) == checkpoints[found.path.name]
    graphnet.load(path)
    return found.path.name


def finish(path, epochs=None):
    """Go on with what is there, or begin, as a user would."""
    if path.exists() and entries(path):
        resumed(path, epochs)
    else:
        fresh(path)


def assert_same(path, expected):
    """A folder has the results of the run that was never stopped, and nothing else."""
    found = results(path)
    for name, value in expected.items():
        assert found[name] == value, name
    left = [
        entry.name for folder in (path, path / "checkpoints") for entry in folder.iterdir() if entry.suffix == ".part"
    ]
    assert left == []


def count(work):
    """The number of operations of some work that nothing stops."""
    system = Faulty()
    with filesystem.using(system):
        work()
    return system.count


def copied(source, target):
    """A copy of a folder, in place of what is there."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    return target
