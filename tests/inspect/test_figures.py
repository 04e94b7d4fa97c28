"""Learning curves and confusion matrices as figures of matplotlib."""

import pickle
import sys

import numpy as np
import pytest

from graphnet import ConfigError, PluginError, UnknownNameError
from graphnet.inspect.figures import plot_confusion_matrix, plot_history
from graphnet.metrics import ConfusionMatrix
from graphnet.training.history import EpochRecord, History

figure_class = pytest.importorskip("matplotlib.figure").Figure


def history():
    records = [
        EpochRecord(i + 1, 2.0 / (i + 1), {"accuracy": 0.2 * i, "$x_1": 1.0}, 1.5, {"accuracy": 0.1 * i}, 0.1, 3.0 - i)
        for i in range(3)
    ]
    return History(records, best_epoch=2)


def lines(axes):
    return {line.get_label(): list(line.get_ydata()) for line in axes.lines}


def test_the_curves_are_those_of_the_history():
    before = "matplotlib.pyplot" in sys.modules
    figure = history().plot(title="a $ b")
    assert isinstance(figure, figure_class) and ("matplotlib.pyplot" in sys.modules) is before
    loss, accuracy, odd = figure.axes
    assert [each.get_ylabel() for each in figure.axes] == ["loss", "accuracy", "$x 1"]
    assert lines(loss)["training"] == [2.0, 1.0, 2 / 3] and lines(loss)["validation"] == [1.5] * 3
    assert lines(accuracy)["validation"] == [0.0, 0.1, 0.2] and "validation" not in lines(odd)
    assert lines(loss)["best epoch (2)"] == [0, 1]
    assert figure._repr_png_()[:4] == b"\x89PNG"
    assert pickle.loads(pickle.dumps(figure)).axes[0].get_ylabel() == "loss"
    (norm,) = history().plot("gradient_norm").axes
    assert lines(norm)["training"] == [3.0, 2.0, 1.0]
    with pytest.raises(UnknownNameError, match="accuracy"):
        plot_history(history(), ["acuracy"])
    for wrong in (History(), {"loss": [1]}):
        with pytest.raises(ConfigError):
            plot_history(wrong)
    with pytest.raises(ConfigError, match="no figure"):
        plot_history(history(), [])


def test_the_cells_are_those_of_the_matrix():
    matrix = ConfusionMatrix(["cat", "$dog$", "eel"])
    with pytest.raises(ConfigError, match="no confusion matrix"):
        matrix.plot()
    matrix.update(np.eye(3)[[0, 1, 1, 2, 0]], [0, 0, 1, 2, 2])
    axes, *_ = matrix.plot().axes
    found = {(int(t.get_position()[1]), int(t.get_position()[0])): t.get_text() for t in axes.texts}
    assert found == {(i, j): str(matrix.counts[i, j]) for i in range(3) for j in range(3)}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "$dog$", "eel"]
    np.testing.assert_array_equal(axes.images[0].get_array(), [[0.5, 0.5, 0], [0, 1, 0], [0.5, 0, 0.5]])
    shares = plot_confusion_matrix(matrix, normalized=True)
    assert [t.get_text() for t in shares.axes[0].texts[:3]] == ["50", "50", "0"]
    assert shares._repr_png_()[:4] == b"\x89PNG"
    large = ConfusionMatrix()
    large.update(np.eye(120), np.arange(120))
    assert not large.plot().axes[0].texts and len(large.plot().axes[0].get_xticks()) <= 50


def test_without_matplotlib_an_error_names_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PluginError, match="pip install matplotlib"):
        history().plot()
