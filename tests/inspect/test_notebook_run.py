"""A notebook, executed: everything that has a picture shows it, and a training run shows its progress."""

import json

import pytest

nbclient = pytest.importorskip("nbclient", reason="nbclient and ipykernel run the notebook")
pytest.importorskip("ipykernel")
pytest.importorskip("graphlay")
nbformat = pytest.importorskip("nbformat")

CELLS = {
    "layer": """
import numpy as np
import graphnet
from graphnet import FullyConnected, Last, Model, Sequential
from graphnet_recurrent import LSTM
rng = np.random.default_rng(0)
x, y = rng.normal(size=(5, 30, 3)), rng.integers(0, 2, 30)
FullyConnected(3, 2)
""",
    "graph": "graph = Sequential(LSTM(3, 4, 4), Last(), FullyConnected(4, 2), shape='time, batch, feature=3')\ngraph",
    "model": "model = Model(graph)\nmodel",
    "fit": "history = model.fit(x, y, epochs=2, seed=1, verbose=True)",
    "history": "history",
    "curves": "history.plot()",
    "matrix": "model.confusion_matrix(x, y).plot()",
    "summary": "graphnet.summary(model)",
    "explanation": "graphnet.explain(model, batch=2, steps=3)",
}
#: What is shown, and a text in it.
SHOWN = {
    "layer": ("text/html", "FullyConnected"),
    "graph": ("image/svg+xml", "lstm"),
    "model": ("image/svg+xml", "lstm"),
    "history": ("text/html", "loss"),
    "curves": ("image/png", ""),
    "matrix": ("image/png", ""),
    "summary": ("text/html", "lstm"),
    "explanation": ("text/html", "details"),
}


#: What Jupyter and VS Code show without an extension.
KINDS = {"text/plain", "text/html", "image/svg+xml", "image/png"}


@pytest.mark.slow
def test_a_notebook_shows_everything():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS.values()])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs = dict(zip(CELLS, (cell["outputs"] for cell in notebook["cells"]), strict=True))
    for name, (kind, text) in SHOWN.items():
        (shown,) = [each for each in outputs[name] if each["output_type"] == "execute_result"]
        assert kind in shown["data"], (name, list(shown["data"]))
        assert text in shown["data"][kind] and shown["data"]["text/plain"], name
        assert set(shown["data"]) <= KINDS and "<script" not in json.dumps(shown), name
    (progress,) = outputs["fit"]  # one output, whose text was replaced
    assert list(progress["data"]) == ["text/plain"]
    bar, ending = progress["data"]["text/plain"].splitlines()
    assert bar.startswith("epoch 2/2  [########################]  loss "), bar
    assert "training loss" in ending
