"""What a file may ask for: memory, depth, numbers of values; and deep graphs in memory."""

from __future__ import annotations

import copy
import io
import pickle
import time
import tracemalloc
import zipfile

import numpy as np
import pytest

import graphnet
from graphnet import Builder, FileError, FullyConnected, GraphError
from graphnet.core.describe.composite import Subgraph
from graphnet.data.datasets import Stream, npz
from graphnet.io import model_text, parse_model, tree
from graphnet.models.loading import read_file
from graphnet.models.train_file import prepare

pytestmark = pytest.mark.no_plugins

MODEL = """\
format: graphnet/1
inputs: {{x: "batch, feature=4"}}
nodes: {{scores: {{layer: FullyConnected, with: {{input_size: {0}, output_size: {1}}}, inputs: x}}}}
outputs: {{scores: scores}}
"""


# ------------------------------------------------------------------ weights
@pytest.mark.parametrize(("rows", "size"), [(4, 10**8), (4, 10**18), ("null", 10**18), (4, 10**40)])
def test_weights_of_a_file_are_bounded(tmp_path, rows, size):
    path = tmp_path / "m.yaml"
    path.write_text(MODEL.format(rows, size))
    needed = 5 * size * 8
    with pytest.raises(FileError, match=f"{needed:,} bytes, most of them for scores/weights .*--max-bytes {needed}"):
        graphnet.load(path)
    tracemalloc.start()
    try:
        assert f"{5 * size:,}" in str(graphnet.summary(read_file(path).graph))
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


def test_max_bytes_raises_and_lowers_the_limit(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text(MODEL.format(4, 1000))
    assert graphnet.load(path, max_bytes=5 * 1000 * 8).predict(np.ones((2, 4))).shape == (2, 1000)
    with pytest.raises(FileError, match="at most 39,999 bytes"):
        graphnet.load(path, max_bytes=39_999)
    with pytest.raises(graphnet.ConfigError, match="max_bytes must be a positive integer"):
        graphnet.load(path, max_bytes=0)


def test_sizes_from_the_data_count(tmp_path):
    (tmp_path / "m.yaml").write_text(MODEL.format("null", 10**9).replace('"batch, feature=4"', "null"))
    part = {"x": np.ones((6, 4)), "target": np.zeros(6, int)}
    np.savez(tmp_path / "d.npz", **{f"{s}_{k}": v for s in ("train", "test") for k, v in part.items()})
    with pytest.raises(FileError, match="40,000,000,000 bytes"):
        prepare(tmp_path / "m.yaml", data=str(tmp_path / "d.npz"), output=tmp_path / "run")


def test_sizes_beyond_memory_are_an_error_of_graphnet():
    for size in (10**12, 10**18, 10**30):
        with pytest.raises(graphnet.GraphnetError, match="memory"):
            FullyConnected(10**6, size)


# ------------------------------------------------------------------ arrays
def archive(header, body=b"", **options):
    text = header.encode() + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as file:
        for key in ("train_x", "train_target", "test_x", "test_target"):
            file.writestr(f"{key}.npy", content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("(1000000000000, 4)", "size of the array is not that of the file"),
        ("(True, 2)", "damaged header"),
        ("(-1, -16)", "damaged header"),
        ("(2.0,)", "damaged header"),
        ("(3,", "header of an array cannot be read"),
    ],
)
def test_declared_shape_is_compared_with_the_file(tmp_path, shape, words):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}"
    (tmp_path / "d.npz").write_bytes(archive(header, bytes(16)))
    with pytest.raises(FileError, match=words):
        npz(tmp_path / "d.npz")
    (tmp_path / "d.npy").write_bytes(archive(header, bytes(16)))
    with pytest.raises(FileError):
        Stream(tmp_path / "d.npy", tmp_path / "d.npy")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_named(tmp_path, method):
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}"
    (tmp_path / "d.npz").write_bytes(archive(header, bytes(16), compression=method))
    with pytest.raises(FileError, match="unknown compression; expected stored or deflated, received (bzip2|lzma)"):
        npz(tmp_path / "d.npz")


def test_encrypted_array_is_named(tmp_path):
    data = bytearray(archive("{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}", bytes(16)))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "d.npz").write_bytes(data)
    with pytest.raises(FileError, match="d.npz: train_x.npy: the array is encrypted"):
        npz(tmp_path / "d.npz")


