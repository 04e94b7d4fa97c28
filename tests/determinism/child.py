"""Trains a small model in both dtypes, in a process of its own: python child.py OUTPUT.npz BACKEND THREADS."""

import sys

import numpy as np

from graphnet import Builder, Dropout, FullyConnected, Trainer, TrainingConfig
from graphnet.losses import CrossEntropy
from graphnet.optimizers import Adam
from graphnet_recurrent import LSTM


def main(output: str, backend: str, threads: str) -> None:
    found = {}
    for dtype in ("float32", "float64"):
        x, labels = data(dtype)
        g = Builder("g")
        h = FullyConnected(64, 128, dtype=dtype)(g.input("x", "time, batch, feature=64"))
        h = Dropout(0.8)(LSTM(128, 32, None, dtype=dtype)(h))
        graph = g.build(y=FullyConnected(32, 5, dtype=dtype)(h))
        config = TrainingConfig(
            loss=CrossEntropy(), optimizer=Adam(1e-3), epochs=1, batch_size=32, dtype=dtype, backend=backend, seed=7,
            threads=None if threads == "all" else int(threads),
        )  # fmt: skip
        trainer = Trainer(graph, config)
        found[f"{dtype} loss"] = np.float64(trainer.fit(x, labels).epochs[-1].loss)
        for name, parameter in trainer.runner.parameters.items():
            found[f"{dtype} {name}".replace("/", ".")] = parameter.value
    np.savez(output, **found)


def data(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Numbers that depend on no random generator."""
    i = np.arange(10 * 64 * 64, dtype=np.float64).reshape(10, 64, 64)
    x = np.sin(i * 0.7310585786300049) + 0.3 * np.sin(i * i % 1013)
    labels = (np.arange(10 * 64).reshape(10, 64) * 7 + np.arange(64) % 3) % 5
    return x.astype(dtype), labels


if __name__ == "__main__":
    main(*sys.argv[1:])
