"""Truncated backpropagation through time: sequences in pieces, with the state carried over.

TBPTT(k1, k2) is BPTT(h; h') of Williams & Peng 1990 with h = k2 and h' = k1: after every k1 steps one update, whose
gradient is that of the loss of these k1 steps with respect to what the weights did in the last k2 steps; what they did
before that is held fixed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.core.describe.shapes import BATCH, TIME
from graphnet.core.errors import ConfigError, DataError, ShapeError
from graphnet.core.run.runner import Runner
from graphnet.core.run.state import State
from graphnet.data.batches import Batch
from graphnet.data.sequences import Packing, packing_of


@dataclass
class Entry:
    """One piece of the sequences, and the state that it began with."""

    inputs: Mapping[str, Array]
    lengths: Mapping[str, Array]
    steps: int
    state: State
    fresh: Array | None


class Windows:
    """Runs a graph over pieces of its sequences; each pass reaches back into as many earlier ones as k2 asks for.

    Earlier pieces are run again, from the state that the oldest of them began with, and with the weights as they now
    are; no more of them than it takes. Memory does not grow with the number of pieces.

    Parameters
    ----------
    runner : Runner
        With ``reach=k2``.
    k1, k2 : int
    """

    def __init__(self, runner: Runner, k1: int, k2: int) -> None:
        self.runner, self.k1, self.k2 = runner, k1, k2
        self.kept: deque[Entry] = deque()
        self.timed = {n for n, i in runner.graph.inputs.items() if i.shape and i.shape.names[:2] == (TIME, BATCH)}
        self.state = State()
        self._steps = 0
        self._packing: Packing | None = None

    def begin(self, state: State | None = None) -> None:
        """Begin new sequences, or go on from a state."""
        self.kept.clear()
        self.state = State() if state is None else state

    def forward(self, piece: Batch) -> dict[str, Array]:
        """The outputs of the steps of one piece; gradients will go back into those before it."""
        fresh = None if piece.fresh is None or not piece.fresh.any() else piece.fresh
        if fresh is not None and self.state.rows is not None:
            self.state = self.state.copy()
            self.state.reset(fresh)
        self._steps = max(len(piece.inputs[name]) for name in self.timed)
        self.kept.append(Entry(piece.inputs, piece.lengths, self._steps, self.state, fresh))
        least = self._fewest(piece)
        while len(self.kept) > 1 and sum(entry.steps for entry in list(self.kept)[1:-1]) + least >= self.k2:
            self.kept.popleft()
        self._packing, state = self._begun_within()
        inputs = {name: self._packed(self._joined(name), name) for name in piece.inputs}
        lengths = self._lengths() if self._packing is None else dict.fromkeys(self.timed, self._packing.lengths)
        outputs, self.state = self.runner.resume(inputs, state, lengths=lengths, input_errors=False)
        return {name: self._unpacked(output)[-self._steps :] for name, output in outputs.items()}

    def backward(self, errors: Mapping[str, Array]) -> None:
        """All gradients, from the errors of the outputs of the last piece."""
        before = sum(entry.steps for entry in self.kept) - self._steps
        whole = {}
        for name, error in errors.items():
            if before:
                padded = np.zeros((before + len(error), *error.shape[1:]), error.dtype)
                padded[before:] = error
                error = padded
            whole[name] = error if self._packing is None else self._packing.pack(error)
        self.runner.backward(whole)

    def _fewest(self, piece: Batch) -> int:
        """The fewest steps of a piece that a row has which has any: the row that reaches back furthest."""
        found = [self._steps]
        for counts in piece.lengths.values():
            found += counts[counts > 0].tolist()
        return min(found)

    def _begun_within(self) -> tuple[Packing | None, State]:
        """How to move rows that began anew within the window to its front, and the state with which they begin."""
        state = self.kept[0].state
        begun = [entry.fresh for entry in list(self.kept)[1:]]
        if all(fresh is None for fresh in begun):
            return None, state
        rows = len(next(fresh for fresh in begun if fresh is not None))
        there = np.ones((sum(entry.steps for entry in self.kept), rows), bool)
        start = self.kept[0].steps
        for entry, fresh in zip(list(self.kept)[1:], begun, strict=True):
            if fresh is not None:
                there[:start, fresh] = False
            start += entry.steps
        if state.rows is not None:
            state = state.copy()
            state.reset(~there[0])
        return packing_of(there), state

    def _packed(self, array: Array, name: str) -> Array:
        return array if self._packing is None or name not in self.timed else self._packing.pack(array)

    def _unpacked(self, array: Array) -> Array:
        return array if self._packing is None else self._packing.unpack(array)

    def _joined(self, name: str) -> Array:
        """One input over all pieces of the window."""
        arrays = [entry.inputs[name] for entry in self.kept]
        return arrays[-1] if len(arrays) == 1 or name not in self.timed else np.concatenate(arrays)

    def _lengths(self) -> dict[str, Array] | None:
        """The valid steps of each row of the window: rows end, and do not begin again."""
        found = {}
        for name in {n for entry in self.kept for n in entry.lengths}:
            counts = [np.asarray(entry.lengths.get(name, entry.steps)) for entry in self.kept]
            found[name] = np.sum(np.broadcast_arrays(*counts), axis=0)
        return found or None


def pieces(batch: Batch, steps: int, timed: set[str]) -> Iterator[Batch]:
    """A batch of sequences cut into pieces of so many steps; the first one counts its rows."""
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
        )


def check_graph(runner: Runner, losses: Mapping[str, object], origins: Mapping[str, str | None]) -> None:
    """Refuse a graph that cannot be run piece by piece.

    Parameters
    ----------
    runner : Runner
    losses : mapping of output name to Loss
    origins : mapping of output name to the input whose steps it has, or None

    Raises
    ------
    ShapeError
        If an output with a loss has no axes (time, batch, …).
    ConfigError
        If a Scan goes backwards.
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
    for step in runner._loops():
        if step.reverse:
            raise ConfigError(
                "tbptt cannot run a Scan that goes backwards",
                where=step.path,
                expected="Scans that go forwards",
                received="reverse=True",
                remedy="Leave tbptt out: such a graph needs whole sequences.",
            )


def check_equal(inputs: Mapping[str, Array], timed: set[str], where: str) -> None:
    """Refuse sequences of one batch that are padded to different numbers of steps.

    Raises
    ------
    DataError
    """
    counts = {name: len(inputs[name]) for name in timed if name in inputs}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name}: {count}" for name, count in counts.items())
        raise DataError("inputs differ in steps", where=where, expected="equal numbers", received=told)
