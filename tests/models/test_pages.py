"""Pages: what is in them, that nothing in them runs, and, where there is a browser, what they show."""

import base64
import hashlib
import html
import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from helpers.hostile import HOSTILE, hostile_graph

import graphnet
from graphnet import (
    Builder,
    ConfigError,
    FileError,
    FullyConnected,
    Last,
    Model,
    Sequential,
    Trainer,
    TrainingConfig,
    dense,
)
from graphnet.cli import main
from graphnet.io.run_folder import RunFolder
from graphnet.models.pages.details import downsampled, heat
from graphnet.models.pages.facts import cleaned, environment_data, training_data
from graphnet.models.pages.html import json_block
from graphnet.models.pages.recorded import record_data
from graphnet.training.history import EpochRecord, History
from graphnet_recurrent import LSTM

pytest.importorskip("graphlay")


def block(page):
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(found)


@pytest.fixture(scope="module")
def model():
    graph = Sequential(LSTM(3, 4, 4), Last(), FullyConnected(4, 2), shape="time, batch, feature=3")
    model = Model(graph)
    rng = np.random.default_rng(0)
    model.fit(rng.normal(size=(7, 12, 3)), rng.integers(0, 2, 12), epochs=3, seed=1)
    return model


@pytest.fixture(scope="module")
def example():
    return np.random.default_rng(1).normal(size=(7, 2, 3))


@pytest.fixture(scope="module")
def page(model, example):
    labels = np.array([0, 1])
    return graphnet.report(model, confusion=model.confusion_matrix(example, labels), example=example, batch=2, steps=3)


def test_the_data_say_what_the_model_is(model, page):
    data = block(page)
    boxes = {box["p"]: box for graph in data["graphs"] for box in graph["boxes"]}
    assert {path for path, _ in model.graph.walk()} == {path for path, box in boxes.items() if box["r"] == "node"}
    inner = data["graphs"][boxes["lstm/scan"]["g"]]
    assert {box["p"] for box in inner["boxes"]} > {"lstm/scan/forget_gate", "lstm/scan/<c", "lstm/scan/>h"}
    assert data["classes"]["LSTM"]["plugin"] == "graphnet-recurrent"
    assert "Long" in data["classes"]["LSTM"]["doc"] or data["classes"]["LSTM"]["doc"]
    (weight,) = data["nodes"]["fully_connected"]["weights"]
    values = model.graph.nodes["fully_connected"].layer.params["weights"].value
    assert weight["shape"] == list(values.shape) and sum(weight["bars"]) == values.size
    assert weight["low"] == pytest.approx(values.min(), rel=1e-4)
    assert data["history"]["epochs"] == 3 and len(data["history"]["curves"]["loss"]["training"]) == 3
    assert np.sum(data["confusion"]["counts"]) == 2
    assert data["costs"]["nodes"]["lstm/scan/forget_gate"][2] == 3
    assert any(part["path"] == "lstm/scan" for part in data["compiler"]["parts"])
    inside = [path for part in data["compiler"]["parts"] for path in part["nodes"]]
    assert inside == [path for part in data["costs"]["parts"] for path in part[1]]
    assert set(inside) >= {"lstm/scan", "fully_connected"}
    assert data["work"]["nodes"]["lstm/scan/forget_gate"][0] == 3 * (3 + 4) * 4
    equation = data["equations"]["lstm/scan/forget_gate"]["s"][0][1][0]
    assert equation[1] == "forget_gate[t] = concatenate_[t] @ weights[:-1] + weights[-1]"


def test_a_page_loads_nothing_and_runs_only_its_own_script(page):
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy and "http" not in policy
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert page.count("<script") == 2
    script = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)[0]
    for way in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "Function(",
        "fetch(",
        "import(",
    ):
        assert way not in script
    assert not re.search(r"""\b(src|href)\s*=\s*["']?\w""", page)
    namespaces = {"http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"}
    assert set(re.findall(r"https?://[^\s\"'\\]+", script)) == namespaces


