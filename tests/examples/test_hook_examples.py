"""Every hook is documented, has an example, and the example works."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from graphnet import Builder, FullyConnected, Model, Runner, Trainer, TrainingConfig
from graphnet.cli import main
from graphnet.distributed import DataParallel
from graphnet.io import model_text, parse_model
from graphnet.plugins import PluginManager, hookspecs, using
from graphnet.testing import run

FILE = Path(__file__).parents[2] / "examples" / "hooks" / "graphnet_every_hook.py"
#: The tests below, by the hook whose example each is about.
TESTED = {
    "layers": "test_layer_and_case_work",
    "cases": "test_layer_and_case_work",
    "optimizers": "test_training_objects_work_in_one_run",
    "regularizers": "test_training_objects_work_in_one_run",
    "initializers": "test_training_objects_work_in_one_run",
    "losses": "test_training_objects_work_in_one_run",
    "metrics": "test_training_objects_work_in_one_run",
    "schedules": "test_training_objects_work_in_one_run",
    "datasets": "test_training_objects_work_in_one_run",
    "callbacks": "test_training_objects_work_in_one_run",
    "backends": "test_backend_counts_passes",
    "exporters": "test_exporter_writes_file",
    "commands": "test_command_counts_layers",
    "executors": "test_executor_lists_the_runs_of_a_sweep",
    "communicators": "test_communicator_trains",
}


def example():
    spec = importlib.util.spec_from_file_location("graphnet_every_hook", FILE)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def host():
    manager = PluginManager()
    manager.load(allow=["recurrent"])
    record = manager.register(example(), name="every-hook", distribution="graphnet-every-hook", version="1.0")
    assert record.status == "loaded", record.reason
    assert record.notes == []
    with using(manager):
        yield manager


def entry(host, kind):
    (result,) = [e for e in host.registry.entries(kind) if e.distribution == "graphnet-every-hook"]
    return result


def test_every_hook_is_documented_and_tested(host):
    for kind in hookspecs.KINDS.values():
        assert len(kind.registers.split()) > 4, kind
        assert callable(globals()[TESTED[kind.name]]), kind
        assert entry(host, kind.name), kind
        assert kind.since in range(1, hookspecs.API + 1)
    assert set(TESTED) == set(hookspecs.KINDS)


def test_layer_and_case_work(host):
    cases = entry(host, "cases").object()
    assert [case.layer for case in cases] == [entry(host, "layers").object]
    assert {o.status for case in cases for o in run([case])} == {"passed", "skipped"}


def test_training_objects_work_in_one_run(host, tmp_path):
    log = tmp_path / "loss.txt"
    text = f"""
format: graphnet/1
plugins: {{graphnet-every-hook: '>=1.0'}}
inputs: {{x: 'batch, feature=1'}}
nodes: {{dense: {{layer: FullyConnected, with: {{input_size: 1, output_size: 1}}, inputs: x}}}}
outputs: {{y: dense}}
training:
  data: line
  loss: LogCosh
  optimizer: {{SignSgd: {{learning_rate: 0.02}}}}
  regularizer: {{Huber: {{alpha: 0.001}}}}
  metrics: [LargestError]
  callbacks: [{{LossLog: {{path: {log}}}}}, {{TimeLimit: {{seconds: 3600}}}}]
  schedule: {{Sawtooth: {{period: 20}}}}
  weights_initializer: Checkerboard
  epochs: 40
  batch_size: 16
