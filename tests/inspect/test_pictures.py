"""Pictures: what they contain, and that boxes, lines and labels keep clear of each other."""

import itertools
import random
import re
import struct
import sys
import xml.etree.ElementTree as ElementTree

import pytest
from click.testing import CliRunner

import graphnet
import graphnet_recurrent
from graphnet import Builder, ConfigError, FullyConnected, Last, PluginError, Scan, Sequential, dense
from graphnet.cli import main
from graphnet.core.describe.graph import subgraph
from graphnet.inspect.drawing import draw, place
from graphnet.inspect.drawing.lettering import width
from graphnet.inspect.exporters import dot, mermaid, pictures, png, svg

SVG = "{http://www.w3.org/2000/svg}"
LSTM = graphnet_recurrent.LSTM(4, 8, 8)


def lstm():
    return Sequential(LSTM, Last(), FullyConnected(8, 3), shape="time, batch, feature=4")


def random_graph(nodes, seed):
    draw_from = random.Random(seed)
    g = Builder("random")
    values = [g.input("x", "batch, feature=6"), g.input("z", "batch, feature=6")]
    shared = FullyConnected(6, 6)
    for i in range(nodes):
        a, b = draw_from.choices(values[-7:], k=2)
        values.append([a + b, dense(a, 6, name=f"dense_{i}"), shared(b, name=f"shared_{i}")][i % 3])
    return g.build(first=values[-1], second=values[-2] * values[0])


def test_a_drawing_opens_a_recurrent_layer_down_to_each_gate():
    drawing = draw(graphnet.summary(lstm()))
    boxes = {box.path: box for box in drawing.walk()}
    expected = {path for path, _ in lstm().walk()}
    assert {path for path, box in boxes.items() if box.role == "node"} == expected
    assert boxes["lstm/scan/forget_gate"].parameters == (8 + 4 + 1) * 8
    assert boxes["lstm/scan/<h"].role == "state" and boxes["lstm/scan/>c"].role == "next state"
    assert boxes["lstm/scan/<x"].shape == "batch, feature=4"
    inner = boxes["lstm/scan"].inner
    numbers = {box.name: i for i, box in enumerate(inner.boxes) if box.role == "node"}
    labels = {(line.source, line.target): line.label for line in inner.lines}
    assert labels[numbers["concatenate"], numbers["forget_gate"]] == "batch, feature=12"


def test_shared_frozen_and_reversed_layers_are_marked():
    g = Builder("marks")
    x = g.input("x", "time, batch, feature=4")
    shared = FullyConnected(4, 4, trainable=False)
    backwards = graphnet_recurrent.GRU(4, 5, 6, reverse=True)
    graph = g.build(backwards(shared(shared(x, name="one"), name="two")))
    boxes = {box.path: box for box in draw(graphnet.summary(graph)).walk()}
    assert boxes["two"].shared == "one" and boxes["one"].shared == ""
    assert "frozen" in boxes["one"].note
    assert [box.note for box in boxes.values() if box.kind == "Scan"] == ["reversed"]


def overlap(a, b, room=0.0):
    return (
        a[0] + a[2] - room > b[0]
        and b[0] + b[2] - room > a[0]
        and a[1] + a[3] - room > b[1]
        and b[1] + b[3] - room > a[1]
    )


def on_border(point, box, room=0.3):
    def inside(room):
        return all(low - room <= p <= low + size + room for p, low, size in zip(point, box[:2], box[2:], strict=True))

    return inside(room) and not inside(-room)


def frames(placed):
    return [(p.x, p.y, p.width, p.height) for p in placed.boxes]


def levels(placed):
    yield placed
    for each in placed.boxes:
        if each.inner is not None:
            yield from levels(each.inner)


def cell_graph(name):
    return Sequential(Scan(graphnet_recurrent.cell_named(name, 4)), shape="time, batch, feature=4")


@pytest.mark.parametrize(
    "graph",
    [lstm(), random_graph(30, 1), random_graph(90, 2), cell_graph("delta_net"), cell_graph("s5")],
    ids=["lstm", "30", "90", "delta_net", "s5"],
)
def test_nothing_overlaps(graph):
    pytest.importorskip("graphlay")
    whole = place(draw(graphnet.summary(graph)), lambda box: True)
    for placed in levels(whole):
        boxes = frames(placed)
        assert not [pair for pair in itertools.combinations(boxes, 2) if overlap(*pair)]
        assert all(
            x >= 0 and y >= 0 and x + w <= placed.width + 0.2 and y + h <= placed.height + 0.2 for x, y, w, h in boxes
        )
        for line, points in zip(placed.drawing.lines, placed.lines, strict=True):
            source, target = boxes[line.source], boxes[line.target]
            assert on_border(points[0], source) and on_border(points[-1], target)
            others = [box for i, box in enumerate(boxes) if i not in (line.source, line.target)]
            for a, b in itertools.pairwise(points):
                piece = (min(a[0], b[0]), min(a[1], b[1]), abs(a[0] - b[0]), abs(a[1] - b[1]))
                assert not [box for box in others if overlap(piece, box, 0.5)]
        for each in placed.boxes:
            if each.inner is not None:
                assert each.inner.width <= each.width and each.inner.height < each.height
        count = sum(not line.repeated and bool(line.label) for line in placed.drawing.lines)
        assert sum(label is not None for label in placed.labels) == count
        labels = {
            i: (at[0] - width(line.label, 10) / 2, at[1] - 6.0, width(line.label, 10), 12.0)
            for i, (line, at) in enumerate(zip(placed.drawing.lines, placed.labels, strict=True))
            if at is not None and not line.port
        }
        assert not [pair for pair in itertools.combinations(labels.values(), 2) if overlap(*pair)]
        assert not [box for box in boxes for label in labels.values() if overlap(label, box)]
        for i, (x, y, w, h) in labels.items():  # a label is near its line
            points = placed.lines[i]
            near = [
                (min(a[0], b[0]), min(a[1], b[1]), abs(a[0] - b[0]), abs(a[1] - b[1]))
                for a, b in itertools.pairwise(points)
            ]
            assert any(overlap((x - 8, y - 8, w + 16, h + 16), piece) for piece in near), placed.drawing.lines[i]


