"""Five kinds of trainings, each a few tenths of a second long, from the command line and from Python."""

from functools import cache

import numpy as np

from graphnet import BatchNormalization, Builder, Dropout, Flatten, FullyConnected, TrainingConfig
from graphnet.callbacks import BestCheckpoints, CSVLog, EarlyStopping
from graphnet.datasets import Stream
from graphnet.losses import CrossEntropy, MeanSquaredError
from graphnet.metrics import Accuracy, MeanAbsoluteError
from graphnet.optimizers import Adam, AdamW, RMSprop, Sgd, SgdWithMomentum
from graphnet_conv import Conv
from graphnet_recurrent import LSTM

RNG = np.random.default_rng(12)
SEQUENCES = [RNG.normal(size=(n, 3)) for n in RNG.integers(1, 9, 24)]
ROWS = RNG.normal(size=(60, 4))
IMAGES = RNG.normal(size=(24, 1, 5, 5))
SERIES = RNG.normal(size=(160, 3))


def _labels(values):
    return (np.asarray(values).reshape(len(values), -1).sum(1) > 0).astype(int)


def _dense():
    g = Builder("dense")
    hidden = BatchNormalization(6)(FullyConnected(4, 6)(g.input("x", "batch, feature=4")))
    return g.build(scores=FullyConnected(6, 2)(Dropout(0.8)(hidden)))


def _recurrent():
    g = Builder("steps")
    return g.build(y=FullyConnected(4, 2)(Dropout(0.9)(LSTM(3, 4, None)(g.input("x", "time, batch, feature=3")))))


def _images():
    g = Builder("images")
    image = g.input("x", "batch, channels=1, y=5, x=5")
    return g.build(scores=FullyConnected(50, 2)(Flatten()(Conv((1, 1), (1, 3, 3), 2)(image))))


def _steps(sequences):
    return [sequence[:, :2] * 0.5 for sequence in sequences]


#: By name: the graph, the settings, and the inputs and targets.
KINDS = {
    "dense": (
        _dense,
        {
            "optimizer": Adam(0.02),
            "metrics": (Accuracy(),),
            "validation": 0.25,
            "schedule": "cosine",
            "patience": 30,
            "callbacks": (
                CSVLog("log/epochs.csv"),
                BestCheckpoints("best", keep=2, monitor="loss"),
                EarlyStopping(8, monitor="validation_accuracy", min_delta=0.01),
            ),
        },
        lambda: (ROWS, _labels(ROWS)),
    ),
    "ragged": (
        _recurrent,
        {"optimizer": AdamW(0.02), "metrics": (MeanAbsoluteError(),), "loss": MeanSquaredError(), "batching": "length"},
        lambda: (SEQUENCES, _steps(SEQUENCES)),
    ),
    "tbptt": (
        _recurrent,
        {"optimizer": RMSprop(0.01), "loss": MeanSquaredError(), "tbptt": (3, 4), "clip_norm": 1.0},
        lambda: (SEQUENCES, _steps(SEQUENCES)),
    ),
    "stream": (
        _recurrent,
        {"optimizer": SgdWithMomentum(0.01), "loss": MeanSquaredError(), "tbptt": (5, 8)},
        lambda: (Stream(SERIES, SERIES[:, :2] * 0.5, batch=4), None),
    ),
    "images": (
        _images,
        {"optimizer": Sgd(0.05), "loss": CrossEntropy(), "schedule": "step", "decay_epochs": 3},
        lambda: (IMAGES, _labels(IMAGES)),
    ),
}
#: Kinds whose data a file holds, so that the command line can train them.
FROM_FILES = tuple(name for name in KINDS if name != "stream")


def graph(kind):
    """The graph of a kind."""
    return KINDS[kind][0]()


def config(kind, **settings):
    """Its settings; a checkpoint after every second update and every epoch."""
    given = {"epochs": 12, "batch_size": 6, "seed": 3, "checkpoint_steps": 2, "checkpoint_epochs": 1, **KINDS[kind][1]}
    return TrainingConfig(**{**given, **settings})


@cache
def data(kind):
    """The inputs and targets; a stream of arrays may be read again."""
    return KINDS[kind][2]()


def write_files(kind, folder):
    """Write the model file and the data of a kind."""
    from graphnet.io import write_model

    inputs, targets = data(kind)
    arrays = {}
    for part in ("train", "test"):
        for name, values in (("x", inputs), ("target", targets)):
            arrays[f"{part}_{name}"] = np.concatenate(values) if isinstance(values, list) else values
            if isinstance(values, list):
                arrays[f"{part}_{name}_lengths"] = np.array([len(sequence) for sequence in values])
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "data.npz", **arrays)
    write_model(folder / "model.yaml", graph(kind), config(kind, data="data.npz"))