def test_hostile_texts_stay_text():
    assert len(set(HOSTILE)) >= 50
    page = graphnet.report(hostile_graph(), measure=False)
    assert page.count("<script") == 2 and page.count("</script") == 2 and page.count("<img") == 0
    data = block(page)
    assert data["title"] == "".join(HOSTILE)
    (title,) = re.findall(r"<title>(.*?)</title>", page, re.DOTALL)
    assert html.unescape(title).split() == "".join(HOSTILE).split()
    settings = [node["settings"]["text"] for node in data["nodes"].values()]
    assert [eval(text) for text in settings] == HOSTILE
    assert "<" not in json_block(HOSTILE) and json.loads(json_block(HOSTILE)) == HOSTILE


def test_values_and_gradients_of_the_example_are_those_of_the_layers(model, example):
    data = record_data(model.graph, example)
    gate = data["lstm/scan/forget_gate_sigmoid"]
    assert (gate["units"], gate["steps"], len(gate["norms"])) == (4, 7, 7)
    x = example[:, 0]
    layers = dict(model.graph.walk())

    def affine(path, row):
        return row @ layers[path].params["weights"].value[:-1] + layers[path].params["weights"].value[-1]

    def sigmoid(a):
        return 1 / (1 + np.exp(-a))

    h = c = np.zeros(4)
    forgets = []
    for step in x:
        row = np.concatenate([step, h])
        i, f, o = (sigmoid(affine(f"lstm/scan/{name}_gate", row)) for name in ("input", "forget", "output"))
        c = f * c + i * np.tanh(affine("lstm/scan/candidate", row))
        h = o * np.tanh(c)
        forgets.append(f)
    forgets = np.array(forgets)
    assert (gate["low"], gate["high"]) == pytest.approx((forgets.min(), forgets.max()), rel=1e-3)
    levels = np.frombuffer(base64.b64decode(gate["heat"]["data"]), np.uint8).reshape(4, 7)
    assert levels == pytest.approx(forgets.T / forgets.max() * 127 + 128, abs=0.51)
    assert gate["saturated"] == np.mean((forgets < 0.05) | (forgets > 0.95))
    last = data["lstm/output_layer"]["norms"]
    assert len(last) == 7 and last[:-1] == [0] * 6 and last[-1] > 0  # only the last step is read


def test_without_history_names_or_sizes(tmp_path):
    g = Builder("open")
    page = graphnet.report(g.build(dense(g.input("x"), 3)), measure=True)
    data = block(page)
    assert "not declared" in data["costs"]["missing"] and "not declared" in data["compiler"]["missing"]
    history = History([EpochRecord(1, 2.0), EpochRecord(2, float("nan"))], best_epoch=1)
    assert block(graphnet.report(history))["history"]["curves"]["loss"]["training"] == [2.0, None]
    with pytest.raises(ConfigError, match="nothing to report on"):
        graphnet.report(FullyConnected(3, 2))
    with pytest.raises(ConfigError, match="not a confusion matrix"):
        graphnet.report(history, confusion=[[1]])
    (tmp_path / "there.html").write_text("precious")
    with pytest.raises(FileError, match="exists"):
        graphnet.report(history, tmp_path / "there.html")
    assert (tmp_path / "there.html").read_text() == "precious"


