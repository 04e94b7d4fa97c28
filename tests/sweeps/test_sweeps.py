"""Sweeps in this process: what is trained, what is kept, and how one goes on."""

import csv
import itertools
import json
import math
import signal
import statistics
import types
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from crash.faults import Faulty, Stopped

import graphnet
from graphnet import ConfigError, FileError, GraphnetError, PluginError, StateError, UnknownNameError
from graphnet.cli.group import main
from graphnet.io import lock, run_files
from graphnet.io.filesystem import FileSystem, using
from graphnet.io.lock import FolderLock
from graphnet.plugins import PluginManager, discovery, hookimpl
from graphnet.plugins import using as using_plugins
from graphnet.sweeps import Sweep, results, resume, runner
from graphnet.sweeps.executor import InProcess
from graphnet.sweeps.journal import Journal

pytest.importorskip("optuna")

from .lab import files, summary, sweep


class Fast(FileSystem):
    """Does not wait for the disk."""

    def sync(self, handle):
        pass

    def sync_folder(self, path):
        pass


@pytest.fixture(autouse=True)
def _fast(monkeypatch, request):
    monkeypatch.setattr(run_files, "learning_curve", lambda history, title: None)
    if "with_picture" not in request.fixturenames:
        monkeypatch.setattr(runner, "picture", lambda result: None)
    with using(Fast()):
        yield


@pytest.fixture
def with_picture():
    """The picture is drawn."""


@pytest.fixture
def model(tmp_path):
    return files(tmp_path, epochs=2, examples=64)


def run(spec, folder, **options):
    return graphnet.sweep(replace(spec, jobs=0), output=folder, shown=None, **options)


class StopAfter(InProcess):
    """Is asked to stop after a number of runs, in the middle of the next one."""

    def __init__(self, runs, epoch=1):
        super().__init__()
        self.left, self.reports = runs, 0

    def wait(self, decide):
        if self.left == 0:
            steps = itertools.count()
            self._interrupted = lambda: next(steps) >= 2
        self.left -= 1
        return super().wait(decide)


# ---------------------------------------------------------------------- searches
def test_a_grid_has_every_combination_once_in_order(model, tmp_path):
    spec = Sweep(model, parameters={"batch_size": [8, 16], "hidden.output_size": [8], "training.seed": [0, 3]},
                 search="grid")  # fmt: skip
    result = run(spec, tmp_path / "s")
    assert [list(trial.parameters.values()) for trial in result.trials] == [
        [8, 8, 0],
        [8, 8, 3],
        [16, 8, 0],
        [16, 8, 3],
    ]
    assert len({trial.value for trial in result.trials}) == 4


def test_parameters_follow_from_the_seed(model, tmp_path):
    spec = sweep(model, trials=3, seed=4)
    drawn = [[trial.parameters for trial in run(spec, tmp_path / name).trials] for name in "ab"]
    assert drawn[0] == drawn[1]
    assert len({json.dumps(parameters) for parameters in drawn[0]}) == len(drawn[0])
    for parameters in drawn[0]:
        assert 1e-4 <= parameters["training.optimizer.learning_rate"] <= 1e-1
        assert parameters["units"] in range(4, 17) and type(parameters["units"]) is int
        assert parameters["training.batch_size"] in (8, 16, 32)
    other = run(replace(spec, seed=5, trials=1), tmp_path / "c").trials[0].parameters
    assert other != drawn[0][0]


def test_values_reach_the_run(model, tmp_path):
    trial = run(sweep(model, trials=1), tmp_path / "s").trials[0]
    trained = graphnet.load(tmp_path / "s" / trial.runs[0]["path"])
    assert trained.config.optimizer.learning_rate == trial.parameters["training.optimizer.learning_rate"]
    assert trained.config.batch_size == trial.parameters["training.batch_size"]
    assert trained.graph.nodes["hidden"].layer.output_size == trial.parameters["units"]


def test_a_trial_equals_the_run_of_its_model_file(model, tmp_path):
    result = run(Sweep(model, parameters={"batch_size": [8]}, search="grid"), tmp_path / "s")
    outcome = CliRunner().invoke(
        main, ["train", str(model), "--batch-size", "8", "--output", str(tmp_path / "alone"), "--threads", "1"]
    )
    assert outcome.exit_code == 0, outcome.output
    names = ("weights.safetensors",)
    assert [(tmp_path / "alone" / name).read_bytes() for name in names] == [
        (result.best_path / name).read_bytes() for name in names
    ]


