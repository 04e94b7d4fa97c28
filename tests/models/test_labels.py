"""Labels as people have them, the names of classes in files, predictions as classes and probabilities."""

from __future__ import annotations

import numpy as np
import pytest

import graphnet
from graphnet import Builder, FullyConnected, Model, TrainingConfig
from graphnet.core.errors import ConfigError, DataError, ShapeError
from graphnet.losses import BinaryCrossEntropy, CrossEntropy, Hinge, MeanSquaredError
from graphnet.metrics import F1, Accuracy
from graphnet.optimizers import Adam

RNG = np.random.default_rng(3)
X = RNG.normal(size=(40, 4))
NUMBERS = X[:, :3].argmax(axis=1)
ANIMALS = np.array(["mouse", "cat", "dog"])  # sorted: cat, dog, mouse
TEXT = ANIMALS[NUMBERS]
POSITIVE = X[:, 0] > 0
SETTINGS = {"optimizer": Adam(0.05), "epochs": 3, "batch_size": 8, "dtype": "float64"}


def model(outputs=3, over_time=False):
    g = Builder("m")
    x = g.input("x", "time, batch, feature=4" if over_time else "batch, feature=4")
    return Model(g.build(scores=FullyConnected(4, outputs)(x)))


def trained(targets, outputs=3, x=X, **settings):
    m = model(outputs, over_time=isinstance(x, list))
    history = m.fit(x, targets, **{**SETTINGS, **settings})
    return m, [record.loss for record in history.epochs]


