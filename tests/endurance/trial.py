"""One long training, with what the process holds from time to time."""

import gc
import os
import resource
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from graphnet import Builder, Dropout, FullyConnected, Trainer, TrainingConfig
from graphnet.losses import MeanSquaredError
from graphnet.training import Callback
from graphnet_recurrent import LSTM

SEQUENCES, BATCH = 203, 4
STATM = Path("/proc/self/statm")
DESCRIPTORS = Path("/proc/self/fd")


@dataclass
class Watch(Callback):
    """Bytes of memory, open descriptors and objects at 20 points of a training, and when to stop it."""

    steps: int
    every: int
    seen: int = 0
    points: list[tuple[int, int, int]] = field(default_factory=list)

    def on_batch_end(self, run: Any, epoch: int, batch: int, loss: float) -> None:
        assert np.isfinite(loss)
        self.seen += 1
        if self.seen % self.every == 0:
            gc.collect()
            pages = int(STATM.read_text().split()[1])
            descriptors = len(os.listdir(DESCRIPTORS))
            self.points.append((pages * resource.getpagesize(), descriptors, len(gc.get_objects())))
        if self.seen >= self.steps:
            run.stopping = True


def data(rng: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Sequences of 1 to 15 steps, so that batches differ in shape."""
    lengths = rng.integers(1, 16, SEQUENCES)
    return [rng.normal(size=(n, 3)) for n in lengths], [rng.normal(size=(n, 2)) for n in lengths]


def run(steps: int, seed: int, backend: str | None = None, tbptt: tuple[int, int] | None = None) -> Watch:
    """Train for this many updates or a few more."""
    rng = np.random.default_rng(seed)
    g = Builder("g")
    h = LSTM(3, 5, None)(g.input("x", "time, batch, feature=3"))
    graph = g.build(y=FullyConnected(5, 2)(Dropout(0.9)(h)))
    watch = Watch(steps, max(1, steps // 20))
    epochs = steps // (SEQUENCES // BATCH) + 2
    config = TrainingConfig(
        loss=MeanSquaredError(), batch_size=BATCH, epochs=epochs, seed=seed, backend=backend, tbptt=tbptt, on_nan="skip"
    )
    inputs, targets = data(rng)
    Trainer(graph, config, callbacks=[watch]).fit(inputs, targets, validation_data=(inputs[:5], targets[:5]))
    return watch