def test_the_worst_examples_are_those_with_the_largest_loss(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(40, 3)), rng.integers(0, 3, 40)
    names = np.array(["ann", "<b>", "cy"])
    flat = Model(Sequential(FullyConnected(3, 3), shape="batch, feature=3"))
    flat.fit(x, names[y], epochs=2, seed=1, batch_size=7)
    found = block(graphnet.report(flat, worst=5, data=(x, names[y]), measure=False))["worst"]
    classes = list(flat.classes["output"])
    scores = flat.predict(x).astype(float)
    right = np.array([classes.index(name) for name in names[y]])
    losses = np.log(np.exp(scores).sum(1)) - scores[np.arange(40), right]
    order = np.argsort(-losses)[:5]
    assert [each["row"] for each in found["examples"]] == list(order) and found["of"] == 40
    assert [each["loss"] for each in found["examples"]] == pytest.approx(losses[order], rel=1e-4)
    for each, row in zip(found["examples"], order, strict=True):
        assert each["answers"] == [["output", names[y][row], classes[scores[row].argmax()]]]
        assert each["inputs"][0]["text"].split() == [f"{value:.4g}" for value in x[row].astype(np.float32)]

    graph = Sequential(LSTM(3, 4, 4), FullyConnected(4, 1), shape="time, batch, feature=3")
    steps = Model(graph)
    sequences = [rng.normal(size=(n, 3)) for n in (9, 12, 5, 30, 11)]
    wanted = [each.sum(1, keepdims=True) for each in sequences]
    steps.fit(sequences, wanted, epochs=1, seed=1, batch_size=2, loss="mean_squared_error")
    errors = [np.mean((a - b) ** 2) for a, b in zip(steps.predict(sequences), wanted, strict=True)]
    found = block(graphnet.report(steps, worst=9, data=(sequences, wanted), measure=False))["worst"]["examples"]
    assert [each["row"] for each in found] == list(np.argsort(errors)[::-1])
    assert [each["loss"] for each in found] == pytest.approx(sorted(errors, reverse=True), rel=1e-4)
    picture = next(each for each in found if each["row"] == 3)["inputs"][0]
    levels = np.frombuffer(base64.b64decode(picture["heat"]["data"]), np.uint8).reshape(3, 30)
    assert levels == pytest.approx(sequences[3].T / abs(sequences[3]).max() * 127 + 128, abs=0.51)

    np.savez("data.npz", train_x=x, train_target=y, test_x=x[:6], test_target=y[:6])
    config = TrainingConfig(data=str(tmp_path / "data.npz"), epochs=1)
    Trainer(Sequential(FullyConnected(3, 3), shape="batch, feature=3"), config, callbacks=[RunFolder("run")]).fit(
        x, y, verbose=0
    )
    result = CliRunner().invoke(main, ["report", "run", "--no-measure", "--worst", "2", "--confusion"])
    assert result.exit_code == 0, result.output
    data = block((tmp_path / "run.html").read_text(encoding="utf-8"))
    assert len(data["worst"]["examples"]) == 2 and data["worst"]["of"] == 6
    with pytest.raises(ConfigError, match="no examples to choose from"):
        graphnet.report(flat, worst=1, measure=False)


