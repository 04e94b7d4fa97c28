"""Saving and loading models and weights: nothing is lost, half loaded or half replaced."""

import errno
import os

import numpy as np
import pytest

import graphnet
from graphnet import BatchNormalization, FileError, FullyConnected, Layer, Model, Sequential, ShapeError
from graphnet.io import filesystem
from graphnet.io.run_folder import RunFolder

RNG = np.random.default_rng(11)
X = RNG.normal(size=(40, 3)).astype(np.float32)
Y = (X @ RNG.normal(size=(3, 2))).argmax(axis=1)


def model(hidden=4, seed=0, epochs=2):
    layers = {"a": FullyConnected(3, hidden), "norm": BatchNormalization(hidden), "b": FullyConnected(hidden, 2)}
    made = Model(Sequential(layers, shape="batch, feature=3"))
    made.fit(X, Y, epochs=epochs, seed=seed)
    return made


def weights(model):
    runner = model.runner
    return {**{name: np.array(p.value) for name, p in runner.parameters.items()}, **runner.buffers}


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


# ------------------------------------------------------------------ weights
def test_weights_and_buffers_come_back(tmp_path):
    one, other = model(seed=1), model(seed=2)
    assert not np.array_equal(one.predict(X), other.predict(X))
    one.save_weights(tmp_path / "w")
    other.load_weights(tmp_path / "w")
    assert same(weights(one), weights(other)) and np.array_equal(one.predict(X), other.predict(X))
    fresh = Model(one.graph)
    fresh.load_weights(str(tmp_path / "w"))
    assert np.array_equal(fresh.predict(X), one.predict(X))
    before = fresh.evaluate(X, Y)["loss"]
    assert fresh.fit(X, Y, epochs=3, warm_start=True).epochs[0].loss < before + 0.5


def test_weights_of_a_layer_that_no_file_can_name(tmp_path):
    class Shifted(Layer):
        def apply(self, x):
            return x + 1.0, ()

        def pull(self, saved, error):
            return error

    def make(seed):
        made = Model(Sequential(FullyConnected(3, 2), Shifted(), shape="batch, feature=3"))
        made.fit(X, Y, epochs=1, seed=seed)
        return made

    one, other = make(1), make(2)
    with pytest.raises(graphnet.PluginError, match="not registered"):
        one.save(tmp_path / "m")
    assert not (tmp_path / "m").exists()
    one.save_weights(tmp_path / "w.safetensors")
    other.load_weights(tmp_path / "w.safetensors")
    assert np.array_equal(one.predict(X), other.predict(X))


def cut(path):
    data = path.read_bytes()
    path.write_bytes(data[:-3])


def flip(path):
    data = bytearray(path.read_bytes())
    data[-3] ^= 255
    path.write_bytes(data)


def pickled(path):
    import pickle

    path.write_bytes(pickle.dumps({"a/weights": np.ones((4, 4))}))


@pytest.mark.parametrize(
    "damage", [cut, flip, pickled, lambda path: path.unlink()], ids=["cut", "flip", "pickle", "gone"]
)
def test_nothing_is_half_loaded(tmp_path, damage):
    path, target = tmp_path / "w", model(seed=2)
    model(seed=1).save_weights(path)
    damage(path)
    before = weights(target)
    with pytest.raises(FileError):
        target.load_weights(path)
    assert same(weights(target), before)


def test_weights_of_another_model_are_refused(tmp_path):
    target = model(hidden=4)
    before = weights(target)
    model(hidden=5).save_weights(tmp_path / "wide")
    with pytest.raises(ShapeError, match="a/weights.*expected.*4.*received.*5"):
        target.load_weights(tmp_path / "wide")
    named = Model(Sequential({"a": FullyConnected(3, 4), "c": FullyConnected(4, 2)}, shape="batch, feature=3"))
    named.save_weights(tmp_path / "named")
    with pytest.raises(FileError, match="it lacks b/weights.*it also has c/weights"):
        target.load_weights(tmp_path / "named")
    spoilt = model(hidden=4)
    spoilt.runner.parameters["b/weights"].value = np.full((5, 2), np.nan)
    with pytest.warns(graphnet.GraphnetWarning, match="not finite"):
        spoilt.save_weights(tmp_path / "nan")
    with pytest.raises(FileError, match="not finite"):
        target.load_weights(tmp_path / "nan")
    assert same(weights(target), before)
    target.load_weights(tmp_path / "nan", allow_nonfinite=True)
    assert np.isnan(target.predict(X)).all()


def test_a_folder_is_not_a_file_of_weights(tmp_path):
    one = model()
    one.save(tmp_path / "m")
    for call in (one.save_weights, one.load_weights):
        with pytest.raises(FileError, match="a folder"):
            call(tmp_path / "m")
    one.load_weights(tmp_path / "m" / "weights.safetensors")


def test_weights_of_unknown_size_say_what_to_declare(tmp_path):
    class Sized(Layer):
        def parameters(self, x):
            return {"w": graphnet.Weight((x.size("feature"),))}

        def apply(self, x):
            return x * self.w, ()

        def pull(self, saved, error):
            raise NotImplementedError

    with pytest.raises((ShapeError, graphnet.GraphError)):
        Model(Sequential(BatchNormalization())).save_weights(tmp_path / "w")
    assert not (tmp_path / "w").exists()


