"""Early stopping, the best models and the CSV log: what they do, what they refuse, and that resuming changes nothing."""

import csv
import math
import random
import shutil
import warnings

import numpy as np
import pytest
from click.testing import CliRunner
from helpers.resumed import check_every_stop

import graphnet
from graphnet import BatchNormalization, Builder, ConfigError, FileError, FullyConnected, Trainer, TrainingConfig
from graphnet.callbacks import BestCheckpoints, Callback, CSVLog, EarlyStopping
from graphnet.cli import main
from graphnet.core.errors import GraphnetWarning
from graphnet.io import filesystem, model_text, parse_model
from graphnet.io.run_folder import RunFolder
from graphnet.losses import MeanSquaredError
from graphnet.metrics import MeanAbsoluteError, Metric
from graphnet.training import EpochRecord

RNG = np.random.default_rng(77)
X = RNG.normal(size=(40, 3))
Y = X @ RNG.normal(size=(3, 2)) + RNG.normal(size=(40, 2))


def graph():
    g = Builder("model")
    return g.build(FullyConnected(4, 2)(BatchNormalization(4)(FullyConnected(3, 4)(g.input("x", "batch, feature=3")))))


def config(**settings):
    given = {"loss": MeanSquaredError(), "metrics": (MeanAbsoluteError(),), "epochs": 6, "batch_size": 8, "seed": 4}
    return TrainingConfig(**{**given, "validation": 0.25, "optimizer": graphnet.optimizers.Adam(0.05), **settings})


def arrays(model):
    return {name: np.array(value) for name, value in [*model.runner.parameters.items(), *model.runner.buffers.items()]
            if not hasattr(value, "value")} | {n: p.value.copy() for n, p in model.runner.parameters.items()}  # fmt: skip


class Spy(Callback):
    """Keeps the weights after each epoch."""

    def __init__(self):
        self.weights = []

    def on_epoch_end(self, trainer, record):
        with trainer.evaluated_weights():
            self.weights.append(arrays(trainer))


# ---------------------------------------------------------------------- early stopping
class Scripted(Metric):
    """Gives the values of a list, one for each epoch."""

    name = "scripted"

    def __init__(self, values, higher, spy):
        super().__init__()
        self.values, self.higher_is_better, self.spy = values, higher, spy

    def loss(self):
        return MeanSquaredError()

    def accumulate(self, prediction, target, weights):
        pass

    def result(self):
        return self.values[len(self.spy.weights)]


def stopped_epoch(values, patience, min_delta, maximize):
    """When a run with these values ends, and its best epoch: by counting back from each epoch."""
    signed = [-v if maximize else v for v in values]
    reference, since, first = None, 0, None
    for epoch, value in enumerate(signed, 1):
        improves = math.isfinite(value) and (reference is None or reference - value > min_delta)
        reference, since = (value, 0) if improves else (reference, since + 1)
        if since == patience:
            first = epoch
            break
    seen = [(value, epoch) for epoch, value in enumerate(signed[:first], 1) if math.isfinite(value)]
    return first, min(seen, default=(0, 0))[1]


@pytest.mark.parametrize("trial", range(12))
def test_early_stopping_follows_its_figure(trial):
    rng = random.Random(trial)
    maximize, patience, delta = rng.random() < 0.5, rng.randrange(1, 4), rng.choice([0.0, 0.125, 0.5])
    values = [rng.choice([rng.randrange(9) / 8, math.nan, math.inf]) for _ in range(14)]
    metric = Scripted(values, maximize, spy := Spy())
    callback = EarlyStopping(patience, "scripted", min_delta=delta)
    trainer = Trainer(graph(), config(metrics=(MeanAbsoluteError(), metric), epochs=14), callbacks=[callback, spy])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GraphnetWarning)
        history = trainer.fit(X, Y)
    stopped, best = stopped_epoch(values, patience, delta, maximize)
    assert (history.stopped, len(history)) == (("patience", stopped) if stopped else ("finished", 14))
    assert history.best_epoch == best
    if best:
        found = arrays(trainer)
        assert all((value == found[name]).all() for name, value in spy.weights[best - 1].items())


def test_early_stopping_equals_the_setting_patience():
    runs = []
    for settings, callbacks in (({"patience": 2}, []), ({}, [EarlyStopping(2)]), ({}, [EarlyStopping(2, mode="min")])):
        trainer = Trainer(graph(), config(epochs=60, **settings), callbacks=callbacks)
        runs.append((trainer.fit(X, Y).stopped, [r.loss for r in trainer.history.epochs], trainer.history.best_epoch))
    assert runs[0][0] == "patience" and runs[0] == runs[1] == runs[2]


