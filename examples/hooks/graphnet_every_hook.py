"""A plugin in one file that implements every hook of graphnet with a small working example."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import click
import numpy as np

from graphnet import ConfigError, Layer, Model
from graphnet.callbacks import Callback
from graphnet.core.run.backends import ReferenceBackend
from graphnet.datasets import Dataset, Split
from graphnet.distributed import Communicator, Health
from graphnet.initializers import Initializer
from graphnet.losses import MeanSquaredError
from graphnet.metrics import Metric
from graphnet.optimizers import Optimizer
from graphnet.plugins import hookimpl
from graphnet.regularizers import Regularizer
from graphnet.schedules import Schedule
from graphnet.sweeps.executor import InProcess
from graphnet.testing import Case

#: The version of the hooks that this plugin needs: the newest one that it uses.
GRAPHNET_PLUGIN_API = 4


class Sine(Layer):
    """``y = sin(x)``, elementwise (Sitzmann et al. 2020, "Implicit neural representations", without its factor)."""

    elementwise: ClassVar[bool] = True

    def apply(self, x):
        return np.sin(x), x

    def pull(self, x, error):
        return error * np.cos(x)


@hookimpl
def graphnet_register_layers(register):
    register(Sine)


@hookimpl
def graphnet_register_cases(register):
    register(cases)


def cases():
    return [Case(Sine, {}, "batch=4, feature=3", reference=lambda x: (np.exp(1j * x)).imag)]


@dataclass
class SignSgd(Optimizer):
    """``w ← w - rate · sign(g)`` (Bernstein et al. 2018, "signSGD", algorithm 1)."""

    elementwise: ClassVar[bool] = True

    def step(self, rate, weights, gradient):
        return weights - rate * np.sign(gradient)


@hookimpl
def graphnet_register_optimizers(register):
    register(SignSgd)


@dataclass
class Huber(Regularizer):
    """``norm(w) = alpha Σ (√(1 + w²) - 1)``: quadratic near 0, linear far from it."""

    def calculate(self, weights):
        weights = np.asarray(weights)
        return self.alpha * weights / np.sqrt(1 + weights**2)

    def norm(self, weights):
        return self.alpha * float((np.sqrt(1 + np.asarray(weights, float) ** 2) - 1).sum())


@hookimpl
def graphnet_register_regularizers(register):
    register(Huber)


@dataclass
class Checkerboard(Initializer):
    """Weights of ±1/√fan_in with alternating signs; not random."""

    def draw(self, shape, fan_in, fan_out):
        return np.where(np.indices(shape).sum(axis=0) % 2, -1.0, 1.0) / math.sqrt(fan_in)


@hookimpl
def graphnet_register_initializers(register):
    register(Checkerboard)


@dataclass(frozen=True)
class LogCosh(MeanSquaredError):
    """``log cosh(x - t)``, whose error is ``tanh(x - t)``; takes the targets of the mean squared error."""

    def rule(self, prediction, target):
        d = prediction - target
        return np.abs(d) + np.log1p(np.exp(-2 * np.abs(d))) - math.log(2), np.tanh(d)


@hookimpl
def graphnet_register_losses(register):
    register(LogCosh)


@dataclass(eq=False)
class LargestError(Metric):
    """The mean, over the examples, of the largest ``|x - t|`` of each."""

    name: ClassVar[str] = "largest_error"

    def loss(self):
        return MeanSquaredError()

    def score(self, prediction, target):
        return np.abs(prediction - target).max(axis=-1)


@hookimpl
def graphnet_register_metrics(register):
    register(LargestError)


@dataclass(eq=False)
class Sawtooth(Schedule):
    """The factor falls from 1 to one half within each period, and starts again."""

    period: int = 10

    def factor(self, position, total):
        return 1.0 - 0.5 * (position % self.period) / self.period


@hookimpl
def graphnet_register_schedules(register):
    register(Sawtooth)


def line():
    """Points of a noisy line: 48 for training, 16 for testing."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (64, 1))
    y = 3 * x + 0.5 + 0.05 * rng.standard_normal(x.shape)
    return Dataset("line", Split({"x": x[:48]}, y[:48]), Split({"x": x[48:]}, y[48:]), source="made up", licence="CC0")


@hookimpl
def graphnet_register_datasets(register):
    register(line)


@dataclass
class LossLog(Callback):
    """Appends the loss of each epoch to a text file.

    Parameters
    ----------
    path : str
    """

    path: str

    def on_epoch_end(self, trainer, record):
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(f"{record.epoch} {record.loss:.6g}\n")


@hookimpl
def graphnet_register_callbacks(register):
    register(LossLog)


class Counting(ReferenceBackend):
    """Runs node by node, and counts the forward passes of each bound plan; a starting point for a backend."""

    passes: ClassVar[list[int]] = []

    def bind(self, plan, shapes, options, wanted):
        bound = super().bind(plan, shapes, options, wanted)
        number, forward = len(self.passes), bound.forward
        self.passes.append(0)

        def counted(slots, run):
            self.passes[number] += 1
            return forward(slots, run)

        bound.forward = counted
        return bound


@hookimpl
def graphnet_register_backends(register):
    register(Counting, "counting")


def nodes(model: Model) -> str:
    """Return the nodes of a model as lines ``name,layer``."""
    return "".join(f"{name},{type(node.layer).__name__}\n" for name, node in model.graph.nodes.items())


@hookimpl
def graphnet_register_exporters(register):
    register(nodes)


class Done:
    """A sum that is there."""

    def __init__(self, total):
        self._total = total

    def result(self):
        return self._total


class OneProcess(Communicator):
    """A group of one process; a starting point for a communicator, for example one that calls MPI."""

    name: ClassVar[str] = "one_process"
    rank, size = 0, 1

    @classmethod
    def launch(cls, workers, follow):
        if workers != 1:
            raise ConfigError("a group of one process", where=cls.name, expected="workers=1", received=workers)
        return cls()

    def broadcast(self, message=None):
        return message

    def begin_sum(self, buffer, *, everywhere=True):
        return Done(buffer.copy())

    def barrier(self):
        pass

    def health(self):
        return {0: Health(alive=True)}

    def regroup(self, drop=None):
        return []

    def close(self):
        pass


@hookimpl
def graphnet_register_communicators(register):
    register(OneProcess)


@click.command("count-layers")
@click.option("--kind", default="layers", show_default=True, help="What to count.")
def count_layers(kind: str) -> None:
    """Print the number of registered layers, or of objects of another kind."""
    from graphnet.plugins import manager

    click.echo(len(manager().registry.entries(kind)))


@hookimpl
def graphnet_register_commands(register):
    register(count_layers)


class Listed(InProcess):
    """Trains the runs of a sweep one after another, and appends their folders to the file ``address``."""

    def __init__(self, slots, threads=None, *, address="runs.txt"):
        super().__init__()
        self.threads, self.address = threads, address

    def submit(self, task):
        with open(self.address, "a", encoding="utf-8") as file:
            file.write(f"{task.folder}\n")
        super().submit(task)


@hookimpl
def graphnet_register_executors(register):
    register(Listed, "listed")
