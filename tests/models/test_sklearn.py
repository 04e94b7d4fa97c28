"""Estimators: scikit-learn's own checks, and its tools with tables, sequences, cells and model files."""

import io
import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

import joblib
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

import graphnet
from graphnet import Cell, ConfigError, FullyConnected, Last, Sequential, ShapeError, StateError, concatenate, dense
from graphnet.models.sklearn import library
from graphnet.sklearn import GraphClassifier, GraphRegressor
from graphnet_recurrent import LSTM, sigmoid, tanh


def gated(units):
    """A cell of one's own."""
    cell = Cell("gated", sequences="x", states={"h": units})
    z = concatenate(cell.x, cell.h)
    gate = sigmoid(dense(z, units))
    h = gate * cell.h + (1 - gate) * tanh(dense(z, units))
    return cell.build(output=h, h=h)


def states_only(units):
    """A cell whose only outputs are the next states."""
    cell = Cell("plain", sequences="x", states={"h": units})
    return cell.build(h=tanh(dense(concatenate(cell.x, cell.h), units)))


def network(n_features, n_outputs, units=5):
    return Sequential(
        LSTM(n_features, units, None),
        Last(),
        FullyConnected(units, n_outputs),
        shape=f"time, batch, feature={n_features}",
    )


@pytest.fixture
def sequences():
    rng = np.random.default_rng(5)
    x = [rng.normal(size=(int(n), 2)) for n in rng.integers(2, 8, size=40)]
    return x, np.array(["up" if each.sum() > 0 else "down" for each in x])


@pytest.fixture
def table():
    rng = np.random.default_rng(6)
    x = rng.normal(size=(60, 4)) * [1.0, 10.0, 0.1, 3.0] + 2
    return x, np.where(x[:, 1] > 2, 7, np.where(x[:, 3] > 2, 3, 11))


