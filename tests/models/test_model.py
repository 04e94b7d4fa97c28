"""Model: predict, evaluate, fit, save; and graphnet.load."""

from __future__ import annotations

import json

import numpy as np
import pytest

import graphnet
from graphnet import (
    BatchNormalization,
    Builder,
    Cell,
    ConfigError,
    DataError,
    Dropout,
    FileError,
    FullyConnected,
    Model,
    Scan,
    ShapeError,
    TrainingConfig,
    generator,
    seed,
)
from graphnet.losses import MeanSquaredError
from graphnet.metrics import Accuracy
from graphnet.optimizers import Adam, Sgd
from graphnet.training.callbacks import Callback

pytestmark = pytest.mark.no_plugins


def dense():
    g = Builder("dense")
    return g.build(scores=FullyConnected(4, 3)(g.input("x", "batch, feature=4"), name="last"))


def steps():
    """Running sums of a product: every step's, and the last one."""
    cell = Cell("sums", sequences="x", states={"s": 3})
    s = FullyConnected(2, 3, bias=False)(cell.x, name="product") + cell.s
    g = Builder("steps")
    value = Scan(cell.build(output=s, s=s))(g.input("x", "time, batch, feature=2"), name="scan")
    return g.build(every=value, final=value["s"])


def classes(n=50):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 4))
    return x, (x @ rng.normal(size=(4, 3))).argmax(1)


def fitted():
    model = Model(dense(), TrainingConfig(metrics=(Accuracy(),), optimizer=Adam(0.05)))
    model.fit(*classes(), epochs=10)
    return model


# ------------------------------------------------------------------ predict
def test_predict_runs_in_test_phase():
    model, (x, _) = fitted(), classes()
    w = model.runner.parameters["last/weights"].value
    np.testing.assert_allclose(model.predict(x), np.c_[x, np.ones(50)] @ w, rtol=1e-4, atol=1e-5)
    assert model.predict(x).dtype == np.float32
    assert np.array_equal(model.predict({"x": x.tolist()}), model.predict(x))


@pytest.mark.parametrize("batch_size", [1, 7, 50, 1000])
def test_predict_is_independent_of_batch_size(batch_size):
    model, (x, _) = fitted(), classes()
    np.testing.assert_allclose(model.predict(x, batch_size=batch_size), model.predict(x), rtol=1e-5)


def test_predict_returns_list_for_list():
    seed(1)
    model = Model(steps(), TrainingConfig(dtype="float64"))
    rng = np.random.default_rng(1)
    x = [rng.normal(size=(length, 2)) for length in (3, 0, 6, 1)]
    result = model.predict(x, batch_size=3)
    w = model.runner.parameters["scan/product/weights"].value
    assert isinstance(result["every"], list) and result["final"].shape == (4, 3)
    for i, each in enumerate(x):
        sums = np.cumsum(each @ w, axis=0)
        np.testing.assert_allclose(result["every"][i], sums, rtol=1e-12)
        np.testing.assert_allclose(result["final"][i], sums[-1] if len(each) else np.zeros(3), rtol=1e-12)


def test_a_padded_array_comes_back_padded():
    seed(1)
    model = Model(steps(), TrainingConfig(dtype="float64"))
    x = np.random.default_rng(2).normal(size=(5, 7, 2))
    lengths = np.array([5, 0, 3, 1, 5, 2, 4])
    result = model.predict(x, lengths=lengths, batch_size=3)
    whole = model.predict(x)
    assert result["every"].shape == (5, 7, 3)
    for i, length in enumerate(lengths):
        np.testing.assert_allclose(result["every"][:length, i], whole["every"][:length, i], rtol=1e-12)
        assert not result["every"][length:, i].any()


def test_predictions_belong_to_the_caller():
    g = Builder("nothing")
    model = Model(g.build(g.input("x", "batch, feature=2") * 1.0), TrainingConfig(dtype="float64"))
    x = np.ones((3, 2))
    model.predict(x)[:] = 5
    assert np.array_equal(x, np.ones((3, 2)))


def test_predict_uses_no_random_numbers():
    model, (x, _) = fitted(), classes()
    seed(4)
    expected = generator().random(3)
    seed(4)
    model.predict(x)
    model.evaluate(*classes())
    assert np.array_equal(generator().random(3), expected)


