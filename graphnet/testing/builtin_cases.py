"""The cases of graphnet's own layers; the tests of all layers use them as well."""

from __future__ import annotations

import numpy as np

from graphnet.layers import (
    Add,
    Affine,
    BatchNormalization,
    Concatenate,
    Dropout,
    Embedding,
    Flatten,
    FullyConnected,
    Last,
    LayerNormalization,
    MeanOverTime,
    Multiply,
    Reshape,
    Split,
    Standardize,
    Subtract,
)
from graphnet.testing.case import Case

ROWS, SEQUENCE = "batch=4, feature=3", "time=5, batch=3, feature=2"
IMAGE, SIGNAL = "batch=3, channel=2, y=3, x=4", "batch=3, channel=2, x=4"
TOKENS = np.array([[0, 4, 4], [1, 4, 0]])

CASES = [
    Case(FullyConnected, {"input_size": 3, "output_size": 5}, ROWS, refused=[{"output_size": 0}]),
    Case(FullyConnected, {"input_size": None, "output_size": 4}, SEQUENCE),
    Case(FullyConnected, {"input_size": 3, "output_size": 5, "bias": False}, ROWS),
    Case(FullyConnected, {"input_size": 2, "output_size": 1, "bias": 1.0}, SEQUENCE),
    Case(BatchNormalization, {}, ROWS),
    Case(BatchNormalization, {"channels": 2, "epsilon": 0.1}, SEQUENCE),
    Case(BatchNormalization, {"channels": 2}, IMAGE),
    Case(BatchNormalization, {"momentum": 0.5}, SIGNAL),
    Case(BatchNormalization, {"channels": 3}, "time=4, batch=2, channel=3, y=2, x=2"),
    Case(LayerNormalization, {}, ROWS),
    Case(LayerNormalization, {"size": 2, "epsilon": 0.3}, SEQUENCE),
    Case(Dropout, {"probability": 0.6}, ROWS, refused=[{"probability": 0.0}, {"probability": 1.5}]),
    Case(Dropout, {"probability": 1.0}, IMAGE, disclaims={"random", "unbiased"}),
    Case(Embedding, {"count": 5, "size": 3}, TOKENS),
    Case(
        Standardize,
        {"mean": (0.5, -1.0), "scale": (2.0, 0.25)},
        SEQUENCE,
        refused=[{"scale": (1.0,)}, {"scale": (1.0, 0.0)}],
    ),
    Case(Flatten, {}, IMAGE),
    Case(Flatten, {}, "time=2, batch=3, channel=2, y=1, x=2"),
    Case(Reshape, {"shape": (4, -1)}, IMAGE),
    Case(Reshape, {"shape": (1, 2)}, SEQUENCE),
    Case(Reshape, {"shape": (-1,)}, "time=2, batch=3, channel=2, x=3"),
    Case(Add, {}, [ROWS, ROWS, ROWS]),
    Case(Add, {}, [ROWS, "batch=4, feature=1", "batch=1, feature=3"]),
    Case(Subtract, {}, [SEQUENCE, "batch=3, feature=2"]),
    Case(Multiply, {}, [ROWS, ROWS, ROWS]),
    Case(Multiply, {}, [SEQUENCE, "batch=3, feature=1"]),
    Case(Affine, {"scale": -2.0, "shift": 0.5}, IMAGE),
    Case(Affine, {}, ROWS),
    Case(Concatenate, {}, [ROWS, "batch=4, feature=2", "batch=4, feature=1"]),
    Case(Concatenate, {"axis": 1}, [IMAGE, "batch=3, channel=1, y=3, x=4"]),
    Case(Split, {"parts": 3}, ROWS),
    Case(Split, {"parts": (1, 2)}, ROWS),
    Case(Split, {"parts": 2, "axis": 1}, IMAGE),
    Case(Split, {"parts": 1}, ROWS),
    Case(Split, {"parts": (1, 2, 1), "axis": -1}, "time=3, batch=2, feature=4"),
    Case(Last, {}, SEQUENCE),
    Case(Last, {}, "time=5, feature=2"),
    Case(Last, {}, "time=3, batch=2, channel=2, x=3"),
    Case(MeanOverTime, {}, SEQUENCE),
    Case(MeanOverTime, {}, "time=3, batch=2, channel=2, x=3"),
    Case(MeanOverTime, {}, "time=5, feature=2"),
]