#: Skipped by scikit-learn itself unless SCIPY_ARRAY_API is set in the environment.
ENVIRONMENT = {"check_array_api_input"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize(
    "estimator", [GraphClassifier(epochs=120), GraphRegressor(epochs=120)], ids=["classifier", "regressor"]
)
def test_checks_of_scikit_learn(estimator):
    ran = set()
    for instance, check in estimator_checks_generator(estimator):
        name = check.func.__name__
        ran.add(name)
        if name not in ENVIRONMENT:
            check(instance)
    assert len(ran) > 45


def test_weights_are_repetitions_and_zero_leaves_out(table):
    x, y = table
    weights = np.arange(len(x)) % 3
    weighted = GraphClassifier(epochs=20, random_state=1).fit(x, y, sample_weight=weights)
    repeated = GraphClassifier(epochs=20, random_state=1).fit(np.repeat(x, weights, axis=0), np.repeat(y, weights))
    np.testing.assert_allclose(weighted.predict_proba(x), repeated.predict_proba(x), rtol=1e-8)


def test_class_weight_is_a_sample_weight(table):
    x, y = table
    by_class = {3: 2.0, 7: 0.5, 11: 1.0}
    one = GraphClassifier(epochs=10, random_state=1, class_weight=by_class).fit(x, y)
    two = GraphClassifier(epochs=10, random_state=1).fit(x, y, sample_weight=[by_class[label] for label in y.tolist()])
    np.testing.assert_array_equal(one.predict_proba(x), two.predict_proba(x))


def test_default_model_is_a_hidden_layer(table):
    x, y = table
    estimator = GraphClassifier(epochs=3, random_state=0, hidden_units=6).fit(x, y)
    graph = estimator.model_.graph
    first, second = (graph.nodes[name].layer.weights for name in ("hidden", "output"))
    hidden = np.maximum(np.c_[x, np.ones(len(x))] @ first, 0)
    scores = np.c_[hidden, np.ones(len(x))] @ second
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    np.testing.assert_allclose(estimator.predict_proba(x), odds / odds.sum(axis=1, keepdims=True), rtol=1e-9)
    assert first.shape == (5, 6)
    assert estimator.model_.classes == {"output": (3, 7, 11)}
    assert estimator.n_iter_ == 3


@pytest.mark.parametrize("model", [gated(4), states_only(4), network(2, 2)], ids=["cell", "states", "graph"])
def test_lists_of_sequences(sequences, model):
    x, y = sequences
    estimator = GraphClassifier(model, epochs=60, learning_rate=0.05, random_state=0).fit(x, y)
    assert estimator.score(x, y) > 0.9
    assert estimator.n_features_in_ == 2
    assert set(estimator.predict(x[:5])) <= {"up", "down"}
    padded = np.stack([np.vstack([each, np.zeros((8 - len(each), 2))]) for each in x])
    assert estimator.predict_proba(padded).shape == (40, 2)


def test_fit_leaves_the_model_that_was_passed(sequences):
    x, y = sequences
    model = network(2, 2)
    graphnet.Model(model).predict(x)  # draws weights
    before = pickle.dumps(model)
    GraphClassifier(model, epochs=2).fit(x, y)
    assert pickle.dumps(model) == before


def test_function_with_parameters_in_a_search(sequences):
    x, y = sequences
    search = GridSearchCV(
        GraphClassifier(network, model_parameters={"units": 2}, epochs=2, random_state=0),
        {"model_parameters": [{"units": 2}, {"units": 3}], "epochs": [1, 2]},
        cv=2,
        error_score="raise",
    )
    search.fit(x, y)
    assert search.best_estimator_.model_.graph.nodes["lstm"].layer.hidden_size in (2, 3)
    assert len(search.cv_results_["params"]) == 4


@pytest.mark.slow
def test_search_over_a_pipeline_is_equal_in_two_processes(table):
    x, y = table
    pipeline = make_pipeline(StandardScaler(), GraphClassifier(gated(3), epochs=3, random_state=0))
    grid = {"graphclassifier__learning_rate": [0.01, 0.1]}
    one, two = (GridSearchCV(pipeline, grid, cv=2, n_jobs=jobs).fit(x, y) for jobs in (1, 2))
    np.testing.assert_array_equal(one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(one.predict_proba(x), two.predict_proba(x))


def test_cross_validation_and_several_targets(table):
    x, _ = table
    y = np.c_[x[:, 0] - x[:, 2], 0.1 * x[:, 1]]
    estimator = make_pipeline(StandardScaler(), GraphRegressor(random_state=0))
    assert cross_val_score(estimator, x, y, cv=3).mean() > 0.6
    assert estimator.fit(x, y).predict(x).shape == (60, 2)


def test_copies_predict_the_same(table):
    x, y = table
    estimator = GraphClassifier(gated(3), epochs=2, random_state=0).fit(x, y)
    file = io.BytesIO()
    joblib.dump(estimator, file)
    file.seek(0)
    for copy in (pickle.loads(pickle.dumps(estimator)), joblib.load(file)):
        np.testing.assert_array_equal(copy.predict_proba(x), estimator.predict_proba(x))
    again = clone(estimator).fit(x, y)
    np.testing.assert_array_equal(again.predict_proba(x), estimator.predict_proba(x))


def test_model_file_with_its_settings(tmp_path, table):
    x, y = table
    config = graphnet.TrainingConfig(epochs=2, batch_size=7, optimizer="sgd", metrics=["accuracy"])
    graphnet.Model(Sequential(FullyConnected(4, 3), shape="batch, feature=4"), config).save(tmp_path / "m")
    estimator = GraphClassifier(str(tmp_path / "m"), settings={"clip_norm": 1.0}).fit(x, y)
    used = estimator.model_.config
    assert (used.epochs, used.batch_size, type(used.optimizer).__name__, used.clip_norm) == (2, 7, "Sgd", 1.0)
    assert GraphClassifier(tmp_path / "m", epochs=1, batch_size=5).fit(x, y).model_.config.batch_size == 5


def test_one_output_for_two_classes(table):
    x, y = table
    labels = np.where(y == 7, "yes", "no")
    model = Sequential(FullyConnected(4, 1), shape="batch, feature=4")
    estimator = make_pipeline(StandardScaler(), GraphClassifier(model, loss="binary_cross_entropy", learning_rate=0.1))
    assert estimator.fit(x, labels).score(x, labels) > 0.95
    np.testing.assert_allclose(estimator.predict_proba(x).sum(axis=1), 1)


def test_warm_start_continues(table):
    x, y = table
    first = GraphClassifier(epochs=30, warm_start=True, random_state=0).fit(x, y)
    loss = first.loss_
    assert first.fit(x, y).history_.epochs[0].loss < loss + 0.05
    with pytest.raises(StateError, match="warm_start"):
        first.fit(x, np.arange(60) % 5)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"model": 3}, ConfigError, "expected None, the path of a model file"),
        ({"model": "missing.yaml"}, graphnet.FileError, "missing.yaml"),
        ({"model": gated}, ConfigError, "units"),
        ({"model": lambda: 3}, ConfigError, "not a graph"),
        ({"model_parameters": {"units": 2}}, ConfigError, "takes none"),
        ({"settings": {"epoch": 2}}, ConfigError, "Did you mean 'epochs'"),
        ({"settings": 3}, ConfigError, "a mapping"),
        ({"epochs": 0}, ConfigError, "epochs"),
        ({"hidden_units": 0}, ConfigError, "output_size"),
        ({"loss": "nothing"}, GraphnetError := graphnet.GraphnetError, "nothing"),
        ({"learning_rate": -1.0}, GraphnetError, "learning_rate"),
    ],
    ids=[
        "number",
        "file",
        "argument",
        "no-graph",
        "parameters",
        "setting",
        "settings",
        "epochs",
        "units",
        "loss",
        "rate",
    ],
)
def test_bad_parameters(arguments, error, message, table):
    with pytest.raises(error, match=message):
        GraphClassifier(**arguments).fit(*table)


def test_bad_sequences(sequences):
    x, y = sequences
    with pytest.raises(ShapeError, match=r"X\[3\]"):
        GraphClassifier(gated(2)).fit([*x[:3], np.ones((2, 3)), *x[4:]], y)
    with pytest.raises(ValueError, match=r"X\[1\].*not finite"):
        GraphClassifier(gated(2)).fit([x[0], np.full((2, 2), np.nan), *x[2:]], y)
    fitted = GraphClassifier(gated(2), epochs=1).fit(x, y)
    with pytest.raises(ValueError, match="expecting 2 features"):
        fitted.predict([np.ones((4, 3))])


def test_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.utils.validation", None)
    with pytest.raises(ImportError, match="pip install 'scikit-learn"):
        library.require_sklearn()


def test_model_with_more_outputs_than_classes(table):
    x, y = table
    outputs = len(np.unique(y)) + 2
    wide = Sequential(FullyConnected(x.shape[1], outputs), shape=f"batch, feature={x.shape[1]}")
    with pytest.raises(ShapeError, match=f"one output for each class.*received {outputs}"):
        GraphClassifier(wide, epochs=1).fit(x, y)


def test_setting_given_twice(table):
    with pytest.raises(ConfigError, match="given twice.*epochs"):
        GraphClassifier(epochs=1, settings={"epochs": 2}).fit(*table)
    assert len(GraphClassifier(settings={"epochs": 2}).fit(*table).history_) == 2