@pytest.mark.parametrize(
    ("inputs", "options", "error", "message"),
    [
        (np.zeros((3, 5)), {}, ShapeError, r"dense, input 'x'.*feature=4.*\(3, 5\)"),
        (np.zeros((0, 4)), {}, DataError, "no examples"),
        ({"z": np.zeros((3, 4))}, {}, ShapeError, "unknown input"),
        ({}, {}, ShapeError, "an input is missing; expected x"),
        ([[1, 2], [3]], {}, TypeError, "one array"),
        (np.zeros((3, 4)), {"batch_size": 0}, ConfigError, "batch_size"),
        (np.zeros((3, 4)), {"lengths": [1, 2, 3]}, ShapeError, "lengths"),
        (np.full((3, 4), "a"), {}, TypeError, "dtype"),
    ],
)
def test_bad_input(inputs, options, error, message):
    with pytest.raises(error, match=message):
        fitted().predict(inputs, **options)


# ------------------------------------------------------------------ evaluate and fit
def test_evaluate_gives_loss_and_metrics_by_name():
    model, (x, y) = fitted(), classes()
    scores = model.predict(x).astype(float)
    logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    figures = model.evaluate(x, y)
    assert figures["accuracy"] == (scores.argmax(1) == y).mean() > 0.6
    assert figures["loss"] == pytest.approx(-logs[np.arange(50), y].mean(), rel=1e-5)


def test_fit_keeps_its_settings_and_history():
    x, y = classes()
    model = Model(dense())
    history = model.fit(x, y, epochs=2, seed=9, validation=0.2)
    assert model.history is history and len(history) == 2
    assert (model.config.epochs, model.config.seed, model.config.validation) == (2, 9, 0.2)
    with pytest.raises(ConfigError, match="Did you mean 'epochs'"):
        model.fit(x, y, epoch=3)


def test_fit_with_bad_data_changes_nothing():
    model, (x, y) = fitted(), classes()
    before, config, history = model.predict(x), model.config, model.history
    with pytest.raises(ShapeError):
        model.fit(x[:, :2], y, epochs=3)
    assert np.array_equal(model.predict(x), before)
    assert model.config is config and model.history is history


def test_fit_again_and_warm_start():
    x, y = classes()
    model = fitted()
    loss = model.history.epochs[-1].loss
    assert model.fit(x, y).epochs[-1].loss == loss
    assert model.fit(x, y, warm_start=True).epochs[0].loss < loss


# ------------------------------------------------------------------ files
def test_save_and_load_give_the_same_model(tmp_path):
    g = Builder("normal")
    x = BatchNormalization()(g.input("x", "batch, feature=4"), name="norm")
    model = Model(g.build(scores=FullyConnected(4, 3)(x, name="last")), TrainingConfig(metrics=(Accuracy(),)))
    model.fit(*classes(), epochs=3, seed=2)
    model.save(tmp_path / "saved")
    other = graphnet.load(tmp_path / "saved")
    assert other.graph == model.graph and other.config == model.config
    assert np.array_equal(other.predict(classes()[0]), model.predict(classes()[0]))
    assert other.evaluate(*classes()) == model.evaluate(*classes())
    output = json.loads((tmp_path / "saved" / "versions.json").read_text())
    assert output["packages"]["numpy"] == np.__version__
    assert output["plugins"][0]["distribution"] == "graphnet-framework"
    assert str(tmp_path) not in json.dumps(output)


def test_folders_with_the_former_name_of_the_distribution_load(tmp_path):
    g = Builder("old")
    dropped = Dropout(0.5)(FullyConnected(4, 3)(g.input("x", "batch, feature=4"), name="last"), name="dropped")
    model = Model(g.build(scores=dropped), TrainingConfig(metrics=(Accuracy(),)))
    model.fit(*classes(), epochs=2, seed=2)
    model.save(tmp_path / "saved")
    path = tmp_path / "saved" / "model.yaml"
    text = path.read_text().replace("graphnet-framework", "graphnet")
    path.write_text(
        text.replace("layer: Dropout", "layer: graphnet/Dropout").replace("[Accuracy]", "[graphnet/Accuracy]")
    )
    assert "graphnet: '>=0.1'" in path.read_text() and "graphnet/Dropout" in path.read_text()
    other = graphnet.load(tmp_path / "saved")
    assert other.graph == model.graph and other.config == model.config
    assert np.array_equal(other.predict(classes()[0]), model.predict(classes()[0]))


def test_a_folder_in_use_is_not_overwritten(tmp_path):
    model = fitted()
    model.save(tmp_path / "saved")
    before = {path.name: path.read_bytes() for path in (tmp_path / "saved").iterdir()}
    with pytest.raises(FileError, match="never overwritten"):
        model.save(tmp_path / "saved")
    with pytest.raises(FileError, match="a file"):
        model.save(tmp_path / "saved" / "model.yaml")
    assert {path.name: path.read_bytes() for path in (tmp_path / "saved").iterdir()} == before


