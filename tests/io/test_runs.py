"""Folders of runs: opened at any moment, listed, cleaned and checked; and what happens when they are taken away."""

import contextlib
import json
import os
import shutil
import signal
import sys
import threading
import time
import traceback
import warnings

import numpy as np
import pytest
from click.testing import CliRunner

import graphnet
from graphnet import Builder, FileError, FullyConnected, Model, StateError, Trainer, TrainingConfig
from graphnet.cli.group import main
from graphnet.io import leftovers, run_files
from graphnet.io.checkpoint import entries
from graphnet.io.checkpoint_store import load, newest
from graphnet.io.draft import Draft
from graphnet.io.filesystem import FileSystem, using
from graphnet.io.lock import FolderLock
from graphnet.io.run_folder import RunFolder
from graphnet.io.run_list import clean, info, runs
from graphnet.io.verify import verify
from graphnet.models.runs import open_run
from graphnet.training import Callback

pytestmark = pytest.mark.no_plugins
posix = pytest.mark.skipif(sys.platform == "win32", reason="fork and signals of POSIX")
X = np.random.default_rng(0).normal(size=(20, 3))
Y = X[:, :2] + 1


@pytest.fixture(autouse=True)
def _no_picture(monkeypatch):
    monkeypatch.setattr(run_files, "learning_curve", lambda history, title: None)
    monkeypatch.setattr("graphnet.io.checkpoint_writer.SHARE", 1e9)


def graph():
    g = Builder("lines")
    return g.build(y=FullyConnected(3, 2)(g.input("x", "batch, feature=3"), name="last"))


class Stop(Callback):
    """Does something at the end of an epoch."""

    def __init__(self, epoch, action):
        self.epoch, self.action = epoch, action

    def on_epoch_end(self, trainer, record):
        if record.epoch == self.epoch:
            self.action()

    def state(self):
        return {}

    def load_state(self, state):
        pass


def train(path, *callbacks, background=False, **settings):
    folder = RunFolder(path, background=background)
    given = {"loss": graphnet.losses.MeanSquaredError(), "epochs": 3, "batch_size": 10, "checkpoint_epochs": 1}
    trainer = Trainer(graph(), TrainingConfig(**{**given, **settings}), callbacks=[folder, *callbacks])
    trainer.fit(X, Y)
    return trainer, folder


def interrupt():
    raise KeyboardInterrupt


def fail():
    raise StateError("on purpose")


# ---------------------------------------------------------------------- a run that a callback has stopped
def stopper():
    class Stopper(Callback):
        def on_epoch_end(self, trainer, record):
            trainer.stopping = record.epoch == 2

    return Stopper()


def test_end_of_a_stopped_run_is_written_before_it_goes_on(tmp_path):
    train(tmp_path / "whole", stopper(), epochs=4)
    train(tmp_path / "killed", stopper(), epochs=4)
    (tmp_path / "killed" / "summary.json").unlink()  # as if killed before it was written
    trainer = Trainer.resume(tmp_path / "killed", callbacks=[stopper()])
    assert (trainer.fit(X, Y).stopped, len(trainer.history)) == ("callback", 2)
    weights = [graphnet.load(tmp_path / name).runner.parameters["last/weights"].value for name in ("whole", "killed")]
    assert np.array_equal(*weights)
    trainer = Trainer.resume(tmp_path / "killed", callbacks=[stopper()])
    assert (trainer.fit(X, Y).stopped, len(trainer.history)) == ("finished", 4)


# ---------------------------------------------------------------------- readers
def test_run_is_readable_while_it_is_written(tmp_path):
    path, done, loaded = tmp_path / "run", threading.Event(), []

    def read():
        while not done.is_set():
            if path.exists():
                loaded.append(graphnet.load(path).runner.parameters["last/weights"].value)

    reader = threading.Thread(target=read)
    reader.start()
    trainer, _ = train(path, epochs=60, keep_checkpoints=1, background=True, checkpoint_steps=1)
    done.set()
    reader.join()
    assert len({array.tobytes() for array in loaded}) > 1
    final = graphnet.load(path).runner.parameters["last/weights"].value
    assert np.array_equal(final, trainer.runner.parameters["last/weights"].value)