def test_small_file_cannot_fill_the_memory(tmp_path):
    size = 80_000_000
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({size},)}}"
    (tmp_path / "d.npz").write_bytes(archive(header, bytes(size), compression=zipfile.ZIP_DEFLATED, compresslevel=1))
    with pytest.raises(
        FileError, match=r"need more memory than is allowed; expected at most 268,435,456 .*max_bytes=32"
    ):
        npz(tmp_path / "d.npz")
    np.savez(tmp_path / "e.npz", x=np.ones(9))
    with pytest.raises(FileError, match="the key 'train_INPUT' is missing"):  # an uncompressed file is not bounded
        npz(tmp_path / "e.npz", max_bytes=1)


def test_bfloat16_weights_are_named(tmp_path):
    header = b'{"scores/weights": {"dtype": "BF16", "shape": [5, 3], "data_offsets": [0, 30]}}'
    path = tmp_path / "w.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(30))
    runner = graphnet.Runner(parse_model(MODEL.format(4, 3)).graph)
    with pytest.raises(
        FileError, match="scores/weights: the dtype is not supported; expected F32 or F64, received BF16"
    ):
        graphnet.io.load_weights(path, runner)


# ------------------------------------------------------------------ text
@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_text_is_refused_at_once(opening):
    began = time.process_time()
    with pytest.raises(FileError, match="nested more than 512 deep|a key must be plain text|not valid YAML"):
        parse_model(opening * 100_000)
    assert time.process_time() - began < 2  # it was minutes


@pytest.mark.parametrize("loader", [tree.Loader, tree.yaml.SafeLoader])
def test_both_parsers_give_the_same_tree(monkeypatch, loader):
    monkeypatch.setattr(tree, "Loader", loader)
    text = (
        "a: [1, -0, +3, 1_0, 'x', ~, yes, 1.5e+3, .inf, -.inf]\n'b c': {d: |\n"[:-4]
        + ", e: null}\nf:\n  - {}\n  - ''\n"
    )
    text = text.replace("{d, e", "{d: 2, e")
    found = tree.read(text, "t")
    plain = {key: [part.value for part in item.items()] for key, item in found.value.items()}
    assert plain["a"] == [1, 0, 3, 10, "x", None, True, 1500.0, float("inf"), -float("inf")]
    assert str(found.value["f"].value[1].place) == "t:5: f[1]" and found.value["f"].value[1].value == ""
    for wrong in (
        "a: 017",
        "a: 1:30",
        "a: 2001-01-01",
        "a: &x 1\nb: *x",
        "a: !!str 1",
        "a: 1\na: 2",
        "---\na: 1\n---\nb: 2",
    ):
        with pytest.raises((FileError, graphnet.ConfigError)):
            tree.read(wrong, "t")


def test_too_many_values_are_refused():
    with pytest.raises(FileError, match="more than 250,000 values"):
        tree.read("[" + "[]," * 300_000 + "]", "t")


# ------------------------------------------------------------------ deep and long graphs
def nested(depth):
    builder = Builder("m")
    graph = builder.build(FullyConnected(2, 2)(builder.input("x")))
    for _ in range(depth - 1):
        builder = Builder("m")
        graph = builder.build(Subgraph(graph)(builder.input("x", "batch, feature=2"), name="n"))
    return graph


def test_deepest_graph_is_copied_pickled_and_written():
    graph = nested(128)
    assert graph.depth == 128
    layer = next(iter(graph.layers().values()))
    for other in (pickle.loads(pickle.dumps(graph)), copy.deepcopy(graph), parse_model(model_text(graph)).graph):
        assert other == graph and next(iter(other.layers().values())) is not layer
    model = copy.deepcopy(graphnet.Model(graph))
    x = np.array([[1.0, -2.0]])
    np.testing.assert_array_equal(model.predict(x), graphnet.Model(graph).predict(x))
    with pytest.raises(GraphError, match="nested too deeply; expected at most 128 inside each other, received 129"):
        nested(129)


def test_copy_keeps_which_layers_are_shared():
    inner = nested(3)
    part = Subgraph(inner)
    g = Builder("twice")
    graph = g.build(part(part(g.input("x", "batch, feature=2"), name="a"), name="b"))
    for other in (pickle.loads(pickle.dumps(graph)), copy.deepcopy(graph)):
        assert other.nodes["a"].layer is other.nodes["b"].layer
        assert other == graph and len(other.layers()) == 1


def test_ten_thousand_automatic_names():
    builder = Builder("long")
    value = builder.input("x", "batch, feature=2")
    for _ in range(10_000):
        value = value * 2.0
    graph = builder.build(value)
    assert list(graph.nodes)[-1] == "affine_10000"
    assert len(graph.between("affine_3", "affine_10000").nodes) == 9998
