"""Faults of a SWEEP.yaml: each is named with its line, before anything is written."""

import pytest

import graphnet
from graphnet import ConfigError, FileError, GraphnetError, PluginError
from graphnet.data.folds import Fold
from graphnet.io.tree import Place, read
from graphnet.sweeps import Sweep
from graphnet.sweeps.file import SweepFile, plain
from graphnet.sweeps.parameters import Parameter
from graphnet.sweeps.paths import with_value

from .lab import files

HEAD = "model: model.yaml\ntrials: 4\n"
BATCH = "parameters:\n  training.batch_size: [8, 16]\n"

#: What follows the first two lines, the line of the fault, and words of the message.
FAULTS = {
    "unknown key": ("paramters: {}\n", 3, "Did you mean 'parameters'"),
    "unknown search": (f"search: bayes\n{BATCH}", 3, "unknown search 'bayes'; expected one of grid, random, tpe"),
    "no low": ("parameters:\n  seed: {high: 3}\n", 4, "low is missing"),
    "no number": ("parameters:\n  seed: {low: a, high: 3}\n", 4, "seed.low: .*not a number"),
    "high below low": ("parameters:\n  seed:\n    low: 3\n    high: 1\n", 6, "high is below low; expected at least 3"),
    "log from 0": ("parameters:\n  seed: {low: 0, high: 1, log: true}\n", 4, "begins above 0"),
    "log with step": ("parameters:\n  seed: {low: 1, high: 9, log: true, step: 2}\n", 4, "has no step"),
    "log is text": ("parameters:\n  seed: {low: 1, high: 9, log: maybe}\n", 4, "expected true or false"),
    "no integer": ("parameters:\n  seed: {low: 0.5, high: 9, integer: true}\n", 4, "integer ends"),
    "unknown key of a range": ("parameters:\n  seed: {low: 1, high: 9, lag: true}\n", 4, "Did you mean 'log'"),
    "no choices": ("parameters:\n  seed: []\n", 4, "at least one value"),
    "equal choices": ("parameters:\n  seed: [1, 2, 1]\n", 4, "a choice is repeated; .*received 1"),
    "choices with log": ("parameters:\n  seed: {choices: [1], log: true}\n", 4, "choices have no other keys"),
    "a number": ("parameters:\n  seed: 3\n", 4, "not a range or choices"),
    "no place": ("parameters:\n  nodes.hiden.output_size: [3]\n", 4, "no nodes.hiden.*Did you mean 'hidden'"),
    "no such setting": ("parameters:\n  bach_size: [3]\n", 4, "Did you mean 'batch_size'"),
    "through a number": ("parameters:\n  training.epochs.more: [3]\n", 4, "expected a mapping at training.epochs"),
    "no field of the layer": ("parameters:\n  hidden.untis: [3]\n", 4, "no field 'untis'"),
    "no field of the optimizer": ("parameters:\n  optimizer.rate: [3]\n", 4, "no field 'rate'"),
    "an invalid value": ("parameters:\n  batch_size: [8, 0]\n", 4, "batch_size must be a positive integer; received 0"),
    "a value of the wrong type": ("parameters:\n  hidden.output_size: [8, a]\n", 4, "output_size"),
    "an invalid end": ("parameters:\n  thinned.probability: {low: 0.5, high: 1.5}\n", 4, "probability"),
    "one path twice": (f"{BATCH}  x: {{choices: [1], paths: [training.batch_size]}}\n", 5, "given twice"),
    "fixed and varied": (f"fixed: {{training.batch_size: 4}}\n{BATCH}", 5, "given twice"),
    "fixed to nonsense": (f"fixed:\n  training.epochs: 0\n{BATCH}", 4, "epochs"),
    "fixed nowhere": (f"fixed: {{a.b: 0}}\n{BATCH}", 3, "no 'a'"),
    "unknown figure": (f"objective: validation_acuracy\n{BATCH}", 3, "Did you mean 'validation_accuracy'"),
    "unknown direction": (f"objective:\n  metric: loss\n  direction: up\n{BATCH}", 5, "unknown direction 'up'"),
    "the test set": (f"objective: test_loss\n{BATCH}", 3, "the test set would choose"),
    "nothing held out": (f"objective: held_out_loss\n{BATCH}", 3, "nothing is held out"),
    "one fold": (f"repeat: {{folds: 1}}\n{BATCH}", 3, "at least 2"),
    "equal seeds": (f"repeat:\n  seeds: [1, 1]\n{BATCH}", 4, "different seeds"),
    "seed twice": ("repeat:\n  seeds: 2\nparameters: {seed: [1, 2]}\n", 4, "the seed is set twice"),
    "pruning with seeds": (f"pruning: median\nrepeat: {{seeds: 2}}\n{BATCH}", 3, "are not pruned"),
    "unknown pruning": (f"pruning: medain\n{BATCH}", 3, "Did you mean 'median'"),
    "setting of pruning": (f"pruning:\n  median: {{warmup: 3}}\n{BATCH}", 4, "Did you mean 'warmup_epochs'"),
    "value of pruning": (f"pruning:\n  hyperband:\n    reduction: 1\n{BATCH}", 5, "at least 2"),
    "no jobs": (f"jobs: -1\n{BATCH}", 3, "at least 0"),
    "no time": (f"timeout: 0\n{BATCH}", 3, "seconds above 0"),
    "trials of nothing": ("", 2, "all trials would be equal"),
    "small grid": (f"search: grid\n{BATCH}", 2, "more trials than the grid has; expected at most 2"),
    "endless grid": ("search: grid\nparameters:\n  optimizer.learning_rate: {low: 0.1, high: 0.2}\n", 5, "finitely many"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_has_its_line(tmp_path, name):
    pytest.importorskip("optuna")
    files(tmp_path)
    text, line, words = FAULTS[name]
    (tmp_path / "sweep.yaml").write_text(HEAD + text)
    with pytest.raises(GraphnetError, match=words) as caught:
        graphnet.sweep(tmp_path / "sweep.yaml", runs=tmp_path / "runs")
    assert f"sweep.yaml:{line}" in str(caught.value)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [("trials: 3\n", "the key 'model' is missing|needs model"), ("format: graphnet/1\nnodes: {}\n", "a model file, not"),
     ("model: [", "not valid YAML"), ("", "empty")],
)  # fmt: skip
def test_what_is_no_sweep(tmp_path, text, words):
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(GraphnetError, match=words):
        SweepFile.read(tmp_path / "s.yaml")


def test_missing_files(tmp_path):
    pytest.importorskip("optuna")
    with pytest.raises(FileError, match="missing.yaml"):
        graphnet.sweep(tmp_path / "missing.yaml")
    (tmp_path / "s.yaml").write_text("model: nowhere.yaml\n")
    with pytest.raises(FileError, match="nowhere.yaml"):
        graphnet.sweep(tmp_path / "s.yaml")
    for call in (graphnet.sweeps.resume, graphnet.sweeps.results):
        with pytest.raises(FileError, match="not a sweep"):
            call(tmp_path)


def test_without_validation_the_error_says_what_to_do(tmp_path):
    pytest.importorskip("optuna")
    model = files(tmp_path)
    model.write_text(model.read_text().replace("  validation: 0.25\n", ""))
    with pytest.raises(ConfigError, match=r"no figure 'validation_loss'.*Set training.validation"):
        graphnet.sweep(Sweep(model, parameters={"batch_size": [8]}, search="grid"))


def test_without_optuna_the_error_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(PluginError, match=r"pip install 'optuna>=4.2'"):
        graphnet.sweep(Sweep(files(tmp_path)))


# ---------------------------------------------------------------------- paths
TREE = """\
nodes:
  a: {layer: Dense, with: {units: 3}}
  b: {layer: Dense}
training: {optimizer: Adam, loss: {CrossEntropy: {label_smoothing: 0.1}}, metrics: [Accuracy, F1]}
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("nodes.a.with.units", ("nodes", "a", "with", "units")),
        ("nodes.a.units", ("nodes", "a", "with", "units")),
        ("a.units", ("nodes", "a", "with", "units")),
        ("b.units", ("nodes", "b", "with", "units")),
        ("nodes.a.layer", ("nodes", "a", "layer")),
        ("training.optimizer.learning_rate", ("training", "optimizer", "Adam", "learning_rate")),
        ("optimizer", ("training", "optimizer")),
        ("loss.label_smoothing", ("training", "loss", "CrossEntropy", "label_smoothing")),
        ("loss.CrossEntropy.label_smoothing", ("training", "loss", "CrossEntropy", "label_smoothing")),
        ("seed", ("training", "seed")),
        ("training.metrics.1", ("training", "metrics", 1)),
    ],
)
def test_paths_lead_to_one_value_of_the_file(path, place):
    tree = read(TREE, "m")
    before = plain(tree)
    changed = plain(with_value(tree, path, 77, Place("s", 1)))
    value = changed
    for key in place:
        value = value[key]
    assert value == 77
    assert plain(tree) == before, "the tree itself stays as it is"
    outer = changed
    for key in place[:-1]:
        outer = outer[key]
    others = {key for key in outer if key != place[-1]} if isinstance(outer, dict) else set()
    reference = before
    for key in place[:-1]:
        reference = reference.get(key, {}) if isinstance(reference, dict) else {}
    assert others == (set(reference) - {place[-1]} if isinstance(reference, dict) else set())


def test_settings_survive_their_file():
    spec = Sweep("m.yaml", parameters={"a": {"low": 1e-3, "high": 2, "log": True}, "b": [1, None, "x", {"S": {"r": 1}}]},
                 trials=3, fixed={"training.epochs": 3}, pruning={"median": {"warmup_epochs": 7}}, jobs=2, timeout=3, max_failures=4)  # fmt: skip
    assert vars(SweepFile.of(spec).sweep) == vars(spec)


@pytest.mark.parametrize(
    ("domain", "values"),
    [
        ({"low": 2, "high": 9, "step": 3}, (2, 5, 8)),
        ({"low": 0.1, "high": 0.4, "step": 0.1}, (0.1, 0.2, 0.3, 0.4)),
        ({"low": 1, "high": 3}, (1, 2, 3)),
        ({"low": 1, "high": 3, "integer": False}, None),
        ({"low": 1.0, "high": 1.0}, (1.0,)),
        (["1e-3", 0.01], (0.001, 0.01)),
    ],
)
def test_values_of_domains(domain, values):
    found = Parameter.of("p", domain).domain.values
    assert found == (None if values is None else pytest.approx(values))
    if values is not None:
        assert [type(value) for value in found] == [type(value) for value in values]


def test_choices_that_look_alike_stay_apart():
    parameter = Parameter.of("p", [1, True, "1"])
    assert [parameter.value(label) for label in parameter.domain.labels] == [1, True, "1"]
    assert [type(parameter.value(label)) for label in parameter.domain.labels] == [int, bool, str]


# ---------------------------------------------------------------------- folds
def test_folds_have_equal_shares_of_classes():
    import numpy as np

    labels = np.repeat([0, 1, 2], [30, 12, 3])
    parts = Fold(fold=0, folds=3, fold_seed=2).numbers(45, labels)
    assert [np.bincount(parts[labels == label]).tolist() for label in range(3)] == [[10] * 3, [4] * 3, [1] * 3]
    few = Fold(fold=0, folds=4).numbers(6, np.arange(6))
    assert sorted(np.bincount(few)) == [1, 1, 2, 2]


@pytest.mark.parametrize(
    "values", [{"fold": 1}, {"fold": 3, "folds": 3}, {"fold": 0, "folds": 1}, {"fold": -1, "folds": 2}]
)
def test_wrong_folds_are_refused(values):
    with pytest.raises(ConfigError, match=r"data"):
        Fold.of(values, "data")


def test_folds_of_a_table_keep_groups_together(tmp_path):
    pd = pytest.importorskip("pandas")
    from graphnet.models.dataset_lookup import open_dataset

    frame = pd.DataFrame({"x": range(40), "who": [i // 4 for i in range(40)], "y": [i % 3 / 2 for i in range(40)]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    setting = {"path": "t.csv", "target": "y", "split_by": "who", "test": 0.2, "folds": 4}
    seen = []
    for fold in range(4):
        data = open_dataset({**setting, "fold": fold}, tmp_path)
        groups = [{int(x) // 4 for x in split.inputs["x"][:, 0]} for split in (data.train, data.test)]
        assert not groups[0] & groups[1]
        seen += sorted(groups[1])
    assert len(seen) == len(set(seen)) == 8, "the two groups of the test split are in no fold"
    with pytest.raises(ConfigError, match="split by time"):
        open_dataset({**setting, "split_by": None, "split": "time", "fold": 0}, tmp_path)
