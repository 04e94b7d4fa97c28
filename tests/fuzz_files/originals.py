"""Whole files of every kind that graphnet reads, as bytes, to be damaged."""

from __future__ import annotations

import functools
import io
import struct
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import yaml

import graphnet
from graphnet.core.describe.cell import Cell
from graphnet.io import model_text
from graphnet.models.train_file import prepare
from graphnet.training.config import TrainingConfig

MODELS = (
    """\
format: graphnet/1
name: dense
inputs: {x: "batch, feature=4"}
nodes:
  hidden: {layer: FullyConnected, with: {input_size: 4, output_size: 6, bias: 1.0}, inputs: x}
  drop: {layer: Dropout, with: {probability: 0.5}, inputs: hidden}
  norm: {layer: BatchNormalization, with: {channels: 6}, inputs: drop}
  again: {shares: norm, inputs: norm}
  last: {layer: FullyConnected, with: {input_size: 6, output_size: 3}, inputs: again}
outputs: {scores: last}
training:
  data: data.npz
  loss: {CrossEntropy: {label_smoothing: 0.1}}
  optimizer: {Adam: {learning_rate: 5.0e-2, mu: 0.9}}
  regularizer: {L2_Regularizer: {alpha: 0.001}}
  metrics: [Accuracy]
  epochs: 30
  tbptt: [5, 10]
""",
    """\
format: graphnet/1
name: sums
inputs:
  x: time, batch, feature=2
  extra: {shape: "batch, feature=2", optional: true}
nodes:
  sums:
    scan:
      cell:
        name: sum
        sequences: [x]
        states: [s]
        inputs: {x: null, s: "batch, feature=2"}
        nodes:
          add: {layer: Add, inputs: [x, s]}
          dense: {layer: FullyConnected, with: {input_size: 2, output_size: 2}, inputs: add}
        outputs: {y: dense, s: dense}
      reverse: false
      bptt_length: 7
    inputs: [x, extra]
  inner:
    graph:
      inputs: {v: null}
      nodes: {one: {layer: LayerNormalization, with: {size: 2}, inputs: v}}
      outputs: {w: one}
    inputs: sums
outputs: {every: inner, last: sums.s}
training: {loss: {every: MeanSquaredError}, weights_initializer: {He: {}}, epochs: 2}
""",
)


#: A model for the data below.
TRAINING = """\
format: graphnet/1
inputs: {x: "time, batch, feature=2", z: "batch, feature=2"}
nodes:
  mean: {layer: MeanOverTime, inputs: x}
  both: {layer: Concatenate, inputs: [mean, z]}
  hidden: {layer: FullyConnected, with: {input_size: null, output_size: 5}, inputs: both}
  last: {layer: FullyConnected, with: {input_size: 5, output_size: 2}, inputs: hidden}
outputs: {scores: last}
training: {loss: CrossEntropy, optimizer: {Sgd: {learning_rate: 0.1}}, metrics: [Accuracy], epochs: 3, validation: 0.3}
"""


def npz(arrays: dict[str, np.ndarray], compressed: bool) -> bytes:
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **arrays)
    return buffer.getvalue()


@functools.cache
def originals() -> dict[str, tuple[bytes, ...]]:
    """The files of each kind."""
    rng = np.random.default_rng(0)
    series = io.BytesIO()
    np.save(series, rng.normal(size=(40, 3)))
    inputs = {"x": rng.normal(size=(6, 2)), "x_lengths": np.array([4, 2])}
    weights, state = _run_files()
    return {
        "model": tuple(text.encode() for text in MODELS),
        "run": (model_text(recurrent()).encode(),),
        "training": (TRAINING.encode(),),
        "npz": (_data(False), _data(True)),
        "inputs": (npz(inputs, False), npz(inputs, True)),
        "series": (series.getvalue(),),
        "weights": (weights,),
        "state": (state,),
        "manifest": (checkpointed()["manifest.json"],),
        "progress": (checkpointed()["training.json"],),
        "moments": (checkpointed()["training.safetensors"],),
    }


@functools.cache
def checkpointed() -> dict[str, bytes]:
    """The files of the last checkpoint of a run that can be resumed, and its ``model.yaml``."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.yaml").write_text(TRAINING)
        data = folder / "data.npz"
        data.write_bytes(_data(False))
        prepare(folder / "model.yaml", output=folder / "run", data=str(data)).run()
        last = max((folder / "run" / "checkpoints").iterdir())
        files = {path.name: path.read_bytes() for path in last.iterdir()}
        return {**files, "model.yaml": (folder / "run" / "model.yaml").read_bytes(), "name": last.name.encode()}


def _data(compressed: bool) -> bytes:
    """Data for the model that is trained."""
    rng = np.random.default_rng(1)
    part = {
        "x": rng.normal(size=(5, 2)).astype(np.float32),
        "x_lengths": np.array([3, 0, 2]),
        "z": rng.integers(0, 9, (3, 2)),
        "target": np.array([0, 1, 1]),
    }
    data = {f"{split}_{key}": value for split in ("train", "test") for key, value in part.items()}
    return npz({**data, "classes": np.array(["no", "yes"])}, compressed)


def recurrent() -> graphnet.Graph:
    """The graph to which the weights, the state and the inputs belong."""
    cell = Cell("sum", sequences={"x": 2}, states={"s": 2})
    y = graphnet.FullyConnected(2, 2)(cell.x + cell.s, name="dense")
    cell_graph = cell.build(y=y, s=y)
    g = graphnet.Builder("sums")
    return g.build(y=graphnet.Scan(cell_graph)(g.input("x", "time, batch, feature=2"), name="sums"))


def _run_files() -> tuple[bytes, bytes]:
    with TemporaryDirectory() as folder:
        model = graphnet.Model(recurrent(), TrainingConfig(loss=graphnet.losses.MeanSquaredError()))
        model.predict(np.ones((3, 2, 2), np.float32), stateful=True)
        model.reset_state([1])
        model.save(Path(folder) / "run")
        return tuple((Path(folder) / "run" / f"{n}.safetensors").read_bytes() for n in ("weights", "state"))


# ---------------------------------------------------------------------- parts, for damage with valid checksums
def unzipped(data: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def zipped(members: list[tuple[str, bytes]], compressed: bool) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def npy(header: str, body: bytes, version: int = 1) -> bytes:
    text = header.encode("latin1", "replace")
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + struct.pack("<H" if version == 1 else "<I", len(text) & 0xFFFF)
        + text
        + body
    )


def tree(text: bytes) -> object:
    return yaml.safe_load(text)