def test_several_runs_lie_over_each_other(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(2)
    for name, epochs, units in (("a/run", 2, 4), ("b/run", 4, 3)):
        other = Model(Sequential(FullyConnected(3, units), FullyConnected(units, 2), shape="batch, feature=3"))
        x, y = rng.normal(size=(8, 3)), rng.integers(0, 2, 8)
        other.fit(x, y, epochs=epochs, seed=1, clip_norm=float(epochs), validation=0.25)
        other.save(name)
    result = CliRunner().invoke(main, ["report", "a/run", "b/run", "--no-measure"])
    assert result.exit_code == 0, result.output
    data = block((tmp_path / "comparison.html").read_text(encoding="utf-8"))
    first, second = data["compared"]["runs"]
    assert (first["name"], second["name"], first["epochs"], second["epochs"]) == ("run", "run (2)", 2, 4)
    assert len(second["curves"]["loss"]["validation"]) == 4 and data["history"]["epochs"] == 2
    rows = {name: values for name, *values in data["compared"]["differences"]}
    assert rows["clip norm"] == ["2.0", "4.0"] and rows["epochs"] == ["2", "4"]
    assert rows["fully_connected: output_size"] == ["4", "3"] and "seed" not in rows and "batch size" not in rows
    assert str(tmp_path) not in json.dumps(data)
    same = block(graphnet.report([model, model, model.history], measure=False))["compared"]
    assert [run["name"] for run in same["runs"]] == ["sequential", "sequential (2)", "history"] and same[
        "differences"
    ] == []
    with pytest.raises(ConfigError, match="no history to compare"):
        graphnet.report([model, Model(model.graph)], measure=False)
    with pytest.raises(ConfigError, match="too many runs; expected at most 24, received 30"):
        graphnet.report([model.history] * 30)


def test_the_configuration_has_no_folders():
    config = TrainingConfig(data={"path": "../home/ada/x.csv", "test": "/srv/y.csv"}, frozen="encoder/*", epochs=7)
    rows = {name: (text, own) for name, text, own in training_data(config)}
    assert rows["data"] == ("path: x.csv, test: y.csv", True)
    assert "encoder/*" in rows["frozen"][0] and rows["epochs"] == ("7", True) and rows["seed"] == ("0", False)
    assert not rows["optimizer"][1]


def test_the_environment_has_no_paths():
    rows = environment_data(
        {
            "graphnet": "0.1",
            "platform": "Linux",
            "hostname": "secret",
            "command": "graphnet train /home/ada/x",
            "plugins": [{"name": "/home/ada/own.py", "distribution": "d", "version": "1", "status": "loaded"}, 3],
            "blas": [{"user_api": "blas", "filepath": "/home/ada/lib.so", "version": "3"}],
        }
    )
    text = json.dumps(rows)
    assert "ada" not in text and "secret" not in text and ["blas", "3"] in rows
    assert cleaned(r"C:\Users\ada\m.npz and lstm/scan") == "m.npz and lstm/scan"


def test_pictures_of_weights_are_small():
    wide = np.arange(200.0 * 130).reshape(200, 130)
    small = downsampled(wide, 40)
    assert small.shape == (40, 40) and small[0, 0] == wide[:5, :4].mean()
    wide[:5, :4] = np.nan
    assert np.isnan(downsampled(wide, 40)[0, 0])
    levels = base64.b64decode(heat(np.array([[-2.0, 0.0, 2.0, np.inf]]), 2.0)["data"])
    assert list(levels) == [1, 128, 255, 0]
    g = Builder("large")
    value = g.input("x", "batch, feature=64")
    for i in range(120):
        value = dense(value, 64, name=f"dense_{i}")
    graph = g.build(value)
    assert len(graphnet.report(graph, measure=False)) < 2e6 + 1000 * len(graph.nodes)


def test_the_command_writes_the_page_of_a_run(model, example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model.save(tmp_path / "run")
    np.savez(tmp_path / "x.npz", x=example)
    result = CliRunner().invoke(main, ["report", "run", "--no-measure", "--example", "x.npz"])
    assert result.exit_code == 0, result.output
    data = block((tmp_path / "run.html").read_text(encoding="utf-8"))
    assert data["history"]["epochs"] == 3 and "lstm/scan/forget_gate" in data["recorded"]
    assert str(tmp_path) not in json.dumps(data)
    assert CliRunner().invoke(main, ["report", "run", "--no-measure"]).exit_code == 2


def test_the_page_of_a_run_says_what_its_own_data_tell_without_their_values(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    vowels = graphnet.datasets.load("japanese_vowels")
    demo = Path(__file__).resolve().parents[2] / "examples" / "japanese_vowels" / "model.yaml"
    result = CliRunner().invoke(main, ["train", str(demo), "--epochs", "1", "--output", "run", "--seed", "1"])
    assert result.exit_code == 0, result.output
    data = block(graphnet.report("run", batch=2, steps=3))
    assert np.sum(data["confusion"]["counts"]) == 370
    lengths = [len(each) for each in vowels.test.inputs["frames"][:50]]
    row = lengths.index(max(lengths))
    assert data["recorded_of"] == f"test example {row}"
    gate = data["recorded"]["lstm/scan/forget_gate_sigmoid"]
    assert gate["gate"] == "sigmoid" and len(gate["norms"]) == gate["steps"] == lengths[row]
    assert not {"heat", "low", "high"} & set(gate)
    assert data["recorded"]["lstm/scan/candidate_tanh"]["gate"] == "tanh"
    assert "gate" not in data["recorded"]["lstm/scan/forget_gate"]
    quiet = block(graphnet.report("run", confusion=False, measure=False))
    assert "confusion" not in quiet and "recorded" not in quiet


def test_data_that_cannot_be_read_are_no_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, y = np.random.default_rng(0).normal(size=(2, 8, 3))
    np.savez("data.npz", train_x=x, train_target=y, test_x=x, test_target=y)
    config = TrainingConfig(data=str(tmp_path / "data.npz"), epochs=1, loss="mean_squared_error")
    graph = Sequential(FullyConnected(3, 3), shape="batch, feature=3")
    Trainer(graph, config, callbacks=[RunFolder("run")]).fit(x, y, verbose=0)
    data = block(graphnet.report("run", batch=2))
    assert "confusion" not in data and "missing_data" not in data and data["recorded"]
    (tmp_path / "data.npz").unlink()
    data = block(graphnet.report("run", batch=2))
    assert "recorded" not in data and "data.npz" in data["missing_data"]
    assert str(tmp_path) not in data["missing_data"]
