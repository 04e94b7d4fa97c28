"""What ``graphnet predict`` writes: every output, under its name, or nothing at all."""

import json
import zipfile

import numpy as np
import pytest

from graphnet import Affine, Builder, DtypeError, FileError, Last, Model, TrainingConfig
from graphnet.io import write_npz
from graphnet.models.predict_file import predict_file, predict_lines, read_inputs

RNG = np.random.default_rng(0)


def saved(folder, axes, *names, last=(), **config):
    """A run whose outputs are the input times 1, 2, 3, …; of those in ``last`` only the last step."""
    g = Builder("m")
    x = g.input("x", axes)
    values = {name: Affine(float(i))(x) for i, name in enumerate(names, 1)}
    made = g.build(**{name: Last()(value) if name in last else value for name, value in values.items()})
    Model(made, TrainingConfig(dtype="float64", **config)).save(folder / "run")
    return folder / "run"


@pytest.mark.parametrize(
    "names",
    [
        ("file", "allow_pickle"),
        ("arr_0", "arr_1", "files", "f", "zip", "self", "args", "kwds"),
        ("y", "Y", "y_", "_y"),
        ("y", "y_lengths"),
        ("CON", "nul", "__class__"),
    ],
)
def test_predictions_of_any_name_are_read_back(tmp_path, names):
    run = saved(tmp_path, "batch, feature=2", *names)
    x = RNG.normal(size=(3, 2))
    write_npz(tmp_path / "in.npz", {"x": x})
    predict_file(run, tmp_path / "in.npz", tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz", allow_pickle=False) as found:
        assert found.files == list(names)
        for i, name in enumerate(names, 1):
            np.testing.assert_array_equal(found[name], i * x)


def test_inputs_named_like_parameters_of_savez(tmp_path):
    g = Builder("m")
    made = g.build(y=g.input("file", "batch, feature=2") + g.input("allow_pickle", "batch, feature=2"))
    Model(made).save(tmp_path / "run")
    write_npz(tmp_path / "in.npz", {"allow_pickle": np.ones((1, 2))})
    with pytest.raises(FileError, match=r"'file' is missing.*graphnet\.io\.write_npz"):
        predict_file(tmp_path / "run", tmp_path / "in.npz")
    write_npz(tmp_path / "in.npz", {"file": np.ones((1, 2)), "allow_pickle": [[2, 3]]})
    assert predict_file(tmp_path / "run", tmp_path / "in.npz")["y"].tolist() == [[3, 4]]


def test_input_named_like_lengths(tmp_path):
    g = Builder("m")
    x, other = g.input("x", "time, batch, feature=2"), g.input("x_lengths", "batch, feature=1")
    made = g.build(y=Last()(x) * other)
    given = {"x": RNG.normal(size=(4, 3, 2)), "x_lengths": np.array([[1], [2], [3]])}
    write_npz(tmp_path / "in.npz", given)
    inputs, lengths = read_inputs(tmp_path / "in.npz", made)
    assert lengths == {} and inputs["x_lengths"].tolist() == [[1], [2], [3]]


def ragged(folder):
    steps, lengths = RNG.normal(size=(9, 2)), np.array([4, 0, 5])
    write_npz(folder / "in.npz", {"x": steps, "x_lengths": lengths})
    return steps, lengths


def test_lengths_name_collision_is_refused(tmp_path, monkeypatch):
    run = saved(tmp_path, "time, batch, feature=2", "y", "y_lengths")
    ragged(tmp_path)
    monkeypatch.setattr(Model, "predict", lambda *args, **options: pytest.fail("predictions ran"))
    (tmp_path / "out.npz").write_bytes(b"as it was")
    with pytest.raises(FileError, match=r"out.npz: .*'y'.*'y_lengths' would have the same name.*Rename"):
        predict_file(run, tmp_path / "in.npz", tmp_path / "out.npz", force=True)
    assert (tmp_path / "out.npz").read_bytes() == b"as it was"


def test_lengths_collide_only_where_they_are_written(tmp_path):
    run = saved(tmp_path, "time, batch, feature=2", "y", "y_lengths", last=("y",))
    steps, lengths = ragged(tmp_path)
    predict_file(run, tmp_path / "in.npz", tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as found:
        assert found.files == ["y", "y_lengths", "y_lengths_lengths"]
        np.testing.assert_allclose(found["y_lengths"], 2 * steps, rtol=1e-15)
        np.testing.assert_allclose(found["y"], [steps[3], [0, 0], steps[8]], rtol=1e-15)
        assert found["y_lengths_lengths"].tolist() == lengths.tolist()


@pytest.mark.parametrize("target", ["", "nowhere/out.npz"])
def test_unwritable_file_is_refused(tmp_path, monkeypatch, target):
    run = saved(tmp_path, "batch, feature=2", "y")
    write_npz(tmp_path / "in.npz", {"x": np.ones((1, 2))})
    monkeypatch.setattr(Model, "predict", lambda *args, **options: pytest.fail("predictions ran"))
    with pytest.raises(FileError, match="cannot be written"):
        predict_file(run, tmp_path / "in.npz", tmp_path / target)


@pytest.mark.parametrize("batch_major", [False, True])
@pytest.mark.parametrize("with_lengths", [False, True])
def test_lines_are_one_for_each_example(tmp_path, batch_major, with_lengths):
    run = saved(tmp_path, "time, batch, feature=2", "all", "end", last=("end",), batch_major=batch_major)
    x, lengths = RNG.normal(size=(4, 3, 2)), np.array([2, 4, 3])  # time, batch, feature
    given = {"x": x.swapaxes(0, 1) if batch_major else x, **({"x_lengths": lengths} if with_lengths else {})}
    write_npz(tmp_path / "in.npz", given)
    lines = [json.loads(line) for line in predict_lines(run, tmp_path / "in.npz")]
    counts = lengths if with_lengths else [4, 4, 4]
    assert len(lines) == 3
    for row, (line, count) in enumerate(zip(lines, counts, strict=True)):
        np.testing.assert_allclose(line["all"], x[:count, row], rtol=1e-15)
        np.testing.assert_allclose(line["end"], 2 * x[count - 1, row], rtol=1e-15)


# ---------------------------------------------------------------------- the files themselves
def test_npz_files_hold_any_numbers(tmp_path):
    arrays = {
        "π": np.arange(6, dtype=">i2")[::-2],
        "file": np.asfortranarray(RNG.normal(size=(2, 3))),
        "empty": np.zeros((0, 3), np.float32),
        "one": np.array(2.5),
        "truth": np.array([True, False]),
        "text": np.array(["a", "bc"]),
    }
    write_npz(tmp_path / "a.npz", arrays)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        assert found.files == list(arrays)
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype and found[name].tolist() == array.tolist()
    assert zipfile.ZipFile(tmp_path / "a.npz").testzip() is None


@pytest.mark.parametrize("name", ["", "a/b", "a\\b", "..", ".", "C:x", "a.npy", "a\0", 3])
def test_unreadable_npz_names_are_refused(tmp_path, name):
    with pytest.raises(FileError, match="name"):
        write_npz(tmp_path / "a.npz", {"fine": [1], name: [2]})
    assert not list(tmp_path.iterdir())


def test_npz_refuses_objects_and_masked_arrays(tmp_path):
    with pytest.raises(FileError, match="a: holds Python objects"):
        write_npz(tmp_path / "a.npz", {"a": np.array([None])})
    with pytest.raises(DtypeError, match="masked array"):
        write_npz(tmp_path / "a.npz", {"a": np.ma.array([1.0])})
    assert not list(tmp_path.iterdir())