def test_checkpoint_zero_is_there_before_the_first_update(tmp_path):
    seen = []

    class First(Callback):
        def on_batch_end(self, trainer, epoch, batch, loss):
            if not seen:
                seen.extend(entry.path.name for entry in entries(tmp_path / "run"))
                seen.append(info(tmp_path / "run").state)
                seen.append(graphnet.load(tmp_path / "run").runner.parameters["last/weights"].value)

    trainer, _ = train(tmp_path / "run", First())
    assert seen[:2] == ["000000-000000000", "running"]
    drawn = []

    class Drawn(Callback):
        def on_start(self, trainer, batches):
            drawn.append(trainer.runner.parameters["last/weights"].value)

    Trainer(graph(), trainer.config, callbacks=[Drawn()]).fit(X, Y)
    assert np.array_equal(seen[2], drawn[0])


def test_best_and_last_weights_are_kept(tmp_path):
    trainer, folder = train(tmp_path / "run", epochs=5, keep_checkpoints=2)
    assert [entry.epoch for entry in entries(folder.path)] == [5, 4] and folder.saved == (5, 10)
    snapshot = load(folder.path)
    assert snapshot.values["best_epoch"] == trainer.history.best_epoch
    for name, parameter in trainer.runner.parameters.items():
        assert np.array_equal(snapshot.arrays["best"][name], parameter.value)


@pytest.mark.parametrize("end", [interrupt, fail])
def test_best_epoch_is_readable_after_an_early_end(tmp_path, end):
    trainer = None
    with contextlib.suppress(StateError):
        trainer, _ = train(tmp_path / "run", Stop(3, end), epochs=9, checkpoint_epochs=None, checkpoint_seconds=None)
    assert [(entry.epoch, entry.end) for entry in entries(tmp_path / "run")] == [(3, True), (0, False)]
    found = newest(tmp_path / "run")
    assert found.manifest.facts["resumable"] is False and load(tmp_path / "run").epoch == 0
    values = graphnet.load(tmp_path / "run").runner.parameters["last/weights"].value
    if trainer is not None:
        assert np.array_equal(values, trainer.runner.parameters["last/weights"].value)
    resumed = Trainer.resume(tmp_path / "run", callbacks=[Stop(99, fail)])
    resumed.fit(X, Y)
    whole, _ = train(tmp_path / "whole", epochs=9)
    assert len(resumed.history) == 9 and [entry.epoch for entry in entries(tmp_path / "run")] == [9, 0]
    assert np.array_equal(
        resumed.runner.parameters["last/weights"].value, whole.runner.parameters["last/weights"].value
    )


def test_damaged_checkpoint_is_skipped_with_a_warning(tmp_path):
    train(tmp_path / "run")
    last, before = entries(tmp_path / "run")
    data = bytearray((last.path / "best.safetensors").read_bytes())
    data[-1] ^= 1
    (last.path / "best.safetensors").write_bytes(data)
    with pytest.warns(graphnet.GraphnetWarning, match=f"best.safetensors: damaged.*{before.path.name} is used instead"):
        graphnet.load(tmp_path / "run")
    for name in ("best.safetensors", "manifest.json"):
        (before.path / name).unlink(missing_ok=True)
    with pytest.raises(FileError, match="damaged"):
        graphnet.load(tmp_path / "run")


@pytest.mark.parametrize("change", [("epoch", 1), ("step", 3), ("format", "graphnet-checkpoint/2"), ("resumable", 0)])
def test_changed_manifest_is_refused(tmp_path, change):
    train(tmp_path / "run", keep_checkpoints=1)
    (last,) = entries(tmp_path / "run")
    manifest = json.loads((last.path / "manifest.json").read_text())
    (last.path / "manifest.json").write_text(json.dumps({**manifest, change[0]: change[1]}))
    with pytest.raises(FileError, match=r"manifest.json: (damaged|another format)"):
        newest(tmp_path / "run")


