"""Weight files: what is written is what is read, and nothing is put in place before all of it is checked."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save, save_file

from graphnet import BatchNormalization, Builder, FileError, FullyConnected, GraphnetWarning, Phase, Runner, ShapeError
from graphnet.io import load_weights, save_weights


def model(width=3, dtype="float64", name="m"):
    g = Builder(name)
    x = BatchNormalization(width, dtype=dtype)(g.input("x", f"batch, feature={width}"), name="scaled")
    runner = Runner(g.build(y=FullyConnected(width, 2, dtype=dtype)(x, name="head")))
    runner.materialize()
    return runner


def trained(**options):
    runner = model(**options)
    runner.forward({"x": np.random.default_rng(0).normal(size=(8, 3))})
    return runner


def test_round_trip_is_exact(tmp_path):
    runner, other = trained(), model()
    save_weights(tmp_path / "w.safetensors", runner)
    load_weights(tmp_path / "w.safetensors", other)
    x = np.random.default_rng(1).normal(size=(4, 3))
    expected = runner.forward({"x": x}, phase=Phase.test)["y"]
    np.testing.assert_array_equal(other.forward({"x": x}, phase=Phase.test)["y"], expected)
    assert sorted(load_file(tmp_path / "w.safetensors")) == [
        "head/weights", "scaled/batches", "scaled/bias", "scaled/mean", "scaled/rows", "scaled/variance", "scaled/weights",
    ]  # fmt: skip


def test_load_keeps_dtype_of_layer(tmp_path):
    save_weights(tmp_path / "w", trained())
    other = model(dtype="float32")
    load_weights(tmp_path / "w", other)
    assert {p.value.dtype.name for p in other.parameters.values()} == {"float32"}


def unchanged(runner):
    return {name: p.value.tobytes() for name, p in runner.parameters.items()}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda a: a.pop("head/weights"), FileError, "it lacks head/weights"),
        (lambda a: a.update({"head/weigths": a["head/weights"]}), FileError, r"it also has head/weigths.*Did you mean 'head/w"),
        (lambda a: a.update({"head/weights": np.ones((9, 2))}), ShapeError, r"head/weights.*expected \(4, 2\), received \(9, 2\)"),
        (lambda a: a.update({"scaled/mean": np.ones(3, np.int64)}), FileError, "scaled/mean.*expected float32 or float64"),
    ],
)  # fmt: skip
def test_wrong_file_changes_nothing(tmp_path, change, error, message):
    save_weights(tmp_path / "w", trained())
    arrays = load_file(tmp_path / "w")
    change(arrays)
    save_file(arrays, tmp_path / "w")
    runner = model()
    before = unchanged(runner)
    with pytest.raises(error, match=message):
        load_weights(tmp_path / "w", runner)
    assert unchanged(runner) == before


def test_broken_file_is_refused(tmp_path):
    path = tmp_path / "w"
    save_weights(path, trained())
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    runner = model()
    before = unchanged(runner)
    for broken in (b"", b"x", whole[:10], whole[:-1], rng.bytes(500), whole[:8] + rng.bytes(len(whole) - 8)):
        path.write_bytes(broken)
        with pytest.raises(FileError, match="not a complete safetensors file"):
            load_weights(path, runner)
    with pytest.raises(FileError, match="cannot be read"):
        load_weights(tmp_path / "nowhere", runner)
    assert unchanged(runner) == before


def test_nan_weights_are_kept_where_they_are_allowed(tmp_path):
    runner = trained()
    runner.parameters["head/weights"].value = np.full((4, 2), np.nan)
    with pytest.warns(GraphnetWarning, match="not finite, in head/weights"):
        save_weights(tmp_path / "w", runner)
    load_weights(tmp_path / "w", runner, allow_nonfinite=True)
    assert np.isnan(runner.parameters["head/weights"].value).all()


def test_save_with_unknown_size_is_refused(tmp_path):
    g = Builder("m")
    runner = Runner(g.build(FullyConnected(None, 2)(g.input("x"), name="head")))
    with pytest.raises(ShapeError, match="not known"):
        save_weights(tmp_path / "w", runner)
    assert not (tmp_path / "w").exists()


def test_unknown_format_is_refused(tmp_path):
    save_weights(tmp_path / "w", trained())
    arrays = load_file(tmp_path / "w")
    (tmp_path / "w").write_bytes(save(arrays, metadata={"format": "graphnet-weights/2"}))
    runner = model()
    before = unchanged(runner)
    with pytest.raises(FileError, match="another format; expected graphnet-weights/1, received 'graphnet-weights/2'"):
        load_weights(tmp_path / "w", runner)
    assert unchanged(runner) == before
    save_file(arrays, tmp_path / "w", metadata={"made": "elsewhere"})
    load_weights(tmp_path / "w", runner)
    assert unchanged(runner) != before


def test_equal_weights_give_equal_files(tmp_path):
    runner = trained()
    save_weights(tmp_path / "a", runner)
    save_weights(tmp_path / "b", runner)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_random_damage_raises_or_is_harmless(tmp_path):
    path = tmp_path / "w"
    save_weights(path, trained())
    whole = path.read_bytes()
    rng = np.random.default_rng(5)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        for position in rng.integers(0, 400, size=3):
            damaged[position] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(len(whole))] if rng.random() < 0.3 else damaged)
        runner = model()
        before = unchanged(runner)
        try:
            load_weights(path, runner)
        except (FileError, ShapeError):
            refused += 1
            assert unchanged(runner) == before
    assert refused > 200


def test_file_without_optional_buffer_loads(tmp_path):
    """Earlier versions did not keep them."""
    runner, other = trained(), trained()
    save_weights(tmp_path / "w.safetensors", runner)
    arrays = load_file(tmp_path / "w.safetensors")
    assert arrays.pop("scaled/rows") == 8
    save_file(arrays, tmp_path / "old.safetensors")
    load_weights(tmp_path / "old.safetensors", other)
    assert other.buffers["scaled/rows"] == 0 and other.buffers["scaled/batches"] == 1
    del arrays["scaled/mean"]
    save_file(arrays, tmp_path / "bad.safetensors")
    with pytest.raises(FileError, match="it lacks scaled/mean"):
        load_weights(tmp_path / "bad.safetensors", other)
