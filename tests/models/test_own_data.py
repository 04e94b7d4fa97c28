"""From a table or a folder to a trained model, in Python and on the command line."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import graphnet
from graphnet import Builder, ConfigError, FileError, FullyConnected, GraphError, Last, Model, ShapeError, standardized
from graphnet.cli import main
from graphnet.datasets import table
from graphnet.losses import MeanSquaredError
from graphnet.optimizers import Adam

pytest.importorskip("graphnet_recurrent")

YAML = """format: graphnet/1
name: steps
plugins: {graphnet-framework: '>=0.1', graphnet-recurrent: '>=0.1'}
inputs:
  x: time, batch, feature=3
nodes:
  lstm: {layer: LSTM, with: {input_size: 3, hidden_size: 6, output_size: null, dtype: float32}, inputs: x}
  last: {layer: Last, inputs: lstm}
  scores: {layer: FullyConnected, with: {input_size: 6, output_size: 2, dtype: float32}, inputs: last}
outputs: {scores: scores}
training:
  data: {path: steps.csv, target: way, group: walk, time: t, standardize: true, validation: 0.2}
  loss: CrossEntropy
  metrics: [Accuracy]
  epochs: 2
  batch_size: 8
"""


def walks(count=30, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for walk in range(count):
        sign = 1 if walk % 2 else -1
        for t in range(int(rng.integers(3, 7))):
            rows.append(
                (walk, t, 50.0 + sign * t * 4.0 + rng.normal(), "ab"[rng.integers(2)], "up" if sign > 0 else "down")
            )
    return pd.DataFrame(rows, columns=["walk", "t", "height", "foot", "way"])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    walks().to_csv("steps.csv", index=False)
    (tmp_path / "model.yaml").write_text(YAML)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def rows_graph(features=2, outputs=1):
    g = Builder("line")
    return g.build(FullyConnected(features, outputs)(g.input("x", f"batch, feature={features}")))


# ---------------------------------------------------------------------- the command line
def test_train_evaluate_and_predict_read_the_table_alike(folder):
    result = run("train", "model.yaml", "--output", "run")
    assert result.exit_code == 0, result.output
    model = graphnet.load("run")
    mean, scale = table(
        "steps.csv", "way", group="walk", time="t", standardize=True, validation=0.2
    ).preparation.standardization
    assert model.graph.nodes["standardize_x"].layer.mean == tuple(mean) and model.graph.nodes[
        "standardize_x"
    ].layer.scale == tuple(scale)
    assert run("evaluate", "run").output == "\n".join(result.output.splitlines()[-2:]) + "\n"
    frame = walks(6, seed=9)
    frame.drop(columns="way").to_csv("new.csv", index=False)
    lines = run("predict", "run", "new.csv").output.splitlines()
    assert len(lines) == 6
    np.testing.assert_allclose([eval(line)["scores"] for line in lines], model.predict("new.csv"), rtol=1e-6)
    columns = np.stack([frame["height"], frame["foot"] == "a", frame["foot"] == "b"], 1).astype(float)
    sequences = [columns[frame["walk"] == walk] for walk in range(6)]
    np.testing.assert_allclose(model.predict(frame), model.predict(sequences), rtol=1e-6)


def test_the_run_can_be_moved_together_with_its_table(folder, tmp_path):
    assert run("train", "model.yaml", "--output", "inner/run").exit_code == 0
    before = run("evaluate", "inner/run").output
    (tmp_path / "moved").mkdir()
    for name in ("steps.csv", "inner"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    assert run("evaluate", "moved/inner/run").output == before


def test_settings_on_the_command_line(folder):
    (folder / "model.yaml").write_text(
        YAML.replace(
            "  data: {path: steps.csv, target: way, group: walk, time: t, standardize: true, validation: 0.2}\n", ""
        )
    )
    options = ["--data", "steps.csv", "--target", "way", "--group", "walk", "--time", "t", "--test", "0.5"]
    result = run("train", "model.yaml", *options, "--output", "run")
    assert result.exit_code == 0, result.output
    assert graphnet.load("run").config.data["test"] == 0.5
    assert run("train", "model.yaml", "--data", "steps.csv").exit_code == 2
    again = run("train", "run/model.yaml", "--seed", "3", "--output", "again")  # what was learned is learned again
    assert again.exit_code == 0, again.output


def test_a_run_on_a_table_goes_on(folder):
    assert run("train", "model.yaml", "--output", "whole", "--epochs", "3").exit_code == 0
    assert run("train", "model.yaml", "--output", "part").exit_code == 0
    result = run("train", "--resume", "part", "--epochs", "3")
    assert result.exit_code == 0, result.output
    both = [graphnet.load(name).runner.parameters for name in ("whole", "part")]
    for name, parameter in both[0].items():
        np.testing.assert_array_equal(parameter.value, both[1][name].value)


def test_the_overview(folder):
    shown = run("data", "steps.csv").output
    assert "height  number" in shown and "--target COLUMN" in shown
    shown = run("data", "steps.csv", "--target", "way", "--group", "walk", "--time", "t").output
    for words in (
        "training: 24 examples",
        "test: 6 examples",
        "foot=a",
        "2 classes: down 54%",
        "x: time, batch, feature=3",
    ):
        assert words in shown, shown
    wrong = run("data", "steps.csv", "--target", "wai")
    assert wrong.exit_code == 2 and "Did you mean 'way'" in wrong.output


def test_settings_of_a_table_for_other_data(folder):
    result = run("train", "model.yaml", "--data", "japanese_vowels", "--target", "way")
    assert result.exit_code == 2 and "settings of a table" in result.output


# ---------------------------------------------------------------------- Python
def test_fit_and_evaluate_a_data_set():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=["a", "b"])
    frame["y"] = 3.0 * frame["a"] - frame["b"]
    data = table(frame, "y", validation=0.2)
    model = Model(rows_graph())
    model.fit(data, loss=MeanSquaredError(), optimizer=Adam(0.1), epochs=60, batch_size=8, dtype="float64")
    assert model.evaluate(data)["loss"] < 1e-2 and model.history.best.validation_loss < 1e-2
    np.testing.assert_allclose(model.predict(frame), model.predict(frame[["a", "b"]].to_numpy()))
    with pytest.raises(ConfigError, match="targets for data that have their own"):
        model.fit(data, frame["y"].to_numpy())


def test_a_frame_with_names_of_targets_is_trained_on_whole():
    frame = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 3.0, 5.0, 7.0]})
    model = Model(rows_graph(1))
    history = model.fit(
        frame, "y", loss=MeanSquaredError(), optimizer=Adam(0.3), epochs=200, batch_size=4, dtype="float64"
    )
    assert history.epochs[0].examples == 4
    np.testing.assert_allclose(model.predict(pd.DataFrame({"a": [5.0]})), [[11.0]], atol=0.1)


def test_what_a_table_taught_is_saved_with_the_model(tmp_path):
    frame = walks()
    data = table(frame, "way", group="walk", time="t")
    g = Builder("m")
    from graphnet_recurrent import GRU

    model = Model(g.build(FullyConnected(4, 2)(Last()(GRU(3, 4, None)(g.input("x", "time, batch, feature=3"))))))
    model.fit(data, epochs=1, dtype="float64")
    model.save(tmp_path / "saved")
    again = graphnet.load(tmp_path / "saved")
    np.testing.assert_array_equal(again.predict(frame), model.predict(frame))
    assert again.evaluate(frame) == model.evaluate(frame)


def test_standardization_is_part_of_the_model():
    frame = pd.DataFrame(np.random.default_rng(0).normal(40.0, 9.0, (50, 2)), columns=["a", "b"])
    frame["y"] = 1000.0 + 5.0 * np.arange(50)
    data = table(frame, "y", standardize=True)
    graph = rows_graph()
    with pytest.raises(ConfigError, match="standardized"):
        Model(graph).fit(data, loss=MeanSquaredError(), epochs=1)
    shifted = standardized(graph, data)
    assert list(shifted.nodes) == ["standardize_x", *graph.nodes, "restore_output"]
    again = standardized(shifted, table(frame + 1.0, "y", standardize=True))
    assert list(again.nodes) == list(shifted.nodes)
    means = [each.nodes["standardize_x"].layer.mean[0] for each in (shifted, again)]
    assert means[1] == pytest.approx(means[0] + 1.0)
    model = Model(shifted)
    model.fit(data, loss=MeanSquaredError(), epochs=1, dtype="float64")
    train, targets = data.train.inputs["x"], data.train.targets
    scaled = (frame[["a", "b"]].to_numpy() - train.mean(0)) / train.std(0)
    inner = Model(graph, graphnet.TrainingConfig(dtype="float64"))  # the same layers, with the trained weights
    expected = inner.predict(scaled) * targets.std() + targets.mean()
    np.testing.assert_allclose(model.predict(frame), expected, rtol=1e-9)


def test_what_a_model_cannot_read():
    model = Model(rows_graph())
    with pytest.raises(ConfigError, match="graphnet predict reads"):
        model.predict("numbers.csv")
    with pytest.raises(FileError, match="no such file"):
        model.fit("missing.csv", "y")
    with pytest.raises(ShapeError, match="inputs of the graph"):
        model.fit(table(pd.DataFrame({"a": [1.0, 2.0], "y": [1, 2]}), "y", input="z", test=0.0))
    with pytest.raises(GraphError, match="no such input"):
        standardized(
            rows_graph(),
            table(pd.DataFrame({"a": [1.0, 2.0], "y": [1, 2]}), "y", input="z", test=0.0, standardize=True),
        )
