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


def test_unusual_histories_can_be_read():
    nan, inf = float("nan"), float("inf")
    lost = History(
        [EpochRecord(i + 1, loss, {}, val) for i, (loss, val) in enumerate([(2.0, 1.0), (nan, inf), (inf, 1.5)])]
    )
    (axes,) = lost.plot("loss").axes
    crosses = {line.get_label(): list(line.get_xdata()) for line in axes.lines if "not finite" in line.get_label()}
    assert crosses == {"training, not finite": [2, 3], "validation, not finite": [2]}
    assert lines(axes)["validation"] == pytest.approx([1.0, nan, 1.5], nan_ok=True) and axes.get_yscale() == "linear"
    one = History([EpochRecord(7, 2.0)], best_epoch=7).plot()
    one.canvas.draw()
    low, high = one.axes[0].get_xlim()
    assert [tick for tick in one.axes[0].get_xticks() if low <= tick <= high] == [7]
    falling = History([EpochRecord(i + 1, 1e6 / (i + 1) ** 8) for i in range(6)]).plot()
    assert falling.axes[0].get_yscale() == "log"
    many = History([EpochRecord(i + 1, 1.0, {f"m{k}": 1.0 for k in range(6)}) for i in range(2)]).plot()
    assert [each.get_ylabel() for each in many.axes[:7]] == ["loss", *(f"m{k}" for k in range(6))]
    assert many.get_figwidth() < 16 and many.get_figheight() > 10 and not many.axes[8].axison
    assert "validation" not in lines(History([EpochRecord(1, 1.0)]).plot("learning_rate").axes[0])


def test_names_and_counts_fit_into_the_picture():
    matrix = ConfusionMatrix(["n" * 40, "a\nb"])
    matrix.update(np.eye(2)[[0, 1]], [0, 1])
    matrix.counts[:] = [[1_234_567, 3], [250_000, 99_999]]
    axes = matrix.plot().axes[0]
    assert [t.get_text() for t in axes.texts] == ["1.2M", "3", "250k", "99999"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["n" * 23 + "…", "a b"]


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