def test_model_file_is_ready_for_fit(tmp_path):
    model = fitted()
    model.save(tmp_path / "saved")
    fresh = graphnet.load(tmp_path / "saved" / "model.yaml")
    again = graphnet.load(tmp_path / "saved" / "model.yaml")
    x, y = classes()
    assert np.array_equal(fresh.predict(x), again.predict(x))
    assert not np.array_equal(fresh.predict(x), model.predict(x))
    fresh.fit(x, y)
    assert np.array_equal(fresh.predict(x), model.predict(x))


@pytest.mark.parametrize("missing", ["model.yaml", "weights.safetensors"])
def test_load_names_missing_file(tmp_path, missing):
    fitted().save(tmp_path / "saved")
    (tmp_path / "saved" / missing).unlink()
    with pytest.raises(FileError, match=missing):
        graphnet.load(tmp_path / "saved")


def test_load_missing_path(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        graphnet.load(tmp_path / "nowhere")


def test_load_uses_no_random_numbers(tmp_path):
    model = Model(dense(), TrainingConfig(loss=MeanSquaredError()))
    model.save(tmp_path / "saved")
    seed(4)
    expected = generator().random(3)
    seed(4)
    graphnet.load(tmp_path / "saved")
    graphnet.load(tmp_path / "saved" / "model.yaml")
    assert np.array_equal(generator().random(3), expected)


@pytest.mark.parametrize("shape", [None, "batch, feature"])
def test_open_sizes_are_saved(tmp_path, shape):
    g = Builder("open")
    model = Model(g.build(scores=FullyConnected(None, 2)(g.input("x", shape), name="head")))
    x = np.random.default_rng(0).normal(size=(12, 5))
    model.fit(x, np.arange(12) % 2, epochs=2, seed=1)
    model.save(tmp_path / "saved")
    again = graphnet.load(tmp_path / "saved")
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert str(again.graph.inputs["x"].shape) == "(batch, feature=5)"


def test_callback_evaluates_with_fit_losses():
    class Evaluates(Callback):
        def on_epoch_end(self, *arguments):
            self.found = model.evaluate(x, y)

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 2)), rng.normal(size=(20, 2))
    builder = Builder("model")
    model = Model(builder.build(FullyConnected(2, 2)(builder.input("x", "batch, feature=2"))))
    watching = Evaluates()
    model.fit(x, y, loss=MeanSquaredError(), epochs=1, callbacks=[watching], optimizer=Sgd(0.0))
    assert watching.found["loss"] == pytest.approx(((model.predict(x) - y) ** 2).mean(), rel=1e-5)
    assert watching.found == model.evaluate(x, y)


def test_configuration_stays_where_fit_is_refused():
    builder = Builder("model")
    model = Model(builder.build(FullyConnected(2, 2)(builder.input("x", "batch, feature=2"))))
    before = model.config
    with pytest.raises(ShapeError):
        model.fit(np.ones((4, 3)), np.ones((4, 2)), loss=MeanSquaredError())
    assert model.config is before


def test_saved_model_finds_its_data_from_the_new_folder(tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    x = np.ones((4, 2))
    np.savez(tmp_path / "a" / "d.npz", train_x=x, train_target=[0, 1, 0, 1], test_x=x, test_target=[0, 1, 0, 1])
    graph = graphnet.Sequential(graphnet.FullyConnected(2, 2), shape="batch, feature=2")
    config = graphnet.TrainingConfig(data="../d.npz")
    graphnet.io.write_model(tmp_path / "a" / "b" / "m.yaml", graph, config)
    monkeypatch.chdir(tmp_path)
    model = graphnet.load("a/b/m.yaml")
    model.save("saved")
    assert graphnet.load("saved").config.data == "../a/d.npz"
    graphnet.load("saved").save("a/again")
    assert graphnet.load("a/again").config.data == "../d.npz"
    monkeypatch.chdir(tmp_path / "a")
    graphnet.Model(graph, config.changed(data="d.npz")).save(tmp_path / "other")  # relative to the working directory
    assert graphnet.load(tmp_path / "other").config.data == "../a/d.npz"
    graphnet.Model(graph, config.changed(data="japanese_vowels")).save(tmp_path / "named")
    assert graphnet.load(tmp_path / "named").config.data == "japanese_vowels"
