"""What a Trainer goes through in an epoch: whole batches, sequences in pieces, or a stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ConfigError, DataError
from graphnet.core.run.runner import Runner
from graphnet.core.run.state import State
from graphnet.data.batches import Batch, Examples
from graphnet.data.datasets.pieces import Piece
from graphnet.data.datasets.stream import Stream
from graphnet.data.examples import examples
from graphnet.losses import Loss
from graphnet.metrics import Metric
from graphnet.training.config import TrainingConfig
from graphnet.training.tbptt import Windows, check_equal, check_graph, pieces


class Feed(Protocol):
    """The batches of an epoch, each with one update, and how to run them."""

    @property
    def count(self) -> int:
        """Batches of an epoch; 0 where only reading tells."""

    @property
    def state(self) -> State | None:
        """Where a stream stands; None where nothing goes on."""

    def batches(self, order: np.random.Generator | None) -> Iterator[Batch]:
        """The batches of one epoch."""

    def forward(self, batch: Batch) -> dict[str, Array]:
        """The outputs of the graph in the train phase."""

    def backward(self, errors: Mapping[str, Array]) -> None:
        """All gradients."""


class Whole:
    """Every sequence from its beginning to its end."""

    state: State | None = None

    def __init__(self, runner: Runner, data: Examples, config: TrainingConfig) -> None:
        self.runner, self.data, self.config = runner, data, config

    @property
    def count(self) -> int:
        """Batches of an epoch."""
        whole, rest = divmod(len(self.data), self.config.batch_size)
        return whole + (rest > 0 and not self.config.drop_last)

    def batches(self, order: np.random.Generator | None) -> Iterator[Batch]:
        """Batches in order, or in one that is drawn."""
        config = self.config
        return self.data.batches(
            config.batch_size, order, by_length=config.batching == "length", drop_last=config.drop_last
        )

    def forward(self, batch: Batch) -> dict[str, Array]:
        """The outputs of whole sequences."""
        return self.runner.forward(batch.inputs, lengths=batch.given_lengths, input_errors=False)

    def backward(self, errors: Mapping[str, Array]) -> None:
        """All gradients."""
        self.runner.backward(errors)


class InPieces(Whole):
    """Every sequence of a batch in pieces of k1 steps, each batch from its beginning."""

    def __init__(self, graph_runner: Runner, data: Examples, config: TrainingConfig) -> None:
        assert config.tbptt is not None
        self.k1 = config.tbptt[0]
        super().__init__(Runner(graph_runner.graph, backend=config.backend, reach=config.tbptt[1]), data, config)
        self.windows = Windows(self.runner, *config.tbptt)

    @property
    def count(self) -> int:
        """How many pieces an epoch has depends on how sequences meet in batches."""
        return 0

    def batches(self, order: np.random.Generator | None) -> Iterator[Batch]:
        """The pieces of all batches."""
        for batch in super().batches(order):
            self.windows.begin()
            check_equal(batch.inputs, self.windows.timed, self.runner.graph.name)
            yield from pieces(batch, self.k1, self.windows.timed)

    def forward(self, batch: Batch) -> dict[str, Array]:
        """The outputs of one piece."""
        return self.windows.forward(batch)

    def backward(self, errors: Mapping[str, Array]) -> None:
        """All gradients, back to the last k2 steps."""
        self.windows.backward(errors)


class Streamed:
    """A stream in pieces of k1 steps, from its beginning in every epoch."""

    def __init__(
        self, graph_runner: Runner, stream: Stream, config: TrainingConfig, losses: Mapping[str, Loss]
    ) -> None:
        assert config.tbptt is not None
        self.stream, self.config, self.losses = stream, config, losses
        self.k1 = config.tbptt[0]
        self.runner = Runner(graph_runner.graph, backend=config.backend, reach=config.tbptt[1])
        self.windows = Windows(self.runner, *config.tbptt)

    @property
    def count(self) -> int:
        """Pieces of an epoch; 0 where only reading tells."""
        return self.stream.count(self.k1) or 0

    @property
    def state(self) -> State:
        """Where the stream stands."""
        return self.windows.state

    def batches(self, order: np.random.Generator | None) -> Iterator[Batch]:
        """The pieces of the stream."""
        self.windows.begin()
        yield from read(self.runner, self.stream, self.k1, self.config, self.losses)

    def forward(self, batch: Batch) -> dict[str, Array]:
        """The outputs of one piece."""
        return self.windows.forward(batch)

    def backward(self, errors: Mapping[str, Array]) -> None:
        """All gradients, back to the last k2 steps."""
        self.windows.backward(errors)


def feed(runner: Runner, data: Examples | Stream, config: TrainingConfig, losses: Mapping[str, Loss]) -> Feed:
    """What suits the data and the configuration.

    Raises
    ------
    ShapeError, ConfigError
        If the graph cannot be run piece by piece, where that is asked for; if ``drop_last`` would leave no batch, or
        the data are a Stream.
    """
    if config.drop_last:
        _check_drop_last(data, config)
    if isinstance(data, Stream):
        return Streamed(runner, data, config, losses)
    if config.tbptt is None:
        return Whole(runner, data, config)
    check_graph(runner, losses, {name: port.origin for name, port in data.outputs.items()})
    return InPieces(runner, data, config)


def _check_drop_last(data: Examples | Stream, config: TrainingConfig) -> None:
    """Refuse drop_last where it would leave out everything, or where there is no smaller last batch."""
    place = "TrainingConfig.drop_last"
    if isinstance(data, Stream):
        raise ConfigError(
            "a Stream has no smaller last batch",
            where=place,
            expected="False",
            received="True",
            remedy="All rows of a Stream are in every piece; leave drop_last out.",
        )
    if len(data) < config.batch_size:
        raise ConfigError(
            "drop_last would leave no batch to train on",
            where=place,
            expected=f"at least batch_size={config.batch_size} training examples",
            received=len(data),
            remedy="Lower batch_size, or leave drop_last out.",
        )


def read(
    runner: Runner, stream: Stream, steps: int, config: TrainingConfig, losses: Mapping[str, Loss]
) -> Iterator[Batch]:
    """The pieces of a stream as batches, each checked; the first one counts its rows.

    Raises
    ------
    DataError
        If there is none.
    ShapeError, DtypeError, DataError
        If a piece does not fit the graph.
    """
    number = 0
    for number, piece in enumerate(stream.pieces(steps), 1):
        found = checked(runner, piece, config.metrics, config.dtype, losses)
        rows = len(found)
        batch = found.batch(slice(0, rows), rows)
        yield replace(batch, fresh=piece.fresh, rows=rows if number == 1 else 0)
    if not number:
        raise DataError("the stream is empty", where=runner.graph.name, expected="at least one piece")


def checked(
    runner: Runner, piece: Piece, metrics: Sequence[Metric], dtype: str, losses: Mapping[str, Loss]
) -> Examples:
    """One piece as examples of a graph."""
    found = examples(runner, piece.inputs, piece.targets, losses=losses, metrics=metrics, dtype=dtype)
    check_graph(runner, losses, {name: port.origin for name, port in found.outputs.items()})
    return found
