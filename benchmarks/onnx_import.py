"""Models written by torch.onnx (both exporters) and skl2onnx, imported by graphnet-onnx, and compared with onnxruntime.

Prints for each file the layers that it became, and the largest difference at batch sizes and lengths that the exporter
has not seen, and at those that it has; some files can run at the latter only::

    python benchmarks/onnx_import.py [NAME …]

Needs torch, onnxscript, scikit-learn, skl2onnx and onnxruntime, and graphnet with its plugins.
"""

from __future__ import annotations

import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from skl2onnx import to_onnx
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, StandardScaler
from torch import nn

from graphnet_onnx import load_with_report

#: (rows, steps) of the comparisons; the exporters see (2, 6).
SIZES = ((1, 2), (2, 6), (3, 4), (5, 9))


class Tagger(nn.Module):
    """A recurrent layer, and a dense layer at each step."""

    def __init__(self, kind: Any, **options: Any) -> None:
        super().__init__()
        self.recurrent = kind(5, 7, **options)
        self.dense = nn.Linear(14 if options.get("bidirectional") else 7, 3)

    def forward(self, x: Any) -> Any:
        return self.dense(self.recurrent(x)[0])


class Classifier(Tagger):
    """A recurrent layer, and a dense layer of its final states."""

    def forward(self, x: Any) -> Any:
        final = self.recurrent(x)[1]
        final = final[0] if isinstance(final, tuple) else final
        return self.dense(torch.cat([final[-2], final[-1]], 1) if self.recurrent.bidirectional else final[-1])


class Encoder(nn.Module):
    """Token ids, a transformer layer, the mean over time."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.layer = nn.Embedding(11, 8), nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.dense = nn.Linear(8, 3)

    def forward(self, ids: Any) -> Any:
        return self.dense(self.layer(self.table(ids)).mean(1))


def torch_models() -> Iterator[tuple[str, Any, Any, dict[int, str]]]:
    """Name, module, an example, and the free axes."""
    sequence, first = torch.randn(2, 6, 5), {0: "batch", 1: "time"}
    yield "lstm", Tagger(nn.LSTM, batch_first=True), sequence, first
    yield "lstm2", Tagger(nn.LSTM, batch_first=True, num_layers=2, dropout=0.1), sequence, first
    yield "lstm_last", Classifier(nn.LSTM, batch_first=True), sequence, first
    yield "lstm_time_first", Tagger(nn.LSTM), torch.randn(6, 2, 5), {0: "time", 1: "batch"}
    yield "bigru", Tagger(nn.GRU, batch_first=True, bidirectional=True), sequence, first
    yield "bigru_last", Classifier(nn.GRU, batch_first=True, bidirectional=True), sequence, first
    yield "rnn", Tagger(nn.RNN, batch_first=True, nonlinearity="relu"), sequence, first
    images, batch = torch.randn(2, 3, 16, 16), {0: "batch"}
    yield "cnn", nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, 4), nn.LogSoftmax(1),
    ), images, batch  # fmt: skip
    yield "cnn2", nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.LeakyReLU(), nn.AvgPool2d(2, padding=1), nn.Flatten(), nn.Dropout(0.5),
        nn.Linear(512, 4), nn.Softmax(1),
    ), images, batch  # fmt: skip
    yield "mlp", nn.Sequential(
        nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 8), nn.Tanh(), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 3),
        nn.Sigmoid(),
    ), torch.randn(2, 6), batch  # fmt: skip
    yield "transformer", Encoder(), torch.randint(0, 11, (2, 6)), first


def sklearn_models() -> Iterator[tuple[str, Any]]:
    """Name and a fitted estimator."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 5)).astype(np.float32)
    two, numbers = (x[:, 0] + x[:, 1] > 0).astype(int), x @ rng.normal(size=5)
    three = np.array(["a", "b", "c"])[(x[:, 0] > 0) + (x[:, 1] > 0) * 1]
    yield "mlp_classifier", MLPClassifier((6, 4), max_iter=40).fit(x, three)
    yield "mlp_two_classes", MLPClassifier((6,), activation="tanh", max_iter=40).fit(x, two)
    yield "mlp_regressor", MLPRegressor(hidden_layer_sizes=(6,), max_iter=40).fit(x, numbers)
    yield "logistic", LogisticRegression().fit(x, two)
    yield "logistic_three", LogisticRegression().fit(x, three)
    yield "pipeline", make_pipeline(StandardScaler(), LogisticRegression()).fit(x, three)
    yield "pipeline_mlp", make_pipeline(StandardScaler(), MLPClassifier((6,), max_iter=40)).fit(x, three)
    yield "normalizer", make_pipeline(Normalizer(), LogisticRegression()).fit(x, three)
    yield "min_max", make_pipeline(MinMaxScaler(), LogisticRegression()).fit(x, two)
    yield "pca", make_pipeline(StandardScaler(), PCA(2), LinearRegression()).fit(x, numbers)
    yield "ridge", Ridge().fit(x, np.stack([numbers, -numbers], 1))


