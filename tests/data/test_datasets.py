from __future__ import annotations

import subprocess
import sys
import zipfile

import numpy as np
import pytest

import graphnet.data.datasets
from graphnet.core.errors import DataError, DtypeError, FileError, PluginError, ShapeError, UnknownNameError
from graphnet.data.datasets import Dataset, Split, load, names, npz

pytestmark = pytest.mark.no_plugins


# Those that graphnet knows by name


@pytest.mark.parametrize("name", names())
def test_datasets_state_their_source(name):
    data = load(name)
    assert data.name == name
    for text in (data.source, data.licence, data.citation, data.description):
        assert len(text) > 20
    assert "source" in data.licence


def test_japanese_vowels_matches_its_readme():
    data = load("japanese_vowels")
    assert (len(data.train), len(data.test)) == (270, 370)
    assert np.bincount(data.train.targets).tolist() == [30] * 9
    assert np.bincount(data.test.targets).min() == 24 and np.bincount(data.test.targets).max() == 88
    frames = data.train.inputs["frames"] + data.test.inputs["frames"]
    lengths = [len(one) for one in frames]
    assert (min(lengths), max(lengths)) == (7, 29)
    assert {one.shape[1:] for one in frames} == {(12,)} and {one.dtype.name for one in frames} == {"float32"}
    assert data.train.targets.dtype == np.int64 and len(data.classes) == 9


def test_japanese_vowels_frames_are_complete():
    # The first coefficients as the donors' files list them, and no frame lost or doubled by the cuts.
    train = load("japanese_vowels").train.inputs["frames"]
    np.testing.assert_allclose(train[0][0, :3], [1.860936, -0.207383, 0.261557], atol=1e-6)
    assert sum(len(one) for one in train) == 4274


def test_each_load_has_arrays_of_its_own():
    first, second = load("japanese_vowels"), load("japanese_vowels")
    first.train.inputs["frames"][0][:] = 0
    assert np.all(second.train.inputs["frames"][0][0] != 0)


def test_digits_are_scaled_split_and_complete():
    sklearn = pytest.importorskip("sklearn.datasets")
    data, raw = load("digits"), sklearn.load_digits()
    train, test = data.train.inputs["image"], data.test.inputs["image"]
    assert train.shape == (1438, 1, 8, 8) and test.shape == (359, 1, 8, 8) and train.dtype == np.float32
    assert train.min() == 0 and train.max() == 1
    rows = np.concatenate([train, test]).reshape(1797, 64) * 16
    order, other = np.lexsort(rows.T), np.lexsort(raw.data.T)
    np.testing.assert_array_equal(rows[order], raw.data[other])
    labels = np.concatenate([data.train.targets, data.test.targets])
    np.testing.assert_array_equal(labels[order], raw.target[other])


def test_digits_split_is_stratified_and_fixed():
    pytest.importorskip("sklearn")
    first, second = load("digits"), load("digits")
    share = np.bincount(first.test.targets) / (np.bincount(first.test.targets) + np.bincount(first.train.targets))
    np.testing.assert_allclose(share, 0.2, atol=0.004)
    np.testing.assert_array_equal(first.test.inputs["image"], second.test.inputs["image"])


def test_digits_without_scikit_learn_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(PluginError, match=r"pip install 'scikit-learn>=1\.5'"):
        load("digits")


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'japanese_vowels'"):
        load("japanese-vowel")
    with pytest.raises(UnknownNameError, match="digits, japanese_vowels"):
        load("xyzzy")


def test_importing_datasets_does_not_load_sklearn():
    program = "import sys, graphnet.data.datasets as d; d.load('japanese_vowels'); print('sklearn' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "False"


# Dataset and Split


def test_split_with_unequal_counts_is_refused():
    with pytest.raises(ShapeError, match="input 'b'.*5 examples, received 4"):
        Split({"a": np.zeros((5, 2)), "b": [np.zeros((1, 2))] * 4}, np.zeros(5))
    with pytest.raises(DataError, match="needs an input"):
        Split({}, np.zeros(5))


