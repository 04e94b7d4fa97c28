"""Folders of runs that several ranks compute: they are resumed with other numbers of ranks, and say what computed them."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from graphnet import Builder, Dropout, FullyConnected, Trainer, TrainingConfig
from graphnet.callbacks import Callback
from graphnet.cli import main
from graphnet.distributed import DataParallel
from graphnet.io.run_folder import RunFolder
from graphnet_recurrent import LSTM


class Kill(Callback):
    """Ends a run in a batch of the second epoch."""

    def on_batch_end(self, trainer, epoch, batch, loss):
        if not trainer.resumed and (epoch, batch) == (2, 3):
            raise SystemExit(1)


def graph():
    g = Builder("labeller")
    return g.build(FullyConnected(5, 4)(Dropout(keep=0.7)(LSTM(3, 5, None)(g.input("x", "time, batch, feature=3")))))


def data():
    rng = np.random.default_rng(0)
    xs = [rng.normal(size=(n, 3)) for n in rng.integers(1, 6, 21)]
    return xs, [rng.integers(0, 4, len(x)) for x in xs]


CONFIG = TrainingConfig(
    loss="cross_entropy", epochs=3, batch_size=5, dtype="float64", backend="numpy", metrics=["accuracy"],
    accumulate=2, checkpoint_steps=1, tbptt=(3, 4),
)  # fmt: skip


def engine(workers):
    return None if workers is None else DataParallel("threads", workers=workers, timeout=20.0)


def weights(trainer):
    return {path: parameter.value for path, parameter in trainer.runner.parameters.items()}


@pytest.mark.parametrize(("before", "after"), [(3, 2), (2, None), (None, 3), (3, 3)])
def test_run_that_was_killed_goes_on_with_another_number_of_ranks(before, after, tmp_path):
    whole = Trainer(graph(), CONFIG, engine=engine(3 if before == after else None))
    whole.fit(*data())
    folder = RunFolder(tmp_path / "run", background=False)
    first = Trainer(graph(), CONFIG, callbacks=[folder, Kill()], engine=engine(before))
    with pytest.raises(SystemExit):
        first.fit(*data())
    folder.release()
    second = Trainer.resume(tmp_path / "run", engine=engine(after), callbacks=[Kill()])
    second.fit(*data())
    for path, value in weights(whole).items():
        if before == after:
            np.testing.assert_array_equal(weights(second)[path], value)
        np.testing.assert_allclose(weights(second)[path], value, 1e-10, 1e-10, err_msg=path)
    assert [e.metrics for e in second.history.epochs] == [e.metrics for e in whole.history.epochs]
    assert json.loads((tmp_path / "run" / "versions.json").read_text()).get("engine", {}).get("workers") == before
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary.get("engine", {}).get("workers") == after


MODEL = """\
format: graphnet/1
name: dense
inputs: {x: "batch, feature=4"}
nodes:
  dense: {layer: FullyConnected, with: {input_size: 4, output_size: 3}, inputs: [x]}
outputs: {scores: dense}
training: {data: data.npz, epochs: 1, batch_size: 16, loss: CrossEntropy}
"""


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(60, 4))
    np.savez(
        "data.npz", train_x=x[:40], train_target=x[:40, :3].argmax(1), test_x=x[40:], test_target=x[40:, :3].argmax(1)
    )
    (tmp_path / "model.yaml").write_text(MODEL, encoding="utf-8")
    return tmp_path


def call(*arguments):
    return CliRunner().invoke(main, [*map(str, arguments)])


def test_command_trains_and_resumes_with_workers(model):
    options = ["--communicator", "threads", "--workers"]
    done = call("train", "model.yaml", "--output", "run", *options, 2)
    assert done.exit_code == 0, done.output
    assert json.loads((model / "run" / "summary.json").read_text())["engine"]["workers"] == 2
    done = call("train", "--resume", "run", "--epochs", 2, *options, 3)
    assert done.exit_code == 0, done.output
    summary = json.loads((model / "run" / "summary.json").read_text())
    assert (summary["engine"]["workers"], summary["epochs"]) == (3, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--address", "auto"], "--address needs --workers."),
        (["--communicator", "threads"], "--communicator needs --workers."),
        (["--workers", "2", "--communicator", "rye"], "unknown communicator 'rye'"),
        (["--workers", "2", "--communicator", "threads", "--address", "a"], "address"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message, model):
    done = call("train", "model.yaml", "--output", "run", *options)
    assert done.exit_code != 0
    assert message in done.output + str(done.exception)
