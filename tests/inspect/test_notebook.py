"""What notebooks show: rich forms beside plain text, everything escaped, all of it valid XML."""

import xml.etree.ElementTree as ElementTree

import pytest

import graphnet
from graphnet import Composite, FullyConnected, Sequential
from graphnet.inspect.notebook import curves
from graphnet.training.history import EpochRecord, History

GRAPH = Sequential(FullyConnected(4, 3), shape="batch, feature=4")


class Twice(Composite):
    """Two dense layers."""

    size: int

    def build(self):
        g = graphnet.Builder("twice")
        return g.build(graphnet.dense(graphnet.dense(g.input("x", f"batch, feature={self.size}"), 3), self.size))


def parsed(html):
    return ElementTree.fromstring(f"<div>{html}</div>")


def cells(html):
    return [["".join(cell.itertext()).strip() for cell in row] for row in parsed(html).iter("tr")]


@pytest.mark.parametrize("thing", [GRAPH, graphnet.Model(GRAPH), Twice(2)], ids=["graph", "model", "layer"])
def test_graphs_are_pictures(thing):
    pytest.importorskip("graphlay")
    bundle = thing._repr_mimebundle_()
    assert bundle["text/plain"] == repr(thing)
    root = ElementTree.fromstring(bundle["image/svg+xml"])
    assert root.tag.endswith("svg")
    assert [text for text in root.itertext() if "FullyConnected" in text]


def test_a_summary_is_a_table():
    bundle = graphnet.summary(GRAPH)._repr_mimebundle_()
    assert cells(bundle["text/html"])[1:] == [
        ["x", "input", "", "(batch, feature=4)", ""],
        ["fully_connected", "FullyConnected", "x", "(batch, feature=3)", "15"],
    ]
    assert "total: 15 parameters" in bundle["text/html"]


def test_a_layer_is_a_table_of_settings_and_weights():
    rows = cells(FullyConnected(4, 3)._repr_mimebundle_()["text/html"])
    assert ["input_size", "4"] in rows and ["weights", "(5, 3), float64"] in rows


def test_a_history_is_a_curve_and_a_table():
    epochs = [EpochRecord(i + 1, 1 / (i + 1), {"<b>": 0.5}, 2 / (i + 1), {"<b>": 0.25}) for i in range(30)]
    html = History(epochs, best_epoch=12)._repr_mimebundle_()["text/html"]
    rows = cells(html)
    assert rows[0][:3] == ["epoch", "loss", "<b>"] and "validation <b>" in rows[0]
    assert [row[0] for row in rows[1:]] == [*"12345", "12", *map(str, range(16, 31))]
    assert "9 epochs are not shown" in html
    lines = list(parsed(html).iter("polyline"))
    assert [len(line.get("points").split()) for line in lines] == [30, 30]
    assert "no epoch was completed" in History()._repr_mimebundle_()["text/html"]


def test_curves_leave_out_what_is_not_finite():
    shown = parsed(curves([("loss", [2.0, float("nan"), None, 1.0])]))
    (line,) = shown.iter("polyline")
    assert line.get("points") == "10.0,10.0 350.0,110.0"
    assert curves([("loss", [float("inf")])]) == ""


def test_an_explanation_has_a_fold_for_each_part():
    explanation = GRAPH.explain()
    bundle = explanation._repr_mimebundle_()
    assert bundle["text/plain"] == str(explanation)
    assert len(list(parsed(bundle["text/html"]).iter("details"))) == len(explanation.parts) == 1
    assert "fully_connected" in bundle["text/html"]
