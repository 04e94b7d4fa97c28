"""The pages that tests open in a browser."""

import contextlib
from pathlib import Path

import numpy as np
import pytest

import graphnet
from graphnet import Builder, FullyConnected, Last, Model, Sequential, dense
from graphnet.data.datasets.japanese_vowels import japanese_vowels
from graphnet.models.pages.html import page
from graphnet.models.watching import serve
from graphnet_recurrent import LSTM, lstm_cell
from helpers import hostile

DEMO = Path(__file__).parents[2] / "examples" / "japanese_vowels" / "model.yaml"


def demo():
    """The report of the demo after a short training, with everything that a report can have."""
    if not DEMO.exists():
        pytest.skip("needs the examples")
    data = japanese_vowels()
    model = Model(graphnet.load(DEMO).graph)
    frames = data.train.inputs["frames"][::7]
    names = np.array([f"speaker {y}" for y in data.train.targets[::7]])
    model.fit(frames, names, epochs=4, seed=1, validation=0.25, metrics=["accuracy"], verbose=0)
    return graphnet.report(
        model,
        confusion=model.confusion_matrix(frames, names),
        example=frames[0][:, None],
        worst=3,
        data=(frames, names),
        batch=2,
        steps=5,
    )


def runs():
    """Several runs over each other."""
    rng = np.random.default_rng(2)
    models = []
    for units in (3, 4, 6):
        model = Model(Sequential(FullyConnected(3, units), FullyConnected(units, 2), shape="batch, feature=3"))
        model.fit(rng.normal(size=(8, 3)), rng.integers(0, 2, 8), epochs=units, seed=1, validation=0.25, verbose=0)
        models.append(model)
    return graphnet.report(models, measure=False)


def large():
    """A graph of 1,000 nodes with connections over several of them."""
    g = Builder("large")
    values = [g.input("x", "batch, feature=16")]
    for i in range(750):
        value = dense(values[-1], 16, name=f"dense_{i}")
        values.append(value + values[max(0, len(values) - 6)] if i % 3 == 0 else value)
    graph = g.build(values[-1])
    assert len(graph.nodes) == 1000
    return graphnet.report(graph, measure=False)


def small():
    """A graph whose page is compared with a picture: weights of fixed values."""
    graph = Sequential(LSTM(3, 4, 4), Last(), FullyConnected(4, 2), shape="time, batch, feature=3")
    Model(graph)
    for _, layer in graph.walk():
        for each in layer.params.values():
            each.value = np.linspace(-1, 1, np.size(each.value), dtype=np.float32).reshape(np.shape(each.value))
    return graphnet.report(graph, measure=False)


def hostile_report():
    """Hostile texts wherever a stranger's text may be shown."""
    texts = hostile.HOSTILE
    counts = np.eye(len(texts), dtype=int) + np.eye(len(texts), k=1, dtype=int)
    curve = {"training": [1.0, 0.5], "validation": [1.0, 0.75]}
    example = {"row": 0, "loss": 1.0, "answers": [[text, text, text] for text in texts]}
    data = hostile.block(graphnet.report(hostile.hostile_graph(), measure=False)) | {
        "environment": [[text, text] for text in texts],
        "training": [[text, text, i % 2 == 0] for i, text in enumerate(texts)],
        "test": [[text, 0.5] for text in texts],
        "confusion": {"classes": texts, "counts": counts.tolist()},
        "worst": {"of": 1, "examples": [example | {"inputs": [{"name": t, "shape": [2], "text": t} for t in texts]}]},
        "compared": {
            "runs": [{"name": t, "epochs": 2, "ending": t, "test": [[t, 0.5]], "curves": {t: curve}} for t in texts],
            "differences": [[text, *texts] for text in texts],
        },
    }
    return page(data, data["title"])


MAKERS = {
    "demo": demo,
    "runs": runs,
    "history": lambda: graphnet.report(hostile.hostile_history()),
    "large": large,
    "small": small,
    "trace": lambda: graphnet.trace(lstm_cell(2), example=np.full((3, 1, 2), (1.25, -2.5))),
    "strips": lambda: graphnet.trace(lstm_cell(12), steps=5),
    "hostile": hostile_report,
    "hostile_trace": lambda: graphnet.trace(hostile.hostile_cell(), example=np.ones((2, 1, 2))),
}


class Site:
    """Pages by name, each written once, when it is asked for.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder):
        self.folder, self.texts, self.servers = folder, {}, contextlib.ExitStack()

    def text(self, name):
        if name not in self.texts:
            graphnet.seed(0)
            self.texts[name] = MAKERS[name]()
            (self.folder / f"{name}.html").write_text(self.texts[name], encoding="utf-8")
        return self.texts[name]

    def address(self, name, fragment=""):
        """That of the page as a file."""
        self.text(name)
        return f"{(self.folder / f'{name}.html').as_uri()}{fragment and '#' + fragment}"

    def watched(self, name):
        """That of a server of the page's data, as of `graphnet watch`."""
        data = hostile.block(self.text(name)) | {"live": {"state": "running", "words": "Epoch 2 of 4."}}
        server = self.servers.enter_context(serve(lambda: data))
        server.update()
        return server.address