def test_choices_may_be_objects(model, tmp_path):
    spec = Sweep(model, parameters={"training.optimizer": ["Adam", {"Sgd": {"learning_rate": 1e-2}}]}, search="grid")
    first, second = run(spec, tmp_path / "s").trials
    assert second.parameters == {"training.optimizer": {"Sgd": {"learning_rate": 0.01}}}
    assert first.value != second.value


def test_pruned_trials_end_early_and_stay_out_of_the_ranking(tmp_path):
    model = files(tmp_path, epochs=4, examples=64)
    rates = {"training.optimizer.learning_rate": [0.05, 0.03, 1e-6, 2e-6]}
    pruning = {"median": {"startup_trials": 2, "warmup_epochs": 1}}
    result = run(Sweep(model, parameters=rates, search="grid", pruning=pruning), tmp_path / "s")
    assert [trial.state for trial in result.trials] == ["finished", "finished", "pruned", "pruned"]
    assert [trial.epochs for trial in result.trials] == [4, 4, 2, 2]
    assert {trial.number for trial in result.ranked()} == {0, 1}


@pytest.mark.parametrize("name", ["hyperband", "successive_halving"])
def test_halving_prunes(tmp_path, name):
    model = files(tmp_path, epochs=9, examples=64)
    spec = sweep(model, trials=8, pruning={name: {"reduction": 3}})
    result = run(spec, tmp_path / "s")
    pruned = [trial for trial in result.trials if trial.state == "pruned"]
    assert pruned and all(trial.epochs < 9 for trial in pruned)
    assert result.best.epochs == 9


# ---------------------------------------------------------------------- repetitions
def test_seeds_give_mean_and_standard_deviation(model, tmp_path):
    result = run(Sweep(model, repeat={"seeds": [2, 5, 7]}, objective="test_accuracy"), tmp_path / "s")
    (trial,) = result.trials
    values = [run["value"] for run in trial.runs]
    for run_ in trial.runs:
        trained = graphnet.load(tmp_path / "s" / run_["path"])
        assert trained.config.seed == run_["seed"]
    assert trial.value == pytest.approx(statistics.mean(values))
    assert trial.deviation == pytest.approx(statistics.stdev(values))
    assert "mean" in result.table() and "± " in result.table()


def test_folds_hold_out_every_training_example_once(model, tmp_path):
    result = run(Sweep(model, repeat={"folds": 4}, objective="held_out_accuracy"), tmp_path / "s")
    whole = np.load(tmp_path / "data.npz")
    held_out, rest = [], []
    for run_ in result.trials[0].runs:
        data = graphnet.models.runs.open_run(tmp_path / "s" / run_["path"]).dataset()
        held_out.append(data.test.inputs["x"])
        rest.append(len(data.train))
        rows = {row.tobytes() for row in data.train.inputs["x"]}
        assert not rows & {row.tobytes() for row in data.test.inputs["x"]}
        again = graphnet.load(tmp_path / "s" / run_["path"]).evaluate(data.test.inputs, data.test.targets)
        assert again["accuracy"] == pytest.approx(run_["value"])
    everything = np.concatenate(held_out)
    assert sorted(row.tobytes() for row in everything) == sorted(row.tobytes() for row in whole["train_x"])
    assert rest == [len(whole["train_x"]) - len(part) for part in held_out]


# ---------------------------------------------------------------------- going on
@pytest.mark.parametrize(
    "settings",
    [{"search": "tpe", "trials": 12, "pruning": {"median": {"startup_trials": 3, "warmup_epochs": 1}}},
     {"trials": 2, "repeat": {"seeds": 2}}],
    ids=["tpe", "seeds"],
)  # fmt: skip
def test_a_stopped_sweep_goes_on_to_the_same_results(tmp_path, settings):
    model = files(tmp_path, epochs=3, examples=64)
    spec = sweep(model, **settings)
    run(spec, tmp_path / "whole")
    stopped = run(spec, tmp_path / "stopped", executor=StopAfter(2), interrupted=iter_true(2))
    assert stopped.state == "stopped"
    while stopped.state != "finished":
        stopped = resume(tmp_path / "stopped", jobs=0, shown=None)
    assert summary(tmp_path / "stopped") == summary(tmp_path / "whole")


