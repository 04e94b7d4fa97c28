"""The batches of an epoch and how to run them: whole sequences, sequences in pieces, or a stream."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ConfigError, DataError
from graphnet.core.run.runner import Runner
from graphnet.core.run.state import State
from graphnet.data.batches import Batch, Examples
from graphnet.data.datasets.pieces import Piece, Regrouped
from graphnet.data.datasets.stream import Stream
from graphnet.data.examples import examples
from graphnet.data.weighting import Weighting
from graphnet.losses import Loss
from graphnet.metrics import Metric
from graphnet.training.config import TrainingConfig
from graphnet.training.tbptt import TruncatedRunner, check_equal_steps, check_graph, split_batch

#: Bytes of the pieces that a checkpoint keeps of what a source has given and training has not used yet.
UNREAD = 2**22


class Feed(Protocol):
    """The batches of an epoch, with one update each, and how to run them."""

    @property
    def count(self) -> int:
        """The number of batches in an epoch; 0 if it is only known after reading the data."""

    @property
    def state(self) -> State | None:
        """The state at the current position of a stream; None if no state is carried over."""

    @property
    def truncated(self) -> TruncatedRunner | None:
        """What carries states from piece to piece; None if sequences are run as a whole."""

    @property
    def position(self) -> tuple[int, ...]:
        """Where the last batch is in its epoch; after it, ``batches`` continues from there."""

    def batches(self, rng: np.random.Generator | None, position: tuple[int, ...] = ()) -> Iterator[Batch]:
        """The batches of one epoch, in an order drawn from ``rng``; None: in their own order.

        With a ``position``, those after it, for which ``rng`` must be as at the beginning of the epoch.
        """

    def forward(self, batch: Batch) -> dict[str, Array]:
        """The outputs of the graph in the train phase."""

    def backward(self, errors: Mapping[str, Array]) -> None:
        """Compute all gradients."""


class WholeSequences:
    """Runs every example, and every sequence, as a whole."""

    state: State | None = None
    truncated: TruncatedRunner | None = None
    position: tuple[int, ...] = ()

    def __init__(self, runner: Runner, data: Examples, config: TrainingConfig) -> None:
        self.runner, self.data, self.config = runner, data, config

    @property
    def count(self) -> int:
        """The number of batches in an epoch."""
        full, rest = divmod(len(self.data), self.config.batch_size)
        return full + (rest > 0 and not self.config.drop_last)

    def batches(self, rng: np.random.Generator | None, position: tuple[int, ...] = ()) -> Iterator[Batch]:
        """The batches in order, or in a random one."""
        done = position[0] if position else 0
        for number, batch in enumerate(self._whole(rng, done), done + 1):
            self.position = (number,)
            yield batch

    def _whole(self, rng: np.random.Generator | None, done: int) -> Iterator[Batch]:
        """The batches after the first ``done``."""
        config = self.config
        return self.data.batches(
            config.batch_size, rng, by_length=config.batching == "length", drop_last=config.drop_last, done=done
        )

    def forward(self, batch: Batch) -> dict[str, Array]:
        """The outputs of whole sequences."""
        return self.runner.forward(batch.inputs, lengths=batch.lengths_or_none, input_errors=False)

    def backward(self, errors: Mapping[str, Array]) -> None:
        """Compute all gradients."""
        self.runner.backward(errors)


class SequencePieces(WholeSequences):
    """Runs the sequences of each batch in pieces of k1 steps, starting from the zero state."""

    def __init__(self, graph_runner: Runner, data: Examples, config: TrainingConfig) -> None:
        assert config.tbptt is not None
        self.k1 = config.tbptt[0]
        super().__init__(Runner(graph_runner.graph, backend=graph_runner.backend, reach=config.tbptt[1]), data, config)
        self.truncated: TruncatedRunner = TruncatedRunner(self.runner, *config.tbptt)

    @property
    def count(self) -> int:
        """0: the number of pieces depends on which sequences form a batch."""
        return 0

    def batches(self, rng: np.random.Generator | None, position: tuple[int, ...] = ()) -> Iterator[Batch]:
        """The pieces of all batches; a position has the batches before the present one, and its pieces so far."""
        done, pieces_done = position or (0, 0)
        for number, batch in enumerate(self._whole(rng, done), done):
            if not pieces_done:
                self.truncated.start()
            check_equal_steps(batch.inputs, self.truncated.timed, self.runner.graph.name)
            for count, piece in enumerate(split_batch(batch, self.k1, self.truncated.timed), 1):
                if count > pieces_done:
                    self.position = (number, count)
                    yield piece
            pieces_done = 0

    def forward(self, batch: Batch) -> dict[str, Array]:
        """The outputs of one piece."""
        return self.truncated.forward(batch)

    def backward(self, errors: Mapping[str, Array]) -> None:
        """Compute all gradients over the last k2 steps."""
        self.truncated.backward(errors)


class StreamPieces:
    """Runs a stream in pieces of k1 steps, from its beginning in every epoch.

    Attributes
    ----------
    reached : function, optional
        Called once, when the position is reached from which the next ``batches`` continues.
    unread : mapping or None
        What the source has given beyond the position; see :class:`~graphnet.data.datasets.pieces.Regrouped`. The next
        ``batches`` after a position continues with it; without it, the source is read up to the position.
    """

    position: tuple[int, ...] = ()
    reached: Callable[[], None] | None = None

    def __init__(
        self, graph_runner: Runner, stream: Stream, config: TrainingConfig, losses: Mapping[str, Loss]
    ) -> None:
        assert config.tbptt is not None
        self.stream, self.config, self.losses = stream, config, losses
        self._pieces: Iterator[Piece] | None = None
        self._unread: Mapping[str, Any] | None = None
        self.k1 = config.tbptt[0]
        self.runner = Runner(graph_runner.graph, backend=graph_runner.backend, reach=config.tbptt[1])
        self.truncated = TruncatedRunner(self.runner, *config.tbptt)

    @property
    def count(self) -> int:
        """The number of pieces in an epoch; 0 if it is only known after reading the stream."""
        return self.stream.count(self.k1) or 0

    @property
    def state(self) -> State:
        """The state at the current position of the stream."""
        return self.truncated.state

    def batches(self, rng: np.random.Generator | None, position: tuple[int, ...] = ()) -> Iterator[Batch]:
        """The pieces of the stream."""
        done = position[0] if position else 0
        if not done:
            self.truncated.start()
        pieces = self._pieces = self.stream.pieces(self.k1, done)
        if isinstance(pieces, Regrouped) and done:
            if self._unread is None:
                next(itertools.islice(pieces, done - 1, None), None)
            else:
                pieces.go_on(self._unread)
        if self.reached is not None:
            self.reached()
            self.reached = None
        batches = stream_batches(self.runner, pieces, self.config, self.losses, done)
        for number, batch in enumerate(batches, done + 1):
            self.position = (number,)
            yield batch

    @property
    def unread(self) -> Mapping[str, Any] | None:
        """What the source has given beyond the position; None if that is much, or can be read again."""
        if not isinstance(self._pieces, Regrouped):
            return self._unread
        same_again = isinstance(self.stream.source, (list, tuple)) or self._pieces.unread_bytes > UNREAD
        return None if same_again else self._pieces.unread

    @unread.setter
    def unread(self, unread: Mapping[str, Any] | None) -> None:
        self._unread = unread

    def forward(self, batch: Batch) -> dict[str, Array]:
        """The outputs of one piece."""
        return self.truncated.forward(batch)

    def backward(self, errors: Mapping[str, Array]) -> None:
        """Compute all gradients over the last k2 steps."""
        self.truncated.backward(errors)


def make_feed(runner: Runner, data: Examples | Stream, config: TrainingConfig, losses: Mapping[str, Loss]) -> Feed:
    """The feed for this kind of data and configuration.

    Raises
    ------
    ShapeError, ConfigError
        If ``tbptt`` is configured and the graph cannot be run in pieces; if ``drop_last`` would leave no batch, or the
        data are a Stream.
    """
    if config.drop_last:
        _check_drop_last(data, config)
    if isinstance(data, Stream):
        return StreamPieces(runner, data, config, losses)
    if config.tbptt is None:
        return WholeSequences(runner, data, config)
    check_graph(runner, losses, {name: port.origin for name, port in data.outputs.items()})
    return SequencePieces(runner, data, config)


def _check_drop_last(data: Examples | Stream, config: TrainingConfig) -> None:
    """Raise a ConfigError if ``drop_last`` would leave no batch, or the data have no smaller last batch."""
    where = "TrainingConfig.drop_last"
    if isinstance(data, Stream):
        raise ConfigError(
            "a Stream has no smaller last batch",
            where=where,
            expected="False",
            received="True",
            remedy="Every piece of a Stream has all rows; leave drop_last out.",
        )
    if len(data) < config.batch_size:
        raise ConfigError(
            "drop_last would leave no batch to train on",
            where=where,
            expected=f"at least batch_size={config.batch_size} training examples",
            received=len(data),
            remedy="Lower batch_size, or leave drop_last out.",
        )


def stream_batches(
    runner: Runner, pieces: Iterable[Piece], config: TrainingConfig, losses: Mapping[str, Loss], done: int = 0
) -> Iterator[Batch]:
    """Pieces of a stream as checked batches; only the first one, if it is not ``done``, counts its rows as examples.

    Raises
    ------
    DataError
        If the stream is empty.
    ShapeError, DtypeError, DataError
        If a piece does not fit the graph.
    """
    number = done
    for number, piece in enumerate(pieces, done + 1):
        data = piece_examples(runner, piece, config.metrics, config.dtype, losses)
        rows = len(data)
        batch = data.batch(slice(0, rows), rows)
        yield replace(batch, fresh=piece.fresh, rows=rows if number == 1 else 0)
    if not number:
        raise DataError("the stream is empty", where=runner.graph.name, expected="at least one piece")


def piece_examples(
    runner: Runner, piece: Piece, metrics: Sequence[Metric], dtype: str, losses: Mapping[str, Loss]
) -> Examples:
    """One piece of a stream as checked examples of a graph."""
    weighting = Weighting(piece.sample_weight, piece.target_mask)
    data = examples(
        runner, piece.inputs, piece.targets, losses=losses, metrics=metrics, dtype=dtype, weighting=weighting, part=True
    )
    check_graph(runner, losses, {name: port.origin for name, port in data.outputs.items()})
    return data