"""
    read = parse_model(text)
    assert parse_model(model_text(read.graph, read.training)).training == read.training
    trainer = Trainer(read.graph, read.training)
    data = host.registry.get("datasets", "line").object()
    history = trainer.fit(data.train.inputs, data.train.targets)
    figures = trainer.evaluate(data.test.inputs, data.test.targets)
    assert history.epochs[0].loss > 10 * history.epochs[-1].loss
    assert figures["largest_error"] < 0.4
    np.testing.assert_allclose(
        [r.learning_rate for r in history.epochs][18:22], 0.02 * np.array([0.55, 0.525, 1, 0.975])
    )
    lines = log.read_text().splitlines()
    assert [line.split()[0] for line in lines] == [str(i) for i in range(1, 41)]
    assert float(lines[-1].split()[1]) == pytest.approx(history.epochs[-1].loss, rel=1e-4)


def test_time_limit_ends_run():
    from graphnet.losses import MeanSquaredError
    from graphnet.training.callbacks import TimeLimit

    graph = dense()
    config = TrainingConfig(epochs=50, callbacks=(TimeLimit(1e-6),), loss=MeanSquaredError())
    history = Trainer(graph, config).fit(np.ones((4, 2)), np.ones((4, 3)))
    assert (len(history), history.stopped) == (1, "callback")


def dense():
    builder = Builder("dense")
    return builder.build(y=FullyConnected(2, 3)(builder.input("x", "batch, feature=2"), name="dense"))


def test_backend_counts_passes(host):
    graph, x = dense(), np.random.default_rng(0).normal(size=(4, 2))
    counting = entry(host, "backends").object
    counting.passes.clear()
    runner = Runner(graph, backend="counting")
    for _ in range(3):
        result = runner.forward({"x": x})["y"]
    assert counting.passes == [3]
    np.testing.assert_array_equal(result, Runner(graph, backend="reference").forward({"x": x})["y"])
    runner.backward({"y": np.ones((4, 3))})
    assert TrainingConfig(backend="counting").backend == "counting"
    assert Model(graph, TrainingConfig(backend="counting")).predict(x).shape == (4, 3)


def test_exporter_writes_file(host, tmp_path):
    path = tmp_path / "model.yaml"
    path.write_text(model_text(dense()))
    with using(host):
        assert Model(dense()).export("nodes") == "dense,FullyConnected\n"
        shell = CliRunner()
        made = shell.invoke(main, ["export", str(path), "--format", "nodes", "--output", str(tmp_path / "nodes.csv")])
        assert (made.exit_code, (tmp_path / "nodes.csv").read_text()) == (0, "dense,FullyConnected\n")
        again = shell.invoke(main, ["export", str(path), "--format", "nodes", "--output", str(tmp_path / "nodes.csv")])
        assert (again.exit_code, "the file exists" in again.output) == (2, True)
        assert "unknown exporter 'onnyx'" in shell.invoke(main, ["export", str(path), "--format", "onnyx"]).output
        assert shell.invoke(main, ["export", str(path)]).output.startswith("flowchart TD\n")


def test_command_counts_layers(host):
    shell = CliRunner()
    assert "count-layers" in shell.invoke(main, ["--help"]).output
    counted = shell.invoke(main, ["count-layers", "--kind", "exporters"])
    assert (counted.exit_code, counted.output) == (0, "5\n")
    assert "What to count" in shell.invoke(main, ["count-layers", "--help"]).output
    wrong = shell.invoke(main, ["count-layers", "--knd"])
    assert (wrong.exit_code, "No such option" in wrong.output) == (2, True)
    result = shell.invoke(main, ["count-layers", "--kind", "layer"])
    assert (result.exit_code, "unknown kind 'layer'" in result.output) == (2, True)


def test_executor_lists_the_runs_of_a_sweep(host, tmp_path):
    pytest.importorskip("optuna")
    (tmp_path / "model.yaml").write_text(
        model_text(dense(), TrainingConfig(epochs=1, loss="MeanSquaredError")).replace(
            "training:", "training:\n  data: d.npz"
        )
    )
    x = np.random.default_rng(0).normal(size=(6, 2))
    np.savez(tmp_path / "d.npz", train_x=x[:4], train_target=np.ones((4, 3)), test_x=x[4:], test_target=np.ones((2, 3)))
    (tmp_path / "s.yaml").write_text("{model: model.yaml, repeat: {seeds: 2}, objective: test_loss}")
    arguments = ["sweep", str(tmp_path / "s.yaml"), "--output", str(tmp_path / "s"), "--on", "listed"]
    with using(host):
        result = CliRunner().invoke(main, [*arguments, "--address", str(tmp_path / "runs.txt")])
    assert result.exit_code == 0, result.output
    folders = [tmp_path / "s" / f"trial-000-seed-{seed}" for seed in (0, 1)]
    assert (tmp_path / "runs.txt").read_text() == "".join(f"{folder}\n" for folder in folders)
    assert all((folder / "weights.safetensors").is_file() for folder in folders)


def test_failing_command_names_its_plugin():
    import types

    import click

    from graphnet.plugins import hookimpl

    @click.command("explode")
    def explode():
        """Fail."""
        raise ZeroDivisionError("nothing to divide by")

    module = types.ModuleType("exploding")
    module.graphnet_register_commands = hookimpl(
        named(lambda register: register(explode), "graphnet_register_commands")
    )
    host = PluginManager()
    host.load(allow=())
    host.register(module, name="exploding", distribution="graphnet-exploding", version="2.0")
    with using(host):
        result = CliRunner().invoke(main, ["explode"])
    assert result.exit_code == 1
    assert "graphnet-exploding/explode: the command failed: ZeroDivisionError: nothing to divide by" in result.output
    clash = types.ModuleType("clashing")
    train = click.Command("train", callback=lambda: None)
    clash.graphnet_register_commands = hookimpl(named(lambda register: register(train), "graphnet_register_commands"))
    assert "a command named 'train', which is a command of graphnet" in host.register(clash, name="clashing").reason


def named(function, name):
    function.__name__ = name
    return function


def test_failing_exporter_names_its_plugin():
    import types

    from graphnet import RuleError
    from graphnet.plugins import hookimpl

    module = types.ModuleType("exporting")

    def broken(model):
        raise KeyError("no such thing")

    def numbers(model):
        return 3

    def register_all(register):
        register(broken)
        register(numbers)

    module.graphnet_register_exporters = hookimpl(named(register_all, "graphnet_register_exporters"))
    host = PluginManager()
    host.load(allow=())
    host.register(module, name="exporting", distribution="graphnet-exporting")
    with using(host):
        with pytest.raises(RuleError, match="graphnet-exporting/broken: the exporter failed: KeyError"):
            Model(dense()).export("broken")
        with pytest.raises(RuleError, match="expected text or bytes, received int"):
            Model(dense()).export("numbers")


def test_communicator_trains(host):
    g = Builder()
    graph = g.build(y=FullyConnected(2, 1)(g.input("x", "batch, feature=2")))
    config = TrainingConfig(loss="mean_squared_error", epochs=1, batch_size=3, dtype="float64")
    x, y = np.arange(10.0).reshape(5, 2), np.ones((5, 1))
    engine = DataParallel("one_process", workers=1)
    assert engine.communicator is entry(host, "communicators").object
    losses = [Trainer(graph, config, engine=each).fit(x, y).epochs[0].loss for each in (engine, None)]
    assert losses[0] == losses[1]