def test_without_restore_best_fit_selects_the_epoch():
    plain = Trainer(graph(), config(epochs=12))
    plain.fit(X, Y)
    for restore in (False, True):
        trainer = Trainer(graph(), config(epochs=12), callbacks=[EarlyStopping(99, "loss", restore_best=restore)])
        history = trainer.fit(X, Y)
        losses = [record.loss for record in history.epochs]
        assert history.best_epoch == (int(np.argmin(losses)) + 1 if restore else plain.history.best_epoch)
        assert history.selected_by == ("training loss" if restore else "validation mean_absolute_error")
        assert "held out" not in repr(history)
    assert plain.history.best_epoch != int(np.argmin(losses)) + 1


@pytest.mark.parametrize(
    ("name", "validation", "remedy"),
    [
        ("val_loss", 0.25, "Write 'validation_loss'"),
        ("validation_loss", 0.0, "Hold examples out"),
        ("mean_absolut_error", 0.0, "Did you mean 'mean_absolute_error'"),
    ],
)
@pytest.mark.parametrize("kind", [EarlyStopping, BestCheckpoints])
def test_unknown_figure_is_explained_before_training(tmp_path, kind, name, validation, remedy):
    settings = {"path": str(tmp_path / "best")} if kind is BestCheckpoints else {}
    trainer = Trainer(graph(), config(validation=validation), callbacks=[kind(monitor=name, **settings), spy := Spy()])
    with pytest.raises(ConfigError, match=remedy):
        trainer.fit(X, Y)
    assert spy.weights == [] and not (tmp_path / "best").exists()


@pytest.mark.parametrize(
    "make",
    [
        lambda: EarlyStopping(0),
        lambda: EarlyStopping(2.5),
        lambda: EarlyStopping(min_delta=-1),
        lambda: EarlyStopping(mode="maximum"),
        lambda: EarlyStopping(monitor=3),
        lambda: EarlyStopping(restore_best="yes"),
        lambda: EarlyStopping(patients=3),
        lambda: BestCheckpoints(""),
        lambda: BestCheckpoints(keep=0),
        lambda: CSVLog(7),
        lambda: CSVLog(overwrite=1),
    ],
)
def test_wrong_arguments_are_refused(make):
    with pytest.raises(ConfigError):
        make()


# ---------------------------------------------------------------------- names and files
def test_names_in_python_and_in_files():
    trainer = Trainer(graph(), config(), callbacks=["csv_log", "early-stopping", BestCheckpoints("b", keep=2)])
    assert trainer.callbacks == (CSVLog(), EarlyStopping(), BestCheckpoints("b", keep=2))
    assert config(callbacks="EarlyStopping").callbacks == (EarlyStopping(),)
    with pytest.raises(ConfigError, match="EarlyStopping"):
        Trainer(graph(), config(), callbacks=["early_stoping"])
    given = config(callbacks=(EarlyStopping(3, "loss", min_delta=0.5), CSVLog("x.csv"), BestCheckpoints(mode="max")))
    text = model_text(graph(), given)
    assert parse_model(text).training.callbacks == given.callbacks
    short = text.partition("  callbacks:")[0] + "  callbacks: [csv_log, {early_stopping: {patience: 2}}]\n"
    assert parse_model(short).training.callbacks == (CSVLog(), EarlyStopping(2))


# ---------------------------------------------------------------------- the CSV log
def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def checked(path, history):
    found = rows(path)
    assert [int(row["epoch"]) for row in found] == list(range(1, len(history) + 1))
    for row, record in zip(found, history.epochs, strict=True):
        for name, value in {"skipped_batches": 0, **record.flat()}.items():
            expected = value if isinstance(value, (bool, int)) else float(value)
            assert row[name] == str(expected) and (isinstance(value, bool) or float(row[name]) == value)


def test_csv_log_has_every_figure(tmp_path):
    path = tmp_path / "new" / "log.csv"
    trainer = Trainer(graph(), config(), callbacks=[CSVLog(path)])
    checked(path, trainer.fit(X, Y))
    bare = Trainer(graph(), config(validation=0.0, metrics=()), callbacks=[CSVLog(path, overwrite=True)])
    checked(path, bare.fit(X, Y))
    assert "validation_loss" not in path.read_text()