def test_folder_of_an_earlier_version_opens(tmp_path):
    trainer, folder = train(tmp_path / "run")
    shutil.rmtree(folder.path / "checkpoints")
    (folder.path / ".lock").unlink()
    model = graphnet.load(folder.path)
    for name, parameter in trainer.runner.parameters.items():
        assert np.array_equal(model.runner.parameters[name].value, parameter.value)
    assert info(folder.path).state == "finished" and not info(folder.path).resumable
    with pytest.raises(FileError, match="no checkpoint.*earlier version cannot be resumed.*warm_start"):
        Trainer.resume(folder.path)
    assert [finding.problem for finding in verify(folder.path) if finding.problem] == []


# ---------------------------------------------------------------------- going on
def test_finished_run_is_not_changed_by_resuming(tmp_path):
    _, folder = train(tmp_path / "run")
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file() and path.name != ".lock"}
    with pytest.warns(graphnet.GraphnetWarning, match="the run is over"):
        Trainer.resume(folder.path).fit(X, Y)
    after = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file() and path.name != ".lock"}
    assert after == before
    assert info(folder.path).state == "finished"


def test_of_two_that_resume_a_run_one_goes_on(tmp_path):
    path = tmp_path / "run"
    train(path, Stop(2, interrupt))
    early = Trainer.resume(path, callbacks=[Stop(99, fail)])
    late = Trainer.resume(path, callbacks=[Stop(99, fail)])
    tried = []

    def other():
        assert info(path).state == "running"
        with pytest.raises(FileError, match="another training is writing"):
            open_run(path)
        with pytest.raises(FileError, match="another training is writing"):
            late.fit(X, Y)
        tried.append(True)

    Trainer.resume(path, callbacks=[Stop(3, other)]).fit(X, Y)
    assert tried and info(path).state == "finished"
    before = {found: found.read_bytes() for found in path.rglob("*") if found.is_file() and found.name != ".lock"}
    with pytest.raises(FileError, match="the run has gone on meanwhile.*once more"):
        early.fit(X, Y)
    assert {found: found.read_bytes() for found in before} == before and info(path).state == "finished"


def test_refused_resume_can_be_allowed(tmp_path):
    path = tmp_path / "run"
    train(path, Stop(2, interrupt))
    trainer = Trainer.resume(path, callbacks=[Stop(99, fail)])
    with pytest.raises(StateError, match="its data differ"):
        trainer.fit(X, Y + 1e-3)
    Trainer.resume(path, callbacks=[Stop(99, fail)], allow=["data"]).fit(X, Y + 1e-3)
    assert info(path).state == "finished"


def test_folder_that_is_no_run_cannot_go_on(tmp_path):
    with pytest.raises(FileError, match="no checkpoint.*no such folder"):
        open_run(tmp_path / "nothing")


@posix
def test_two_trainings_with_one_folder(tmp_path):
    """Both begin at the same moment; one trains, the other is refused before it does."""
    for trial in range(4):
        path, begin = tmp_path / f"run{trial}", time.monotonic() + 0.1
        children = []
        for _ in range(3):
            pid = os.fork()
            if pid == 0:
                code, trainer = 9, None
                graphnet.seed(None)
                try:
                    folder = RunFolder(path, background=False)
                    settings = TrainingConfig(loss=graphnet.losses.MeanSquaredError(), epochs=40)
                    trainer = Trainer(graph(), settings, callbacks=[folder])
                    time.sleep(max(0.0, begin - time.monotonic()))
                    trainer.fit(X, Y)
                    code = 0
                except FileError:
                    # A child that is late finds the folder before it has a trainer.
                    code = 4 if trainer is not None and trainer.history.epochs else 3
                except BaseException:
                    traceback.print_exc()
                    sys.stderr.flush()
                finally:
                    os._exit(code)
            children.append(pid)
        codes = sorted(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children)
        assert codes == [0, 3, 3]
        assert len(graphnet.load(path).runner.parameters) and info(path).epochs == 40
        assert clean(tmp_path) == []