class Series:
    """A column of a table, as pandas has them: converted by numpy."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype=dtype or object)


SORTED = np.array([2, 0, 1])[NUMBERS]


@pytest.mark.parametrize(
    "targets",
    [TEXT, TEXT.tolist(), TEXT.astype(object), Series(TEXT.tolist()), TEXT[:, None], TEXT.astype("S")],
    ids=["array", "list", "objects", "series", "column", "bytes"],
)
def test_text_trains_as_numbers(targets):
    m, losses = trained(targets, metrics=Accuracy())
    reference, expected = trained(SORTED, metrics=Accuracy())
    assert losses == expected and m.config.classes == {"scores": ("cat", "dog", "mouse")}
    numbers = reference.predict(X).argmax(axis=1)
    np.testing.assert_array_equal(m.predict(X, form="classes"), np.array(["cat", "dog", "mouse"])[numbers])
    np.testing.assert_array_equal(reference.predict(X, form="classes"), numbers)
    shares = m.predict(X, form="probabilities")
    np.testing.assert_allclose(shares, np.exp(m.predict(X)) / np.exp(m.predict(X)).sum(1, keepdims=True), rtol=1e-12)
    assert m.evaluate(X, targets) == reference.evaluate(X, SORTED)
    matrix = m.confusion_matrix(X, targets)
    assert matrix.classes == ("cat", "dog", "mouse") and matrix.counts.sum() == 40
    assert np.trace(matrix.counts) == (numbers == SORTED).sum()


@pytest.mark.parametrize(
    ("targets", "numbers"),
    [(NUMBERS.astype(float), NUMBERS), (NUMBERS[:, None], NUMBERS), (np.eye(3)[NUMBERS], NUMBERS)],
)
def test_numbers_in_other_forms(targets, numbers):
    m, losses = trained(targets)
    assert losses == trained(numbers)[1] and m.config.classes is None


@pytest.mark.parametrize("loss", [BinaryCrossEntropy(), Hinge()])
@pytest.mark.parametrize(
    ("targets", "classes"),
    [
        (POSITIVE, (False, True)),
        (POSITIVE[:, None], (False, True)),
        (np.where(POSITIVE, "yes", "no"), ("no", "yes")),
        (POSITIVE.astype(int), None),
        (POSITIVE.astype(float), None),
    ],
)
def test_yes_or_no(loss, targets, classes):
    m, losses = trained(targets, 1, loss=loss, metrics=(Accuracy(), F1()))
    assert losses == trained(POSITIVE.astype(int)[:, None], 1, loss=loss)[1]
    assert m.config.classes == (classes and {"scores": classes})
    yes = m.predict(X)[:, 0] > 0
    expected = yes.astype(int) if classes is None else np.array(classes)[yes.astype(int)]
    np.testing.assert_array_equal(m.predict(X, form="classes"), expected)
    assert m.evaluate(X, targets)["accuracy"] == (yes == POSITIVE).mean()
    assert m.confusion_matrix(X, targets).counts.tolist() == [
        [(~yes & ~POSITIVE).sum(), (yes & ~POSITIVE).sum()], [(~yes & POSITIVE).sum(), (yes & POSITIVE).sum()],
    ]  # fmt: skip
    if isinstance(loss, BinaryCrossEntropy):
        np.testing.assert_allclose(m.predict(X, form="probabilities"), 1 / (1 + np.exp(-m.predict(X))), rtol=1e-12)


def test_booleans_as_two_classes():
    m, losses = trained(POSITIVE, 2)
    assert losses == trained(POSITIVE.astype(int), 2)[1]
    assert m.predict(X, form="classes").dtype == bool


def test_regression_takes_one_number_a_row():
    y = X @ [1.0, -2.0, 0.5, 0.0]
    assert trained(y, 1, loss=MeanSquaredError())[1] == trained(y[:, None], 1, loss=MeanSquaredError())[1]
    m, _ = trained(y, 1, loss=MeanSquaredError())
    assert m.evaluate(X, y) == m.evaluate(X, y[:, None])
    with pytest.raises(ConfigError, match="has no classes"):
        m.predict(X, form="classes")
    with pytest.raises(ConfigError, match="form"):
        m.predict(X, form="class")
    with pytest.raises(ConfigError):
        m.confusion_matrix(X, y)


def test_classes_in_an_order_of_ones_own():
    order = ["mouse", "cat", "dog"]
    m, losses = trained(TEXT, classes=order)
    assert losses == trained(NUMBERS)[1] and m.config.classes == {"scores": tuple(order)}
    numbers, expected = trained(NUMBERS * 10 - 7, classes=(-7, 3, 13))
    assert expected == losses and set(numbers.predict(X, form="classes")) <= {-7, 3, 13}


def test_sequences_of_text():
    x = [RNG.normal(size=(n, 4)) for n in (3, 5, 2, 4)]
    numbers = [part[:, :3].argmax(axis=1) for part in x]
    text = [np.sort(ANIMALS)[part].tolist() for part in numbers]
    m, losses = trained(text, x=x, batch_size=2)
    assert losses == trained(numbers, x=x, batch_size=2)[1]
    classes = m.predict(x, form="classes")
    assert [part.shape for part in classes] == [(3,), (5,), (2,), (4,)] and classes[0].dtype.kind == "U"
    padded = np.zeros((5, 4, 4))
    labels = np.full((5, 4), "", "U9")
    for i, part in enumerate(x):
        padded[: len(part), i], labels[: len(part), i] = part, text[i]
    matrix = m.confusion_matrix(padded, labels, lengths=[3, 5, 2, 4])
    assert matrix.counts.sum() == 14
    np.testing.assert_array_equal(matrix.counts, m.confusion_matrix(x, text).counts)


def test_names_are_kept_in_files_and_by_later_training(tmp_path):
    m, _ = trained(TEXT)
    m.save(tmp_path / "m")
    loaded = graphnet.load(tmp_path / "m")
    assert loaded.config.classes == {"scores": ("cat", "dog", "mouse")}
    np.testing.assert_array_equal(loaded.predict(X, form="classes"), m.predict(X, form="classes"))
    part = TEXT != "cat"
    loaded.fit(X[part], TEXT[part], epochs=1, warm_start=True)  # the numbers of the others stay
    assert loaded.config.classes == {"scores": ("cat", "dog", "mouse")}
    new = np.where(TEXT == "cat", "horse", TEXT)
    with pytest.raises(DataError, match=r"'horse'.*classes=None"):
        loaded.fit(X, new)
    loaded.fit(X, new, classes=None)
    assert loaded.config.classes == {"scores": ("dog", "horse", "mouse")}


def test_names_of_data_sets_and_labels_in_files(tmp_path):
    from graphnet.io import write_model
    from graphnet.models.predict_file import predict_file, predict_lines
    from graphnet.models.train_file import confusion_of_run, evaluate_run, prepare

    settings = TrainingConfig(loss=CrossEntropy(), metrics=(Accuracy(),), **SETTINGS)
    write_model(tmp_path / "m.yaml", model().graph, settings)
    arrays = {"train_x": X[:30], "test_x": X[30:]}
    text = {**arrays, "train_target": TEXT[:30], "test_target": TEXT[30:]}
    names = np.array(["cat", "dog", "mouse"])
    numbers = {**arrays, "train_target": SORTED[:30], "test_target": SORTED[30:], "classes": names}
    found = []
    for name, content in (("text", text), ("numbers", numbers)):
        np.savez(tmp_path / f"{name}.npz", **content)
        job = prepare(tmp_path / "m.yaml", data=str(tmp_path / f"{name}.npz"), output=tmp_path / name)
        job.run()
        loaded = graphnet.load(tmp_path / name)
        assert loaded.config.classes == {"scores": ("cat", "dog", "mouse")}
        np.savez(tmp_path / "in.npz", x=X[:5])
        labels = predict_file(tmp_path / name, tmp_path / "in.npz", tmp_path / f"{name}-out.npz", form="classes")
        assert np.load(tmp_path / f"{name}-out.npz")["scores"].tolist() == labels["scores"].tolist()
        lines = predict_lines(tmp_path / name, tmp_path / "in.npz", form="probabilities")
        assert lines[0].startswith('{"scores": {"cat": 0.')
        found.append((job.test, evaluate_run(tmp_path / name), labels["scores"].tolist(), lines))
        matrix = confusion_of_run(tmp_path / name)
        assert matrix.classes == ("cat", "dog", "mouse") and matrix.counts.sum() == len(X) - 30
        assert np.trace(matrix.counts) / matrix.counts.sum() == pytest.approx(job.test["accuracy"])
    assert found[0] == found[1] and set(found[0][2]) <= set(names)


def test_two_outputs():
    g = Builder("two")
    x = g.input("x", "batch, feature=4")
    m = Model(g.build(kind=FullyConnected(4, 3)(x), size=FullyConnected(4, 1)(x)))
    losses = {"kind": CrossEntropy(), "size": MeanSquaredError()}
    targets = {"kind": TEXT, "size": X[:, 0]}
    m.fit(X, targets, loss=losses, **SETTINGS)
    both = m.predict(X, form="classes")
    assert set(both["kind"]) <= set(ANIMALS)
    np.testing.assert_array_equal(both["size"], m.predict(X)["size"])
    assert m.confusion_matrix(X, targets).classes == ("cat", "dog", "mouse")
    with pytest.raises(ConfigError, match="mapping"):
        m.fit(X, targets, classes=["a", "b", "c"], loss={"kind": CrossEntropy(), "size": Hinge()})


def test_missing_labels_can_be_ignored():
    kept = RNG.random(40) < 0.7
    for nothing in ("", None, np.nan):
        labels = np.where(kept, TEXT.astype(object), nothing)
        m, losses = trained(labels, loss=CrossEntropy(ignore_index=-1), metrics=Accuracy())
        assert losses == trained(np.where(kept, SORTED, -1), loss=CrossEntropy(ignore_index=-1))[1]
        assert m.config.classes == {"scores": ("cat", "dog", "mouse")}
        right = m.predict(X, form="classes")[kept] == TEXT[kept]
        assert m.evaluate(X, labels)["accuracy"] == pytest.approx(right.mean())
        assert m.confusion_matrix(X, labels).counts.sum() == kept.sum()


def test_what_is_refused():
    missing = TEXT.astype(object)
    missing[4] = None
    with pytest.raises(DataError, match=r"missing.*None at \(4,\)"):
        trained(missing)
    with pytest.raises(ShapeError, match=r"4 classes.*3 classes: 'cat', 'dog', 'mouse'"):
        trained(TEXT, 4)
    with pytest.raises(ShapeError, match="not two classes"):
        trained(TEXT, 1, loss=BinaryCrossEntropy())
    with pytest.raises(DataError, match="none of the classes"):
        trained(TEXT, classes=["cat", "dog", "horse"])
    with pytest.raises(DataError, match="classes="):
        trained(NUMBERS + 1)
    for classes in ("cat", ["cat"], ["cat", "cat"], [None, "cat"], 3):
        with pytest.raises(ConfigError, match="classes"):
            TrainingConfig(classes=classes)
    empty = np.where(NUMBERS == 0, "", TEXT)
    with pytest.raises(DataError, match="ignore_index"):
        trained(empty, 2)
    m, _ = trained(TEXT)
    with pytest.raises(DataError, match="'fish'"):
        m.evaluate(X[:2], ["cat", "fish"])