def test_csv_log_replaces_no_file(tmp_path):
    path = tmp_path / "log.csv"
    Trainer(graph(), config(epochs=2), callbacks=[CSVLog(path)]).fit(X, Y)
    before = path.read_bytes()
    with pytest.raises(FileError, match="another run"):
        Trainer(graph(), config(epochs=1), callbacks=[CSVLog(path)]).fit(X, Y)
    assert path.read_bytes() == before
    for content in (b"year,sales\n1,2\n", b"\0\1"):
        path.write_bytes(content)
        for overwrite in (False, True):
            with pytest.raises(FileError, match="not a log"):
                Trainer(graph(), config(epochs=1), callbacks=[CSVLog(path, overwrite=overwrite)]).fit(X, Y)
            assert path.read_bytes() == content
    path.unlink()
    path.mkdir()
    with pytest.raises(FileError, match="not a file"):
        Trainer(graph(), config(epochs=1), callbacks=[CSVLog(path)]).fit(X, Y)


class Full(filesystem.FileSystem):
    """A disk that is full for some epochs."""

    full = False

    def write(self, handle, data):
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(handle, data)


class Fill(Callback):
    def __init__(self, system, epochs):
        self.system, self.epochs = system, epochs

    def on_batch_end(self, trainer, epoch, batch, loss):
        self.system.full = epoch in self.epochs


@pytest.mark.parametrize("epochs", [(1,), (3, 4), (5, 6), (1, 2, 3, 4, 5, 6)])
def test_full_disk_ends_no_training(tmp_path, epochs):
    log, best = CSVLog(tmp_path / "log.csv"), BestCheckpoints(tmp_path / "best", keep=6, monitor="loss")
    with filesystem.using(Full()) as system, pytest.warns(GraphnetWarning, match="No space left.*training goes on"):
        history = Trainer(graph(), config(), callbacks=[Fill(system, epochs), log, best]).fit(X, Y)
    assert len(history) == 6
    if 6 not in epochs:
        checked(tmp_path / "log.csv", history)
    assert {path.name for path in best.paths} == {f"epoch-{e:04d}" for e in range(1, 7) if e not in epochs}
    assert all(graphnet.load(path) for path in best.paths)


# ---------------------------------------------------------------------- the best models
@pytest.mark.parametrize(("monitor", "keep"), [(None, 1), ("validation_loss", 3), ("mean_absolute_error", 2)])
@pytest.mark.parametrize("average", [None, 0.7])
def test_best_models_are_those_of_the_best_epochs(tmp_path, monitor, keep, average):
    callback, spy = BestCheckpoints(tmp_path / "best", keep, monitor), Spy()
    history = Trainer(graph(), config(epochs=9, average=average), callbacks=[spy, callback]).fit(X, Y)
    figure = {None: "validation_mean_absolute_error"}.get(monitor, monitor)
    values = [record.flat()[figure] for record in history.epochs]
    order = [int(i) + 1 for i in np.argsort(values, kind="stable")[:keep]]
    assert [path.name for path in callback.paths] == [f"epoch-{epoch:04d}" for epoch in order]
    assert sorted(path.name for path in (tmp_path / "best").iterdir()) == sorted(path.name for path in callback.paths)
    for epoch, path in zip(order, callback.paths, strict=True):
        model = graphnet.load(path)
        found = arrays(model)
        assert all((value == found[name]).all() for name, value in spy.weights[epoch - 1].items())
        assert (len(model.history), model.history.best_epoch, model.history.stopped) == (epoch, epoch, "unfinished")
        assert model.history.best.flat()[figure] == values[epoch - 1]
        assert model.history.selected_by in (figure.replace("validation_", "validation "), f"training {figure}")


def test_mode_turns_a_figure_around(tmp_path):
    callback = BestCheckpoints(tmp_path / "best", 2, "loss", mode="max")
    history = Trainer(graph(), config(), callbacks=[callback]).fit(X, Y)
    order = np.argsort([-record.loss for record in history.epochs], kind="stable")[:2] + 1
    assert [path.name for path in callback.paths] == [f"epoch-{epoch:04d}" for epoch in order]


def test_best_models_refuse_a_used_folder(tmp_path):
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(FileError, match="another run"):
        Trainer(graph(), config(), callbacks=[BestCheckpoints(tmp_path)]).fit(X, Y)
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


def test_data_path_of_a_best_model_leads_to_the_same_file(tmp_path):
    from graphnet.models.train_file import evaluate_run, prepare, prepare_resumed

    np.savez(tmp_path / "data.npz", train_x=X, train_target=Y, test_x=X[:9], test_target=Y[:9])
    settings = config(data="data.npz", epochs=2, callbacks=(BestCheckpoints("kept/best", 9),))
    (tmp_path / "model.yaml").write_text(model_text(graph(), settings))
    prepare(tmp_path / "model.yaml", output=tmp_path / "runs" / "one").run()
    prepare_resumed(tmp_path / "runs" / "one", epochs=4).run()
    best = sorted((tmp_path / "runs" / "one" / "kept" / "best").iterdir())
    assert len(best) == 4
    figures = [evaluate_run(path)["loss"] for path in best]
    assert len(set(figures)) == 4 and evaluate_run(tmp_path / "runs" / "one")["loss"] in figures