# ---------------------------------------------------------------------- a folder that is taken away
def test_folder_that_is_removed_ends_in_an_error_after_training(tmp_path):
    path = tmp_path / "run"
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with pytest.raises(FileError, match="not this run's any more"):
            train(path, Stop(1, lambda: shutil.rmtree(path)), epochs=5)
    assert 1 <= len([w for w in shown if "goes on" in str(w.message)]) <= 2
    assert not path.exists()


def test_folder_that_is_replaced_is_not_written_to(tmp_path):
    path = tmp_path / "run"

    def replace():
        path.rename(tmp_path / "moved")
        path.mkdir()
        (path / "mine").write_text("mine")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(FileError, match="not this run's any more"):
            train(path, Stop(2, replace), epochs=5)
    assert os.listdir(path) == ["mine"]
    assert Trainer.resume(tmp_path / "moved", callbacks=[Stop(99, fail)]).fit(X, Y).best_epoch == 5


def test_clock_that_is_set_back_changes_nothing(tmp_path, monkeypatch):
    moments = iter(range(2_000_000_000, 0, -10_000))
    monkeypatch.setattr(time, "time", lambda: float(next(moments)))
    train(tmp_path / "run", epochs=4)
    assert [entry.epoch for entry in entries(tmp_path / "run")] == [4, 3]
    assert clean(tmp_path) == []


def test_slow_disk_skips_checkpoints(tmp_path):
    class Slow(FileSystem):
        def sync_folder(self, path):
            time.sleep(0.05)

    with using(Slow()):
        _trainer, folder = train(tmp_path / "run", epochs=40, background=True, keep_checkpoints=99)
    kept = [entry.epoch for entry in entries(folder.path)]
    assert kept[0] == 40 and kept[-1] == 0 and 2 <= len(kept) < 30


def test_draft_in_a_folder_that_must_stay(tmp_path, monkeypatch):
    """The working directory is filled in its place; what a killed process has left there does not block it."""
    monkeypatch.chdir(tmp_path)
    inode = os.stat(tmp_path).st_ino
    draft = Draft(tmp_path, locked=True)
    assert draft.in_place
    draft.write("model.yaml", [b"half"])
    draft.lock.release()
    (draft.path / "model.yaml").rename(tmp_path / "model.yaml")  # and here the process was killed
    monkeypatch.setattr(leftovers, "abandoned", lambda path: True)
    train(".")
    assert os.stat(tmp_path).st_ino == inode and info(tmp_path).state == "finished"
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".part")]


