"""Truncated backpropagation through time: sequences in pieces, with the state carried over.

TBPTT(k1, k2) is BPTT(h; h') of Williams & Peng 1990 with h = k2 and h' = k1: one update after every k1 steps, whose
gradient is that of the loss of these k1 steps with respect to the uses of the weights in the last k2 steps, with their
earlier uses held fixed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ConfigError, DataError, ShapeError
from graphnet.core.run.runner import Runner
from graphnet.core.run.state import State
from graphnet.data.batches import Batch
from graphnet.data.sequences import Packing, packing_of


@dataclass
class RecentPiece:
    """One piece of the sequences, and the state at its beginning."""

    inputs: Mapping[str, Array]
    lengths: Mapping[str, Array]
    steps: int
    state: State
    fresh: Array | None


class TruncatedRunner:
    """Runs a graph over consecutive pieces of its sequences; the backward pass of each covers the last k2 steps.

    To reach k2 steps back, a forward pass runs the preceding pieces again, with the present weights, from the state at
    the beginning of the oldest of them. Only as many pieces are kept as k2 requires, so memory does not grow with the
    number of pieces.

    Parameters
    ----------
    runner : Runner
        Created with ``reach=k2``.
    k1, k2 : int

    Attributes
    ----------
    recent : deque of RecentPiece
        The pieces of the current window, oldest first.
    timed : set of str
        The inputs with axes (time, batch, …).
    state : State
        The state at the end of the last piece.
    """

    def __init__(self, runner: Runner, k1: int, k2: int) -> None:
        self.runner, self.k1, self.k2 = runner, k1, k2
        self.recent: deque[RecentPiece] = deque()
        self.timed = {n for n, i in runner.graph.inputs.items() if i.shape and i.shape.names[:2] == (TIME, BATCH)}
        self.state = State()
        self._steps = 0
        self._packing: Packing | None = None

    def start(self, state: State | None = None) -> None:
        """Start new sequences, from the zero state or from a given one."""
        self.recent.clear()
        self.state = State() if state is None else state

    def carried(self) -> dict[str, Any]:
        """What later pieces need of earlier ones, as plain values, arrays and States; not copied."""
        return {"state": self.state, "recent": [dict(vars(piece)) for piece in self.recent]}

    def carry_on(self, carried: Mapping[str, Any]) -> None:
        """Continue with what :meth:`carried` returned."""
        self.state = carried["state"]
        self.recent = deque(RecentPiece(**piece) for piece in carried["recent"])

    def forward(self, piece: Batch) -> dict[str, Array]:
        """The outputs of one piece; earlier pieces of the window are run again before it."""
        self.advance(piece)
        return self.run_window()

    def advance(self, piece: Batch) -> None:
        """Add a piece to the window, and drop those that k2 no longer reaches."""
        fresh = None if piece.fresh is None or not piece.fresh.any() else piece.fresh
        if fresh is not None and self.state.rows is not None:
            self.state = self.state.copy()
            self.state.reset(fresh)
        self._steps = max(len(piece.inputs[name]) for name in self.timed)
        self.recent.append(RecentPiece(piece.inputs, piece.lengths, self._steps, self.state, fresh))
        shortest = self._shortest_row(piece)
        while len(self.recent) > 1 and sum(p.steps for p in list(self.recent)[1:-1]) + shortest >= self.k2:
            self.recent.popleft()

    def continue_with(self, window: Iterable[RecentPiece]) -> None:
        """Use these pieces as the window."""
        self.recent = deque(window)
        self._steps = self.recent[-1].steps

    def end_with(self, arrays: Mapping[str, Array]) -> None:
        """Let these be the states at the end of the window."""
        self.state = State(arrays)

    def window_lengths(self) -> dict[str, Array] | None:
        """The valid steps of each row of the window, by input; None if all rows are whole."""
        packing, _ = self._packing_and_state()
        return self._lengths() if packing is None else dict.fromkeys(self.timed, packing.lengths)

    def run_window(self) -> dict[str, Array]:
        """The outputs of the last piece of the window."""
        self._packing, state = self._packing_and_state()
        inputs = {name: self._packed(self._joined(name), name) for name in self.recent[-1].inputs}
        lengths = self._lengths() if self._packing is None else dict.fromkeys(self.timed, self._packing.lengths)
        outputs, self.state = self.runner.resume(inputs, state, lengths=lengths, input_errors=False)
        return {name: self._unpacked(output)[-self._steps :] for name, output in outputs.items()}

    def backward(self, errors: Mapping[str, Array]) -> None:
        """Compute all gradients, from the errors of the outputs of the last piece."""
        self.runner.backward({name: self.in_window(error) for name, error in errors.items()})

    def in_window(self, array: Array) -> Array:
        """An array ``(time, batch, …)`` over the last piece as one over the steps that ran, zeros before it."""
        earlier_steps = sum(p.steps for p in self.recent) - self._steps
        if earlier_steps:
            padded = np.zeros((earlier_steps + len(array), *array.shape[1:]), array.dtype)
            padded[earlier_steps:] = array
            array = padded
        return array if self._packing is None else self._packing.pack(array)

    def step_in_piece(self, step: int, row: int | None) -> int:
        """The step of the last piece for one of the steps that ran; negative for those of earlier pieces."""
        total = sum(p.steps for p in self.recent)
        numbers = np.arange(total) - (total - self._steps)
        if self._packing is None or row is None:
            return int(numbers[step])
        return int(self._packing.pack(np.broadcast_to(numbers[:, None], self._packing.mask.shape))[step, row])

    def _shortest_row(self, piece: Batch) -> int:
        """The steps of the shortest row that is not empty: it reaches back furthest into earlier pieces."""
        counts = [self._steps]
        for lengths in piece.lengths.values():
            counts += lengths[lengths > 0].tolist()
        return min(counts)

    def _packing_and_state(self) -> tuple[Packing | None, State]:
        """The packing that moves rows which restart inside the window to its front, and the state at its beginning."""
        state = self.recent[0].state
        restarts = [p.fresh for p in list(self.recent)[1:]]
        if all(fresh is None for fresh in restarts):
            return None, state
        rows = len(next(fresh for fresh in restarts if fresh is not None))
        valid = np.ones((sum(p.steps for p in self.recent), rows), bool)
        start = self.recent[0].steps
        for piece, fresh in zip(list(self.recent)[1:], restarts, strict=True):
            if fresh is not None:
                valid[:start, fresh] = False
            start += piece.steps
        if state.rows is not None:
            state = state.copy()
            state.reset(~valid[0])
        return packing_of(valid), state

    def _packed(self, array: Array, name: str) -> Array:
        return array if self._packing is None or name not in self.timed else self._packing.pack(array)

    def _unpacked(self, array: Array) -> Array:
        return array if self._packing is None else self._packing.unpack(array)

    def _joined(self, name: str) -> Array:
        """One input over all pieces of the window."""
        arrays = [p.inputs[name] for p in self.recent]
        return arrays[-1] if len(arrays) == 1 or name not in self.timed else np.concatenate(arrays)

    def _lengths(self) -> dict[str, Array] | None:
        """The valid steps of each row of the window; a row that has ended does not start again."""
        lengths = {}
        for name in {n for p in self.recent for n in p.lengths}:
            counts = [np.asarray(p.lengths.get(name, p.steps)) for p in self.recent]
            lengths[name] = np.sum(np.broadcast_arrays(*counts), axis=0)
        return lengths or None


def split_batch(batch: Batch, steps: int, timed: set[str]) -> Iterator[Batch]:
    """A batch of sequences in pieces of ``steps`` steps; only the first one counts its rows as examples."""
    total = max(len(batch.inputs[name]) for name in timed)
    if batch.lengths and timed <= batch.lengths.keys():
        total = max(1, max(int(counts.max()) for counts in batch.lengths.values()))
    for start in range(0, total, steps):
        stop = min(start + steps, total)
        yield Batch(
            {n: a[start:stop] if n in timed else a for n, a in batch.inputs.items()},
            {n: np.clip(c - start, 0, stop - start) for n, c in batch.lengths.items()},
            {n: a[start:stop] for n, a in batch.targets.items()},
            {n: None if m is None else m[start:stop] for n, m in batch.masks.items()},
            0 if start else batch.rows,
            positions=batch.positions,
            weights={n: w[start:stop] for n, w in batch.weights.items()},
        )


def check_graph(runner: Runner, losses: Mapping[str, object], origins: Mapping[str, str | None]) -> None:
    """Raise an error if a graph cannot be run in pieces.

    Parameters
    ----------
    runner : Runner
    losses : mapping of output name to Loss
    origins : mapping of output name to the input whose steps it has, or None

    Raises
    ------
    ShapeError
        If an output with a loss does not have axes (time, batch, …).
    ConfigError
        If a Scan runs in reverse.
    """
    for name in losses:
        if origins[name] is None:
            raise ShapeError(
                "tbptt needs an output at each step",
                where=f"{runner.graph.name}, output {name!r}",
                expected="axes (time, batch, …), from an input declared 'time, batch, feature'",
                received="an output without a time axis",
                remedy="Leave tbptt out, or give the loss to an output over time.",
            )
    for step in runner.scans:
        if step.reverse:
            raise ConfigError(
                "tbptt cannot run a Scan that goes backwards",
                where=step.path,
                expected="Scans that go forwards",
                received="reverse=True",
                remedy="Leave tbptt out: such a graph needs whole sequences.",
            )


def check_equal_steps(inputs: Mapping[str, Array], timed: set[str], where: str) -> None:
    """Raise a DataError if the sequences of one batch are padded to different numbers of steps."""
    counts = {name: len(inputs[name]) for name in timed if name in inputs}
    if len(set(counts.values())) > 1:
        received = ", ".join(f"{name}: {count}" for name, count in counts.items())
        raise DataError("inputs differ in steps", where=where, expected="equal numbers", received=received)