def test_an_svg_has_every_name_and_no_script():
    pytest.importorskip("graphlay")
    g = Builder('<script>alert("1")</script>\x00')
    graph = g.build(lstm_of(g))
    root = ElementTree.fromstring(svg(graph))
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    for path, _ in graph.walk():
        assert [text for text in texts if text.startswith(path.rpartition("/")[2])], path
    assert "".join(root.find(f"{SVG}title").itertext()).startswith("<script>alert")
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg", "title", "defs", "marker", "path", "rect", "g", "text", "tspan",
    }  # fmt: skip
    assert "batch, feature=12" in texts
    assert graph.to_svg() == svg(graph) == svg(graph, depth=9)


def lstm_of(g):
    return LSTM(g.input("x", "time, batch, feature=4"), name="memory")


def test_depth_closes_composites():
    pytest.importorskip("graphlay")
    texts = [lstm().to_svg(depth=depth) for depth in (0, 1, 2)]
    assert ["output_layer" in text for text in texts] == [False, True, True]
    assert ["forget_gate" in text for text in texts] == [False, False, True]
    assert [mermaid(lstm(), depth=depth).count("subgraph") for depth in (0, 1, 2, None)] == [0, 1, 2, 2]
    assert [dot(lstm(), depth=depth).count("subgraph") for depth in (0, 1, 2, None)] == [0, 1, 2, 2]
    for wrong in (-1, 1.5, "2", True):
        for form in (svg, dot, mermaid):
            with pytest.raises(ConfigError, match="depth must be a non-negative integer"):
                form(lstm(), depth=wrong)


def test_dot_connects_the_boxes_that_it_has():
    text = dot(lstm())
    assert text.count("{") == text.count("}")
    boxes = set(re.findall(r"^\s*(n[\d_]+) \[", text, re.MULTILINE))
    ends = set(re.findall(r"\bn\d[\d_]*\b", " ".join(line for line in text.splitlines() if "->" in line)))
    inner = [layer for _, layer in lstm().walk() if subgraph(layer) is None]
    assert len(boxes) > len(inner) and ends <= boxes
    hostile = Builder('a"] ; evil [label="')
    assert dot(hostile.build(dense(hostile.input("x", "batch, f=2"), 2))).startswith('digraph "a\\"] ; evil')


def test_a_png_is_as_large_as_its_svg_and_not_blank(monkeypatch):
    pytest.importorskip("graphlay")
    pytest.importorskip("resvg_py")
    picture = png(lstm(), depth=0, zoom=1)
    root = ElementTree.fromstring(svg(lstm(), depth=0))
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    size = struct.unpack(">2I", picture[16:24])
    assert size == pytest.approx((float(root.get("width")), float(root.get("height"))), abs=1)
    assert len(picture) > 4000
    with pytest.raises(ConfigError, match="too large.*at most 64,000,000 pixels"):
        png(random_graph(60, 3), zoom=16)
    with pytest.raises(ConfigError, match="not a zoom"):
        png(lstm(), zoom=0)
    monkeypatch.setattr(pictures, "LARGEST", int(1.5**2 * size[0] * size[1]))
    assert struct.unpack(">2I", png(lstm(), depth=0)[16:24]) == pytest.approx([1.5 * n for n in size], rel=0.02)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text(
        "format: graphnet/1\nname: m\ninputs: {x: 'time, batch, feature=4'}\nnodes:\n"
        "  memory: {layer: LSTM, with: {input_size: 4, hidden_size: 3, output_size: 2}, inputs: x}\n"
        "outputs: {y: memory}\n"
    )
    return path


def test_draw_writes_each_kind_of_file(model, tmp_path):
    pytest.importorskip("graphlay")
    pytest.importorskip("resvg_py")
    starts = {"a.svg": b"<svg", "a.png": b"\x89PNG", "a.mmd": b"flowchart", "a.dot": b"digraph"}
    for name, start in starts.items():
        result = CliRunner().invoke(main, ["draw", str(model), "--depth", "1", "-o", str(tmp_path / name)])
        assert result.exit_code == 0, result.output
        data = (tmp_path / name).read_bytes()
        assert data.startswith(start) and (name == "a.png" or (b"output_layer" in data and b"forget" not in data))
    printed = CliRunner().invoke(main, ["draw", str(model), "-o", "-"])
    assert printed.output.startswith("<svg") and "forget_gate" in printed.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "name a file"),
        (["-o", "a.gif"], "expected a file that ends in .svg"),
        (["-o", "a.svg", "--zoom", "2"], "--zoom is for PNG files"),
        (["-o", "a.svg", "--depth", "-1"], "-1 is not in the range"),
        (["-o", "there.svg"], "--force"),
    ],
)
def test_draw_refuses(model, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.svg").write_text("precious")
    result = CliRunner().invoke(main, ["draw", str(model), *options])
    assert result.exit_code == 2 and message in result.output
    assert (tmp_path / "there.svg").read_text() == "precious"


def test_without_graphlay_there_is_an_error_and_notebooks_show_text(monkeypatch):
    monkeypatch.setitem(sys.modules, "graphlay", None)
    with pytest.raises(PluginError, match="need graphlay.*pip install 'graphlay"):
        random_graph(4, 4).to_svg()
    assert list(random_graph(4, 4)._repr_mimebundle_()) == ["text/plain"]