def files(folder: Path) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Name and a function that writes the file."""
    for name, module, example, axes in torch_models():
        module.eval()
        yield (
            f"torchscript {name}",
            lambda path, m=module, x=example, a=axes: torch.onnx.export(
                m, (x,), str(path), input_names=["x"], dynamic_axes={"x": a}, dynamo=False
            ),
        )
        yield f"dynamo {name}", lambda path, m=module, x=example, a=axes: torch.onnx.export(
            m, (x,), str(path), input_names=["x"], dynamic_shapes=(dict.fromkeys(a, torch.export.Dim.AUTO),),
            dynamo=True, external_data=False, verbose=False,
        )  # fmt: skip
    for name, estimator in sklearn_models():
        sample = np.zeros((1, 5), np.float32)
        yield f"skl2onnx {name}", lambda path, e=estimator, s=sample: path.write_bytes(
            to_onnx(e, s).SerializeToString()
        )  # fmt: skip


def compare(path: Path) -> tuple[float, list[str], int]:
    """The largest difference, the kinds of layers, and the number of sizes that onnxruntime could run."""
    model, report = load_with_report(path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    spec = session.get_inputs()[0]
    worst, compared = 0.0, 0
    for rows, steps in SIZES:
        batch = report.batch[spec.name]
        shape = [n if isinstance(n, int) else rows if axis == batch else steps for axis, n in enumerate(spec.shape)]
        rng = np.random.default_rng(rows)
        x = rng.integers(0, 11, shape) if "int" in spec.type else rng.normal(size=shape).astype(np.float32)
        try:
            results = session.run(None, {spec.name: x})
        except Exception:  # the exporter has fixed a size
            continue
        theirs = {
            re.sub(r"\W+", "_", o.name).strip("_"): v for o, v in zip(session.get_outputs(), results, strict=True)
        }
        ours = model.predict(x)
        ours = ours if isinstance(ours, dict) else {next(iter(model.graph.outputs)): ours}
        for name, array in ours.items():
            other = theirs.get(name, theirs.get(name.removeprefix("output_")))
            if isinstance(other, list):  # ZipMap
                other = np.array([list(row.values()) for row in other])
            if other.shape == array.shape:
                worst, compared = max(worst, float(np.abs(other - array).max())), compared + 1
    return worst, [type(node.layer).__name__ for node in model.graph.nodes.values()], compared


def main() -> int:
    """Compare all files, or those whose names contain one of the arguments."""
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    onnxruntime.set_default_logger_severity(4)
    good = total = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, write in files(Path(folder)):
            if sys.argv[1:] and not any(part in name for part in sys.argv[1:]):
                continue
            path = Path(folder) / f"{name.replace(' ', '_')}.onnx"
            write(path)
            total += 1
            try:
                worst, layers, compared = compare(path)
            except Exception as error:
                print(f"{name:28} {type(error).__name__}: {str(error)[:160]}")
                continue
            good += worst <= 1e-5 and compared > 0
            print(f"{name:28} {worst:.1e} at {compared} sizes  {' '.join(layers)[:150]}", flush=True)
    print(f"{good} of {total} files give the numbers of onnxruntime to 1e-5")
    return int(good < total)


if __name__ == "__main__":
    sys.exit(main())
