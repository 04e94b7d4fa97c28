"""A page answers at a glance: which gate saturates, where the gradient vanishes, what takes the time, which classes are
confused, which plugin brought a layer; and it shows equations."""

import numpy as np
import pytest

import graphnet
from graphnet import Builder, FullyConnected, Last, Model, Sequential
from graphnet.metrics import ConfusionMatrix
from graphnet_activations import SoftMax
from graphnet_recurrent import LSTM, RNN

pytestmark = pytest.mark.slow

GLANCE = (
    "return Object.fromEntries([...document.querySelectorAll('table.glance tr')]"
    ".filter(row => row.children.length > 1)"
    ".map(row => [row.children[0].textContent, row.children[1].textContent.replaceAll('\\u00a0', ' ')]))"
)


def changed(graph, change):
    Model(graph)
    for path, layer in graph.walk():
        for name, parameter in layer.params.items():
            parameter.value = change(path, name, np.array(parameter.value))
    return graph


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("findings")

    def write(name, graph, **options):
        (folder / name).write_text(graphnet.report(graph, **options), encoding="utf-8")
        return f"file://{folder / name}"

    return write


@pytest.mark.parametrize("width", [1280, 390])
def test_a_saturated_gate_and_confused_classes_are_named(chromium, address, width):
    def change(path, name, value):
        if path.endswith("forget_gate"):
            value[-1] = 30.0
        return value * 0.01 if path.endswith("candidate") else value

    graph = Sequential(LSTM(3, 4, None), Last(), FullyConnected(4, 3), SoftMax(), shape="time, batch, feature=3")
    counts = np.array([[50, 1, 0], [9, 41, 0], [0, 2, 48]])
    confusion = ConfusionMatrix(("ant", "bee", "cat"))
    confusion.counts = counts
    example = np.random.default_rng(0).normal(size=(12, 1, 3))
    options = {"example": example, "confusion": confusion}
    chromium.open(address("gate.html", changed(graph, change), **options), width)
    found = chromium.run(GLANCE)
    assert found["Saturated gate"] == (
        "lstm/scan/forget_gate_sigmoid: 0 % of its values are below 0.05, 100 % above 0.95"
        " (a gate is called saturated from 50 % on, for the example)"
    )
    assert found["Gradient over time"].startswith("does not vanish")
    assert found["Confused classes"] == (
        "bee is most often taken for ant: 9 of 50 examples; then cat for bee, 2 of 50. 139 of 151 are right"
    )
    words = chromium.run("return document.querySelector('table.glance').innerText")
    assert "graphnet-recurrent" in words and "brought LSTM, Sigmoid, TanH: " in words
    chromium.click("table.glance button")
    assert chromium.run("return document.querySelector('aside h2').textContent") == "lstm/scan/forget_gate_sigmoid"
    assert chromium.errors() == []


def test_a_vanishing_gradient_and_a_slow_node_are_named(chromium, address):
    def change(path, name, value):
        return value * (0.01 if "encoder" in path else 1.0)

    g = Builder("vanish")
    encoded = RNN(3, 4, None)(g.input("x", "time, batch, feature=3"), name="encoder")
    wide = FullyConnected(4, 30_000)(Last()(encoded), name="wide")
    graph = changed(g.build(scores=FullyConnected(30_000, 2)(wide, name="scores")), change)
    example = np.random.default_rng(0).normal(size=(9, 1, 3))
    chromium.open(address("vanish.html", graph, example=example))
    found = chromium.run(GLANCE)
    assert found["Vanishing gradient"].startswith("in encoder/scan: at the first step its norm is ")
    assert "below 1/1000 of it up to step" in found["Vanishing gradient"] and "9 steps" in found["Vanishing gradient"]
    assert found["Slowest, compiled"].startswith(("wide", "scores"))
    assert found["Saturated gates"].startswith("none; most of all encoder/scan/")


def test_an_lstm_shows_its_six_equations(chromium, address):
    graph = Sequential(LSTM(3, 4, None), shape="time, batch, feature=3")
    chromium.open(address("lstm.html", graph, measure=False) + "#node=lstm")
    shown = chromium.run(
        "return [...document.querySelectorAll('.equation')].map(each => each.getAttribute('aria-label'))"
    )
    assert shown[:6] == [line.code for line in graphnet.equations(graph).sections[0].lines]
    assert chromium.run("return document.querySelector('.equation math').namespaceURI").endswith("MathML")
    text = chromium.run("return document.querySelectorAll('.equation')[4].textContent")
    assert text == "ct=forget_gate_sigmoidt⊙ct−1+input_gate_sigmoidt⊙candidate_tanht"
    assert chromium.run("return document.querySelectorAll('.equation msub, .equation mo').length") > 30


def test_nodes_that_run_together_say_so(chromium, address):
    graph = Sequential(*[FullyConnected(3, 3), SoftMax()] * 2, shape="batch, feature=3")
    chromium.open(address("group.html", graph) + "#node=soft_max")
    words = chromium.run("return document.querySelector('aside').innerText")
    assert "compiled, as part of fully_connected … " in words
    assert "Compiler: fully_connected … " in words
    assert "multiply-adds" in words and "saved for backward" in words