class Failing(filesystem.FileSystem):
    """Fails at one call of a method."""

    def __init__(self, method, at=1):
        self.method, self.at = method, at

    def _count(self, method):
        if method == self.method:
            self.at -= 1
            if self.at == 0:
                raise OSError(errno.EIO, "input/output error")

    def create(self, path, mode=0o666):
        self._count("create")
        return super().create(path, mode)

    def write(self, handle, data):
        self._count("write")
        return super().write(handle, data)

    def rename(self, source, target):
        self._count("rename")
        super().rename(source, target)

    def exchange(self, one, other):
        self._count("exchange")
        super().exchange(one, other)


def test_a_failure_leaves_the_old_file_of_weights(tmp_path):
    one, other = model(seed=1), model(seed=2)
    one.save_weights(tmp_path / "w")
    for method in ("create", "write", "rename"):
        with filesystem.using(Failing(method)), pytest.raises(FileError):
            other.save_weights(tmp_path / "w")
        assert os.listdir(tmp_path) == ["w"]
    one_again = model(seed=3)
    one_again.load_weights(tmp_path / "w")
    assert same(weights(one_again), weights(one))


# ------------------------------------------------------------------ models
def test_a_model_is_overwritten_only_on_demand(tmp_path):
    one, other, path = model(seed=1), model(hidden=6, seed=2), tmp_path / "m"
    one.save(path)
    with pytest.raises(FileError, match="never overwritten by default.*overwrite=True"):
        other.save(path)
    assert np.array_equal(graphnet.load(path).predict(X), one.predict(X))
    os.chmod(path, 0o750)
    other.save(path, overwrite=True)
    assert np.array_equal(graphnet.load(path).predict(X), other.predict(X))
    assert os.listdir(tmp_path) == ["m"] and os.stat(path).st_mode & 0o777 == 0o750
    other.save(tmp_path / "new", overwrite=True)  # nothing is there yet
    loaded = graphnet.load(path)
    loaded.save(path, overwrite=True)  # the place from which it was loaded
    assert np.array_equal(graphnet.load(path).predict(X), other.predict(X))


def test_link_to_a_model(tmp_path):
    one, other = model(seed=1), model(seed=2)
    one.save(tmp_path / "v1")
    (tmp_path / "latest").symlink_to("v1")
    other.save(tmp_path / "latest", overwrite=True)
    assert (tmp_path / "latest").is_symlink() and same(weights(graphnet.load(tmp_path / "v1")), weights(other))


def test_what_is_no_saved_model_is_never_replaced(tmp_path):
    one = model()
    one.fit(X, Y, epochs=1, callbacks=[RunFolder(tmp_path / "run")])
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "thesis.txt").write_text("years of work")
    one.save(tmp_path / "noted")
    (tmp_path / "noted" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("run", "documents", "noted", "file"):
        with pytest.raises(FileError):
            one.save(tmp_path / name, overwrite=True)
    assert (tmp_path / "documents" / "thesis.txt").exists() and (tmp_path / "noted" / "notes.txt").exists()
    assert graphnet.load(tmp_path / "run").history is not None and (tmp_path / "file").read_text() == "mine"


def test_the_working_directory_cannot_be_replaced(tmp_path, monkeypatch):
    model().save(tmp_path / "m")
    monkeypatch.chdir(tmp_path / "m")
    with pytest.raises(FileError, match="cannot be replaced as a whole"):
        model().save(".", overwrite=True)
    graphnet.load(".")


@pytest.mark.parametrize("exchanges", [True, False], ids=["exchange", "two renames"])
@pytest.mark.parametrize(("method", "at"), [("create", 1), ("create", 4), ("write", 2), ("rename", 1), ("rename", 2)])
def test_a_failure_leaves_the_old_model(tmp_path, exchanges, method, at):
    one, other, path = model(seed=1), model(seed=2), tmp_path / "m"
    one.save(path)

    class System(Failing):
        def exchange(self, one, other):
            if not exchanges:
                raise OSError(errno.EINVAL, "invalid argument")
            super().exchange(one, other)

    with filesystem.using(System(method, at)):
        if method == "rename" and exchanges:  # an exchange needs no rename
            other.save(path, overwrite=True)
            expected = other
        else:
            with pytest.raises(FileError):
                other.save(path, overwrite=True)
            expected = one
    assert same(weights(graphnet.load(path)), weights(expected)) and os.listdir(tmp_path) == ["m"]


def test_without_an_exchange_the_old_model_is_renamed_first(tmp_path):
    one, other, path = model(seed=1), model(seed=2), tmp_path / "m"
    one.save(path)
    with filesystem.using(Failing("exchange")):
        other.save(path, overwrite=True)
    assert same(weights(graphnet.load(path)), weights(other)) and os.listdir(tmp_path) == ["m"]


def test_summary_is_a_method_too():
    one = model()
    assert str(one.summary()) == str(graphnet.summary(one)) and "34 parameters" in repr(one.summary())


def test_file_of_something_else_is_not_replaced_by_weights(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("what I want to keep")
    with pytest.raises(FileError, match="a file that holds no weights would be replaced"):
        model().save_weights(path)
    assert path.read_text() == "what I want to keep"
    path.write_text("")
    for _ in range(2):  # an empty file, then a file of weights
        model().save_weights(path)