def iter_true(after):
    """False for a number of calls, then True."""
    calls = itertools.count()
    return lambda: next(calls) >= after


@pytest.mark.parametrize("at", range(1, 60, 12))
def test_a_sweep_killed_between_any_two_lines_of_its_journal_goes_on(model, tmp_path, at):
    spec = sweep(model, trials=2, pruning="median")
    run(spec, tmp_path / "s")
    expected = summary(tmp_path / "s")
    journal = tmp_path / "s" / "study.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    cut = at % len(lines)
    journal.write_bytes(b"".join(lines[:cut]) + lines[cut][: len(lines[cut]) // 2])
    result = resume(tmp_path / "s", jobs=0, shown=None)
    assert result.state == "finished" and summary(tmp_path / "s") == expected


def test_more_trials_can_be_added(model, tmp_path):
    run(sweep(model, trials=2), tmp_path / "s")
    first = summary(tmp_path / "s")
    result = resume(tmp_path / "s", trials=4, jobs=0, shown=None)
    assert len(result.trials) == 4 and result.wanted == 4
    assert {number: summary(tmp_path / "s")[number] for number in first} == first
    with pytest.raises(ConfigError, match="fewer trials"):
        resume(tmp_path / "s", trials=3, jobs=0)


def test_two_processes_do_not_run_one_sweep(model, tmp_path):
    run(sweep(model, trials=1), tmp_path / "s")
    held = FolderLock(tmp_path / "s")
    try:
        with pytest.raises(FileError, match="writing to this folder"):
            resume(tmp_path / "s", jobs=0)
    finally:
        held.release()
    with pytest.raises(FileError, match="never overwritten"):
        run(sweep(model, trials=1), tmp_path / "s")


def test_a_damaged_journal_is_an_error(model, tmp_path):
    run(sweep(model, trials=1), tmp_path / "s")
    path = tmp_path / "s" / "study.jsonl"
    path.write_bytes(b"{]\n" + path.read_bytes())
    with pytest.raises(FileError, match=r"study.jsonl:1: the journal is damaged"):
        resume(tmp_path / "s", jobs=0)


def test_a_journal_keeps_what_was_appended(tmp_path):
    path = tmp_path / "study.jsonl"
    path.write_bytes(b'{"a": 1}\n{"b"')
    journal = Journal(path)
    journal.append_logs([{"c": [1.5, None]}])
    assert path.read_bytes() == b'{"a": 1}\n{"c":[1.5,null]}\n'
    assert list(Journal(path).read_logs(1)) == [{"c": [1.5, None]}]


# ---------------------------------------------------------------------- failures
def test_a_failed_trial_is_recorded_and_does_not_stop_the_others(model, tmp_path):
    rates = {"training.optimizer.learning_rate": [0.01, 1e30, 0.02]}
    result = run(Sweep(model, parameters=rates, search="grid"), tmp_path / "s")
    assert [trial.state for trial in result.trials] == ["finished", "failed", "finished"]
    assert "finite" in result.trials[1].error and result.trials[1].value is None
    assert resume(tmp_path / "s", jobs=0, shown=None).trials == result.trials


def test_too_many_failures_stop_the_sweep(model, tmp_path):
    rates = {"training.optimizer.learning_rate": [1e30, 1e31, 0.01]}
    with pytest.raises(StateError, match=r"2 trials have failed.*finite"):
        run(Sweep(model, parameters=rates, search="grid", max_failures=2), tmp_path / "s")
    assert len(results(tmp_path / "s").trials) == 2
    with pytest.raises(StateError, match=r"2 trials have failed, as many as may"):
        resume(tmp_path / "s", jobs=0, shown=None)
    assert resume(tmp_path / "s", max_failures=3, jobs=0, shown=None).trials[2].state == "finished"


def test_a_run_whose_data_have_changed_is_refused_by_name_and_goes_on_if_allowed(tmp_path):
    model = files(tmp_path, epochs=3, examples=64)
    run(sweep(model, trials=2), tmp_path / "s", executor=StopAfter(1), interrupted=iter_true(2))
    arrays = dict(np.load(tmp_path / "data.npz"))
    arrays["train_x"][0] += 1
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(StateError, match=r"trial 1 cannot go on: .*data"):
        resume(tmp_path / "s", jobs=0, shown=None)
    assert results(tmp_path / "s").trials[1].state == "unfinished"
    assert resume(tmp_path / "s", jobs=0, shown=None, allow=["data"]).state == "finished"


def test_a_full_disk_stops_the_sweep_and_fails_no_trial(model, tmp_path):
    run(sweep(model, trials=2), tmp_path / "whole")
    with using(Faulty(110, "full")), pytest.raises(GraphnetError, match="No space left on device"):
        run(sweep(model, trials=2), tmp_path / "full")
    assert resume(tmp_path / "full", jobs=0, shown=None).state == "finished"
    assert summary(tmp_path / "full") == summary(tmp_path / "whole")


@pytest.mark.parametrize("at", [20, 75, 110, 180, 330])
def test_a_sweep_stopped_between_two_operations_on_files_goes_on(model, tmp_path, at):
    run(sweep(model, trials=2), tmp_path / "whole")
    faulty = Faulty(at)
    with using(faulty), pytest.raises(Stopped):
        run(sweep(model, trials=2), tmp_path / "s")
    faulty.end()
    lock.forget_all()
    if (tmp_path / "s" / "sweep.json").exists():
        resume(tmp_path / "s", jobs=0, shown=None)
    else:
        run(sweep(model, trials=2), tmp_path / "s")
    assert summary(tmp_path / "s") == summary(tmp_path / "whole")


def test_ctrl_c_in_python_stops_after_a_checkpoint(tmp_path):
    model = files(tmp_path, epochs=3, examples=64)

    def shown(line):
        signal.raise_signal(signal.SIGINT)

    stopped = graphnet.sweep(replace(sweep(model, trials=3), jobs=0), output=tmp_path / "s", shown=shown)
    assert stopped.state == "stopped" and [trial.state for trial in stopped.trials] == ["finished"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert resume(tmp_path / "s", jobs=0, shown=None).state == "finished"


def test_a_class_of_this_process_needs_it(tmp_path):
    model = files(tmp_path, epochs=1, examples=64)

    @graphnet.register
    class Halved(graphnet.Layer):
        def apply(self, x):
            return x / 2, ()

        def pull(self, saved, error):
            return error / 2

    text = model.read_text().replace("layer: Dropout, with: {probability: 0.8}", "layer: local/Halved")
    model.write_text(text)
    with pytest.raises(ConfigError, match=r"Halved exists in this process only.*jobs=0"):
        graphnet.sweep(sweep(model, trials=1, parameters={"batch_size": [8]}), output=tmp_path / "s")
    result = run(sweep(model, trials=1, parameters={"batch_size": [8]}), tmp_path / "s")
    assert result.state == "finished"


def test_an_executor_that_cannot_train_is_refused_before_anything_is_written(model, tmp_path, monkeypatch):
    monkeypatch.setattr(discovery, "entry_points", lambda group: [])
    spec, folder = sweep(model, trials=2, jobs=1), tmp_path / "s"
    host = PluginManager()
    host.load(allow=())
    host.register(_plugin(_Failing), name="failing", distribution="graphnet-failing")
    with using_plugins(host):
        with pytest.raises(PluginError, match=r"'ray' is in the plugin graphnet-ray.*pip install \. \./plugins/ray"):
            graphnet.sweep(spec, output=folder, executor="ray")
        with pytest.raises(UnknownNameError, match="unknown executor 'rey'"):
            graphnet.sweep(spec, output=folder, executor="rey")
        with pytest.raises(ConfigError, match="an address without an executor"):
            graphnet.sweep(spec, output=folder, address="auto")
        with pytest.raises(PluginError, match="no machine"):
            graphnet.sweep(spec, output=folder, executor="failing")
        with pytest.raises(ConfigError, match="jobs: 0 trains in this process, not on failing"):
            graphnet.sweep(spec, output=folder, executor="failing", jobs=0)
    assert not folder.exists()


class _Failing(InProcess):
    """An executor that finds no machine."""

    def __init__(self, slots, threads=None):
        raise PluginError("no machine")


def _plugin(executor):
    def graphnet_register_executors(register):
        register(executor, "failing")

    return types.SimpleNamespace(graphnet_register_executors=hookimpl(graphnet_register_executors))


def test_a_sweep_is_not_a_run(model, tmp_path):
    best = run(sweep(model, trials=2), tmp_path / "s").best_path
    for call in (graphnet.load, graphnet.Trainer.resume):
        with pytest.raises(FileError, match=f"a sweep, not a run.*{best.name}"):
            call(tmp_path / "s")


def test_data_of_the_sweep_replace_those_of_the_model(tmp_path):
    pytest.importorskip("pandas")
    files(tmp_path, epochs=1, examples=64)
    rows = np.random.default_rng(0).normal(size=(60, 5))
    lines = [",".join(f"{x:.3f}" for x in row) + f",{'abc'[int(row[0] > 0) + int(row[1] > 0)]}" for row in rows]
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "t.csv").write_text("\n".join(["a,b,c,d,e,kind", *lines]))
    (tmp_path / "sub" / "sweep.yaml").write_text(
        "model: ../model.yaml\njobs: 0\ndata: {path: t.csv, target: kind, standardize: true}\n"
        "repeat: {folds: 3}\nobjective: held_out_accuracy\n"
    )
    result = graphnet.sweep(tmp_path / "sub" / "sweep.yaml", output=tmp_path / "s", shown=None)
    trained = [graphnet.load(tmp_path / "s" / run_["path"]) for run_ in result.trials[0].runs]
    means = {trained_.config.data["learned"]["columns"][0]["mean"] for trained_ in trained}
    assert len(means) == 3, "each fold is standardized by its own training rows"
    (tmp_path / "moved").mkdir()
    for name in ("s", "sub", "data.npz"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    outcome = CliRunner().invoke(main, ["evaluate", str(tmp_path / "moved" / "s" / result.best.runs[0]["path"])])
    assert f"test accuracy: {result.best.runs[0]['value']:.3f}" in outcome.output


# ---------------------------------------------------------------------- results
def test_results_as_table_json_and_csv(model, tmp_path, with_picture):
    result = run(sweep(model, trials=3, objective="validation_accuracy"), tmp_path / "s")
    assert result.direction == "maximize"
    assert result.best.value == max(trial.value for trial in result.trials)
    rows = list(csv.DictReader((tmp_path / "s" / "results.csv").read_text().splitlines()))
    assert [float(row["value"]) for row in rows] == [trial.value for trial in result.trials]
    assert (tmp_path / "s" / "results.png").read_bytes()[:4] == b"\x89PNG"
    stored = results(tmp_path / "s")
    assert stored == replace(result, path=tmp_path / "s")
    outcome = CliRunner().invoke(main, ["sweep", "--show", str(tmp_path / "s"), "--json"])
    assert json.loads(outcome.output)["best"]["trial"] == result.best.number
    outcome = CliRunner().invoke(main, ["sweep", "--show", str(tmp_path / "s")])
    assert "learning_rate" in outcome.output and f"best run: {result.best_path}" in outcome.output
    outcome = CliRunner().invoke(main, ["runs", str(tmp_path)])
    assert "3/3 trials" in outcome.output and "finished" in outcome.output
    listed = json.loads(CliRunner().invoke(main, ["runs", str(tmp_path), "--json"]).output)
    assert [each["kind"] for each in listed] == ["sweep"]
    pandas = pytest.importorskip("pandas")
    frame = result.to_dataframe()
    assert isinstance(frame, pandas.DataFrame) and list(frame["value"]) == [trial.value for trial in result.trials]


def test_the_objective_is_that_of_the_best_epoch(model, tmp_path):
    (trial,) = run(sweep(model, trials=1), tmp_path / "s").trials
    lines = (tmp_path / "s" / "trial-000" / "metrics.jsonl").read_text().splitlines()
    best = json.loads(lines[trial.runs[0]["best_epoch"] - 1])
    assert trial.value == best["validation_loss"] and math.isfinite(trial.value)


def test_the_folder_can_be_moved(model, tmp_path):
    run(sweep(model, trials=2), tmp_path / "a" / "s")
    (tmp_path / "a" / "s" / "results.json").unlink()
    moved = tmp_path / "s"
    (tmp_path / "a" / "s").rename(moved)
    assert results(moved).state == "crashed" and results(moved).trials == []
