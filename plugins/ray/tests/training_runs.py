"""Trainings of one small network, alone and on Ray; run as a program, the training of a driver that is killed."""

from __future__ import annotations

import os
import sys
import warnings

import numpy as np

import graphnet
from graphnet import BatchNormalization, Builder, Dropout, FullyConnected, Trainer, TrainingConfig
from graphnet.callbacks import Callback
from graphnet.distributed import DataParallel
from graphnet_ray import RayCommunicator


def network():
    """Dropout and batch normalization, whose numbers depend on the whole batch."""
    graphnet.seed(1)
    g = Builder("net")
    h = g.input("x", "batch, feature=6")
    for layer in (BatchNormalization(6), FullyConnected(6, 16), Dropout(keep=0.8), FullyConnected(16, 3)):
        h = layer(h)
    return g.build(h)


def data(rows=97):
    draw = np.random.default_rng(0)
    return draw.standard_normal((rows, 6)), draw.standard_normal((rows, 3))


class Recorded(RayCommunicator):
    """Keeps the last group that was launched."""

    last = None

    @classmethod
    def launch(cls, *arguments, **options):
        cls.last = super().launch(*arguments, **options)
        return cls.last


class AtStep(Callback):
    """Calls a function after some batches, counted from 1."""

    def __init__(self, actions):
        self.actions, self.step = dict(actions), 0

    def on_batch_end(self, *_):
        self.step += 1
        if self.step in self.actions:
            self.actions.pop(self.step)()


def train(workers=None, *, epochs=10, callbacks=(), group=None, quiet=True, **options):
    """Train on ``workers`` ranks, or in this process alone; return the trainer."""
    settings = TrainingConfig(
        loss="mean_squared_error",
        epochs=epochs,
        batch_size=10,
        dtype="float64",
        optimizer="adam",
        seed=5,
        backend="numpy",
    )
    engine = DataParallel(group or "ray", workers=workers, **options) if workers else None
    trainer = Trainer(network(), settings, callbacks=list(callbacks), engine=engine)
    with warnings.catch_warnings():
        if quiet:
            warnings.filterwarnings("ignore", "data-parallel training: .* (has|goes)")
        trainer.fit(*data())
    return trainer


def weights(trainer):
    """All parameters and buffers."""
    found = {path: parameter.value.copy() for path, parameter in trainer.runner.parameters.items()}
    return found | {path: np.array(buffer) for path, buffer in trainer.runner.buffers.items()}


def assert_equal(trainer, expected, bound=1e-10):
    found = weights(trainer)
    assert found.keys() == expected.keys()
    for path, value in expected.items():
        np.testing.assert_allclose(found[path], value, bound, bound, err_msg=path)


if __name__ == "__main__":
    print("driver", os.getpid(), flush=True)
    train(3, epochs=10**6, callbacks=[AtStep({20: lambda: print("training", flush=True)})])
    sys.exit(0)