# ---------------------------------------------------------------------- resuming
def test_resumed_at_every_update(tmp_path):
    made = iter(range(10**6))

    def make():
        folder = tmp_path / str(next(made))
        callbacks = [EarlyStopping(2, "validation_loss", min_delta=0.01), BestCheckpoints(folder, 2, "loss")]
        return graph(), config(epochs=5), callbacks, {"inputs": X, "targets": Y}

    check_every_stop(make, every=3)


class At(Callback):
    def __init__(self, epoch, batch):
        self.epoch, self.batch = epoch, batch

    def on_batch_end(self, trainer, epoch, batch, loss):
        if (epoch, batch) == (self.epoch, self.batch):
            raise SystemExit

    def state(self):
        return {}

    def load_state(self, state):
        pass


#: Files with durations, or with checksums of these.
TIMED = ("versions.json", "manifest.json", "history.json")


def files(path):
    """What is in a folder, without durations."""
    found = {}
    for file in sorted(path.rglob("*")):
        if file.suffix == ".csv":
            found[file.name] = [{**row, "seconds": None} for row in rows(file)]
        elif "best" in file.parts and file.is_file() and file.name not in TIMED:
            found[file.relative_to(path).as_posix()] = file.read_bytes()
    return found


@pytest.mark.parametrize("every", [1, 2])
def test_killed_run_leaves_the_same_files(tmp_path, every):
    """The last checkpoint is older than what the callbacks have written when the process ends."""
    settings = config(
        epochs=7,
        checkpoint_epochs=every,
        checkpoint_seconds=None,
        callbacks=(CSVLog("log.csv"), BestCheckpoints("best", 2, "loss"), EarlyStopping(3, "loss", min_delta=0.02)),
    )
    whole = tmp_path / "whole"
    expected = Trainer(graph(), settings, callbacks=[RunFolder(whole, background=False)]).fit(X, Y)
    for number, epoch in enumerate((1, 2, 4, 6)):
        path = tmp_path / f"run{number}"
        with pytest.raises(SystemExit):
            Trainer(graph(), settings, callbacks=[RunFolder(path, background=False), At(epoch, 2)]).fit(X, Y)
        graphnet.io.lock.forget_all()
        with (path / "log.csv").open("a") if epoch > 1 else (tmp_path / "none").open("a") as file:
            file.write("9,0.12")  # the row that was being written
        former = sorted((path / "best").glob("epoch-*"))
        if former:  # a model that was no longer among the best when the process ended
            shutil.copytree(former[0], path / "best" / "epoch-0099")
        history = Trainer.resume(path).fit(X, Y)
        assert files(path) == files(whole)
        assert (history.stopped, history.best_epoch) == (expected.stopped, expected.best_epoch)
        assert graphnet.load(path).history.selected_by == history.selected_by == "training loss"
        with pytest.warns(GraphnetWarning, match="the run is over"):
            Trainer.resume(path).fit(X, Y)
        assert files(path) == files(whole)


def test_command_says_why_a_run_has_ended(tmp_path):
    np.savez(tmp_path / "data.npz", train_x=X, train_target=Y, test_x=X[:9], test_target=Y[:9])
    settings = config(data="data.npz", epochs=40, callbacks=(EarlyStopping(1, "loss", min_delta=1.0), CSVLog()))
    (tmp_path / "model.yaml").write_text(model_text(graph(), settings))
    run = str(tmp_path / "run")
    trained = CliRunner().invoke(main, ["train", str(tmp_path / "model.yaml"), "--output", run])
    assert trained.exit_code == 0 and "stopped: no improvement, chosen by the training loss" in trained.output
    log = (tmp_path / "run" / "log.csv").read_bytes()
    again = CliRunner().invoke(main, ["train", "--resume", run])
    assert "nothing was changed. It no longer improved." in again.output
    assert (tmp_path / "run" / "log.csv").read_bytes() == log


def test_record_without_a_metric_never_improves():
    from graphnet.training.monitor import Monitor

    class Run:
        figures, selecting = {"loss": False, "f1": True, "validation_f1": True}, "validation_f1"

    monitor = Monitor("here", Run(), None, None)
    assert monitor.maximize and monitor.value(EpochRecord(1, 0.5)) == math.inf
    assert monitor.value(EpochRecord(1, 0.5, validation_metrics={"f1": 0.25})) == -0.25
