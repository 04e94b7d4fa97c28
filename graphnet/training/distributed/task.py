"""What rank 0 sends: the settings of a run once, and a task for every batch."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphnet.core.describe.graph import Graph
from graphnet.core.describe.parameter import Array
from graphnet.core.run.runner import Runner
from graphnet.data.batches import Batch, Examples
from graphnet.data.sources import Rows
from graphnet.losses import Loss
from graphnet.metrics import Metric
from graphnet.training.distributed.communicator import Communicator, Message
from graphnet.training.fingerprint import model_hash, text, versions


@dataclass(frozen=True)
class Settings:
    """What all ranks compute with.

    Attributes
    ----------
    losses : mapping of output name to Loss
    loss_weights : mapping of output name to float
    tbptt : (int, int) or None
    backend : str or Backend
    threads : int or None
        BLAS threads of each rank.
    metrics : tuple of Metric
        Those that every rank computes for its rows; the others are computed by rank 0.
    statistics : bool
        Whether statistics of a batch are those of all ranks.
    bucket : int
        Bytes of gradients that are summed at a time.
    """

    losses: Mapping[str, Loss]
    loss_weights: Mapping[str, float]
    tbptt: tuple[int, int] | None
    backend: Any
    threads: int | None
    metrics: tuple[Metric, ...]
    statistics: bool
    bucket: int


@dataclass(frozen=True)
class Setup:
    """Everything that a rank is built from."""

    graph: Graph
    settings: Settings
    examples: Examples | None


@dataclass(frozen=True)
class Task:
    """One batch.

    Attributes
    ----------
    weights : list of array
        The weights that have changed since the last task, and all buffers: one flat array for each dtype.
    changed : list of (str, tuple of int)
        Their paths and shapes, in the order of the arrays, by dtype.
    numbers : mapping or None
        The state of the bit generator; None if nothing is drawn.
    rows : int array, slice or None
        The positions of the batch in the examples.
    count : int
        How many there are.
    batch : Batch or None
        The batch itself, where there are no examples.
    window : list of RecentPiece or None
        With truncated backpropagation, the pieces that run.
    outputs : bool
        Whether rank 0 needs the output with the first loss.
    """

    weights: dict[str, Array]
    changed: dict[str, list[tuple[str, tuple[int, ...]]]]
    numbers: Mapping[str, Any] | None
    rows: Rows | None
    count: int
    batch: Batch | None = None
    window: list[Any] | None = None
    outputs: bool = False


@dataclass(frozen=True)
class Identify:
    """The question which setup a rank has."""

    digest: bytes = field(default=b"")


def packed(communicator: Communicator, thing: Any) -> Message:
    """A message with this object."""
    buffers: list[Any] = []
    body = communicator.dumps(thing, buffers)
    return Message({"body": body}, [np.frombuffer(buffer.raw(), np.uint8) for buffer in buffers])


def unpacked(message: Message) -> Any:
    """The object in a message of rank 0, which the communicator trusts."""
    return pickle.loads(message.header["body"], buffers=message.arrays)  # noqa: S301  # of the same run


def digest(setup: Setup, runner: Runner) -> bytes:
    """A hash of what decides the results of a rank: model, settings, backend and versions."""
    settings, examples = setup.settings, setup.examples
    parts = {
        "model": model_hash(setup.graph),
        "weights": [(path, p.value.shape, p.value.dtype.str) for path, p in runner.parameters.items()],
        "losses": text(settings.losses),
        "settings": (dict(settings.loss_weights), settings.tbptt, settings.statistics, settings.bucket),
        "examples": None if examples is None else len(examples),
        "backend": runner.backend,
        "versions": versions(setup.graph, settings, runner.backend),  # type: ignore[arg-type]  # any dataclass
    }
    return hashlib.sha256(repr(parts).encode()).digest()