def test_dataset_with_different_inputs_is_refused():
    one, other = Split({"a": np.zeros((1, 2))}, np.zeros(1)), Split({"b": np.zeros((1, 2))}, np.zeros(1))
    with pytest.raises(DataError, match=r"mine: .*\['a'\], as in train, received \['b'\]"):
        Dataset("mine", one, other)


def test_both_are_frozen():
    data = load("japanese_vowels")
    with pytest.raises(AttributeError):
        data.name = "other"
    with pytest.raises(AttributeError):
        data.train.targets = None


# A user's own file


def good_arrays():
    rng = np.random.default_rng(3)
    return {
        "train_image": rng.random((3, 1, 4, 5)),
        "train_words": np.array([4, 8, 15, 16, 23, 42]),
        "train_words_lengths": np.array([1, 0, 5]),
        "train_target": np.array([2, 0, 1]),
        "test_image": rng.random((2, 1, 4, 5)),
        "test_words": np.array([1, 2, 3]),
        "test_words_lengths": np.array([2, 1]),
        "test_target": np.array([0, 1]),
        "classes": np.array(["ant", "bee", "cat"]),
    }


def saved(folder, **changes):
    """A good file with some arrays replaced, or left out where the change is None."""
    arrays = {key: value for key, value in (good_arrays() | changes).items() if value is not None}
    np.savez(folder / "mine.npz", **arrays)
    return folder / "mine.npz"


def test_npz_round_trips_arrays_and_sequences(tmp_path):
    data = npz(str(saved(tmp_path)))
    assert list(data.train.inputs) == ["image", "words"]
    assert [one.tolist() for one in data.train.inputs["words"]] == [[4], [], [8, 15, 16, 23, 42]]
    assert [one.tolist() for one in data.test.inputs["words"]] == [[1, 2], [3]]
    np.testing.assert_array_equal(data.test.inputs["image"], good_arrays()["test_image"])
    assert data.train.targets.tolist() == [2, 0, 1]
    assert data.classes == ("ant", "bee", "cat") and "mine.npz" in data.name


def test_npz_keeps_dtypes_and_needs_no_classes(tmp_path):
    wide = {"train_target": np.ones((3, 2), np.float32), "test_target": np.ones((2, 2), np.float32), "classes": None}
    data = npz(saved(tmp_path, **wide))
    assert data.classes == () and data.train.targets.dtype == np.float32
    assert data.train.inputs["words"][0].dtype == good_arrays()["train_words"].dtype


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"test_image": None}, FileError, "'test_image' is missing"),
        ({"train_target": None}, FileError, "'train_target' is missing"),
        ({"train_words": None, "test_words": None, "test_words_lengths": None}, FileError, "is missing"),
        ({"train_labels_": None, "labels": np.ones(3)}, FileError, "unknown key 'labels'"),
        ({"test_target_lengths": np.ones(2, int)}, ShapeError, "test_target: .*other axes|test split has other axes"),
        ({"train_words_lengths": np.array([1, 1, 5])}, ShapeError, "a sum of 6, received 7"),
        ({"train_words_lengths": np.array([7, -1, 0])}, DataError, "received -1 at position 1"),
        ({"train_words_lengths": np.array([[1, 0, 5]])}, ShapeError, r"\(1, 3\)"),
        ({"train_words_lengths": np.array([1.0, 0, 5])}, DtypeError, "must be integers.*received float64"),
        ({"train_words_lengths": np.array([1, 5])}, ShapeError, "train: input 'words'.*3 examples, received 2"),
        ({"test_words_lengths": None}, ShapeError, "words"),
        ({"test_image": np.ones((2, 1, 5, 4))}, ShapeError, r"expected \(n, 1, 4, 5\), received \(n, 1, 5, 4\)"),
        ({"test_image": np.full((2, 1, 4, 5), np.nan)}, DataError, r"test_image: .*nan at \(0, 0, 0, 0\)"),
        ({"train_target": np.array([1.0, np.inf, 0.0])}, DataError, r"train_target: .*inf at \(1,\)"),
        ({"train_target": np.array(["a", "b", "c"])}, DtypeError, "must be class numbers"),
        ({"train_image": np.ones((3, 1, 4, 5), complex)}, DtypeError, "complex128"),
        ({"train_target": np.array(1)}, ShapeError, "a single number"),
        ({"test_target": np.array([0, 3])}, DataError, "expected 0 to 2, received 3 at position 1"),
        ({"test_target": np.array([0.0, 1.0])}, DtypeError, "class numbers"),
        ({"classes": np.array([1, 2, 3])}, DtypeError, "class names must be text"),
        ({"classes": np.array([["a", "b", "c"]])}, ShapeError, "class names must have one axis"),
    ],
)
def test_npz_errors_name_the_problem(tmp_path, changes, error, message):
    with pytest.raises(error, match=message) as caught:
        npz(saved(tmp_path, **changes))
    assert "mine.npz" in caught.value.where