# ---------------------------------------------------------------------- the command line
def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_runs_lists_states(tmp_path):
    train(tmp_path / "a-done", metrics=(graphnet.metrics.MeanAbsoluteError(),), validation=0.2)
    train(tmp_path / "b-stopped", Stop(2, interrupt))
    with pytest.raises(StateError):
        train(tmp_path / "c-failed", Stop(2, fail))
    train(tmp_path / "d-crashed")
    (tmp_path / "d-crashed" / "summary.json").unlink()
    with (tmp_path / "d-crashed" / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 4, "lo')
    (tmp_path / "no run").mkdir()
    states = {run.path.name: (run.state, run.resumable, run.epochs, run.of) for run in runs(tmp_path)}
    assert states == {
        "a-done": ("finished", False, 3, 3),
        "b-stopped": ("stopped", True, 2, 3),
        "c-failed": ("failed", True, 2, 3),
        "d-crashed": ("crashed", True, 3, 3),
    }
    done = runs(tmp_path)[0]
    assert done.metric[0] == "validation_mean_absolute_error" and done.metric[2] in (1, 2, 3) and done.seconds > 0
    result = call("runs", tmp_path)
    assert result.exit_code == 0 and "d-crashed" in result.stdout and "resumable" in result.stdout
    assert next(run["state"] for run in json.loads(call("runs", tmp_path, "--json").stdout)) == "finished"
    assert "1 " not in call("runs", tmp_path / "no run").stdout and call("runs", tmp_path / "nowhere").exit_code == 2


@posix
def test_clean_removes_leftovers_only(tmp_path):
    path = tmp_path / "run"
    train(path)
    pid = os.fork()
    if pid == 0:
        for target in (tmp_path / "other", path / "summary.json", path / "checkpoints" / "000009-000000018"):
            left = leftovers.temporary(target)
            left.mkdir()
            (left / "part").write_text("x")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    mine = leftovers.temporary(tmp_path / "being-written")
    mine.mkdir()
    (tmp_path / ".notes.part").write_text("a user's")
    before = {found for found in path.rglob("*") if ".part" not in str(found)}
    assert "would remove" in call("clean", tmp_path, "--dry-run").stdout
    lock = FolderLock(path)
    assert len(clean(tmp_path)) == 1  # of the draft beside: the run is going on
    lock.release()
    result = call("clean", tmp_path)
    assert result.exit_code == 0 and result.stdout.count("removed") == 2
    assert set(path.rglob("*")) == before
    assert mine.exists() and (tmp_path / ".notes.part").exists()
    assert "nothing to remove" in call("clean", tmp_path).stdout


def problems(path):
    return [str(finding.problem) for finding in verify(path) if finding.problem is not None]


def test_verify_finds_every_changed_byte(tmp_path):
    train(tmp_path / "run", keep_checkpoints=1)
    model = Model(graph())
    model.fit(X, Y, loss=graphnet.losses.MeanSquaredError(), epochs=1)
    model.save(tmp_path / "model")
    rng = np.random.default_rng(4)
    for folder in (tmp_path / "run", tmp_path / "model"):
        assert problems(folder) == []
        files = [path for path in folder.rglob("*") if path.is_file() and path.suffix in (".safetensors", ".json")]
        for path in files:
            if path.name in ("summary.json", "versions.json") and folder.name == "run":
                continue  # text that has no checksum
            whole = path.read_bytes()
            for position in rng.integers(0, len(whole), 6):
                changed = bytearray(whole)
                changed[position] ^= 1 << int(rng.integers(0, 7))
                path.write_bytes(changed)
                assert problems(folder), (path, position)
            path.write_bytes(whole[:-1])
            assert problems(folder), path
            path.write_bytes(whole)
        assert problems(folder) == []
    (tmp_path / "model" / "model.yaml").write_text((tmp_path / "model" / "model.yaml").read_text() + "\n")
    assert "model.yaml: damaged or changed" in problems(tmp_path / "model")[0]
    result = call("verify", tmp_path / "model")
    assert result.exit_code == 1 and "1 damaged" in result.stdout
    assert call("verify", tmp_path / "run").exit_code == 0 and call("verify", tmp_path / "nowhere").exit_code == 2


def test_verify_finds_weights_that_are_not_finite_or_of_another_model(tmp_path):
    model = Model(graph())
    model.fit(X, Y, loss=graphnet.losses.MeanSquaredError(), epochs=1)
    model.runner.parameters["last/weights"].value = np.full((4, 2), np.nan)
    with pytest.warns(graphnet.GraphnetWarning, match="not finite"):
        model.save(tmp_path / "nan")
    assert "last/weights: holds numbers that are not finite" in problems(tmp_path / "nan")[0]
    other = (tmp_path / "nan" / "model.yaml").read_text().replace("output_size: 2", "output_size: 3")
    (tmp_path / "nan" / "model.yaml").write_text(other)
    assert any("(4, 3)" in problem for problem in problems(tmp_path / "nan"))