def test_npz_offers_the_nearest_key(tmp_path):
    path = saved(tmp_path, clases=np.array(["a", "b", "c"]), classes=None)
    with pytest.raises(FileError, match="Did you mean 'classes'"):
        npz(path)


def test_npz_never_unpickles(tmp_path):
    words = np.array([[1, 2], [3], [4]], dtype=object)
    with pytest.raises(FileError, match="Python objects are never loaded"):
        npz(saved(tmp_path, train_words=words, train_words_lengths=None))


@pytest.mark.parametrize("content", [b"", b"neither zip nor array", b"PK\x03\x04 cut short"])
def test_npz_refuses_what_is_no_npz_file(tmp_path, content):
    path = tmp_path / "broken.npz"
    path.write_bytes(content)
    with pytest.raises(FileError, match="broken.npz"):
        npz(path)


def test_npz_refuses_missing_file_and_npy(tmp_path):
    with pytest.raises(FileError, match=r"nowhere\.npz"):
        npz(tmp_path / "nowhere.npz")
    np.save(tmp_path / "one.npy", np.ones(3))
    with pytest.raises(FileError, match="received an .npy file"):
        npz(tmp_path / "one.npy")


def test_npz_refuses_a_damaged_member(tmp_path):
    path = saved(tmp_path)
    with zipfile.ZipFile(path) as archive:
        offset = archive.getinfo("train_image.npy").header_offset
    content = bytearray(path.read_bytes())
    content[offset + 300] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(FileError, match="train_image"):
        npz(path)


def test_datasets_public_names():
    assert set(graphnet.data.datasets.__all__) == {
        "Dataset", "Piece", "Split", "Stream", "Windows", "folder", "load", "names", "npz", "table", "windows",
    }  # fmt: skip


def test_npz_has_a_target_for_each_step(tmp_path):
    rng = np.random.default_rng(0)
    lengths = np.array([3, 0, 2])
    frames, classes = rng.standard_normal((5, 2)), np.array([0, 1, 1, 0, 1])
    part = {"x": frames, "x_lengths": lengths, "target": classes, "target_lengths": lengths}
    np.savez(tmp_path / "steps.npz", **{f"{s}_{k}": v for s in ("train", "test") for k, v in part.items()})
    data = npz(tmp_path / "steps.npz")
    assert [row.tolist() for row in data.train.targets] == [[0, 1, 1], [], [0, 1]]
    assert len(data.train) == 3
    assert repr(data.train) == "Split(x: 3 × (0 to 3, 2); targets: 3 × (0 to 3))"
    part["target_lengths"] = np.array([3, 1, 2])
    np.savez(tmp_path / "wrong.npz", **{f"{s}_{k}": v for s in ("train", "test") for k, v in part.items()})
    with pytest.raises(ShapeError, match="train_target_lengths"):
        npz(tmp_path / "wrong.npz")
