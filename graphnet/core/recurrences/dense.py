"""Matrix recurrences in the order of processing, all rows whole, in chunks of steps.

Only the states at the ends of chunks are kept; the pass backward computes those inside a chunk again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet.core.operations import Operations
from graphnet.core.recurrences import full_decay, matrix_steps, stacked
from graphnet.core.recurrences.chunkwise import Chunks
from graphnet.core.recurrences.chunkwise_pull import Pull
from graphnet.core.recurrences.order import Steps, inner_sum
from graphnet.core.recurrences.scalar_decay import ScalarChunks, ScalarPull

Array = Any
#: Steps of a chunk at most, and at least; and the numbers of an array of a block of chunks, which stays in the cache.
CHUNK, SMALLEST, BLOCK = 32, 4, 1 << 16


@dataclass(frozen=True, slots=True)
class Dense:
    """The arguments of a matrix recurrence, in the order of processing, with the whole batch and all steps.

    Attributes
    ----------
    vectors : mapping of {'keys', 'values', 'u', 'w', 'p'} to arrays (batch, steps, *heads, key or value)
        Those that there are; heads may have size 1.
    queries : list of (array (batch, steps, *heads, key), bool)
        With the truth of "before the step".
    decay : array (batch or 1, steps or 1, *heads, key or 1, value or 1), or None
    scale : array (*heads, key or 1, value or 1), or None
    logs : bool
        Whether ``decay`` is a logarithm.
    initial : array (batch, *heads, key, value)
    """

    vectors: dict[str, Array]
    queries: list[tuple[Array, bool]]
    decay: Array | None
    scale: Array | None
    logs: bool
    initial: Array
    steps: Steps

    @property
    def count(self) -> int:
        """The number of steps."""
        return int(next(iter(self.vectors.values())).shape[1])

    @property
    def full(self) -> bool:
        """Whether the decays have axes of keys and of values, so that no chunk is a product of matrices."""
        given = [a.shape[-2:] for a in (self.decay, self.scale) if a is not None]
        key, value = (any(shape[axis] > 1 for shape in given) for axis in (0, 1))
        return value and (key or "u" in self.vectors)

    @property
    def one_by_one(self) -> Any:
        """The module that computes one step after the other."""
        return matrix_steps if "u" in self.vectors else stacked

    def factors(self) -> Array | None:
        """The decays themselves, (batch or 1, steps or 1, *heads, key or 1, value or 1); None for 1."""
        if self.decay is None or not self.logs:
            return self.decay
        return np.exp(self.decay if self.scale is None else self.decay * self.scale)

    def pull_decay(self, error: Array, target: DenseErrors) -> None:
        """Fill the errors of ``decay`` and ``scale``, from that of the decays, or of their logarithms for ``logs``.

        ``error`` is (batch, steps, *heads, key or 1, value or 1), with 1 where :meth:`factors` has 1.
        """
        rates, scale = target.decay
        if scale is not None and self.scale is not None:
            scale += inner_sum((error * self.decay).sum(axis=(0, 1)), scale.shape[-2:])
            error = error * self.scale
        if rates is not None:
            rates[...] = inner_sum(error, rates.shape[-2:])

    def part(self, some: slice) -> Dense:
        """Some steps."""
        return Dense(
            {name: array[:, some] for name, array in self.vectors.items()},
            [(query[:, some], before) for query, before in self.queries],
            self.decay if self.decay is None or self.decay.shape[1] == 1 else self.decay[:, some],
            self.scale,
            self.logs,
            self.initial,
            self.steps,
        )


def enter(
    steps: Steps,
    vectors: Mapping[str, Array | None],
    queries: Sequence[tuple[Array, bool]],
    decay: tuple[Array | None, Array | None, Array | None],
    initial: Array | None,
) -> Dense:
    """The arguments in the order of processing; see :mod:`graphnet.core.recurrences.matrix`."""
    entered = {name: steps.whole(steps.enter(a)) for name, a in vectors.items() if a is not None}
    read = [(steps.whole(steps.enter(query)), before) for query, before in queries]
    values, logs, scale = decay
    given = None
    if values is not None:
        given = steps.enter(values, 1.0)
    elif logs is not None:
        given = steps.enter(logs)
    key = next(entered[name].shape[2:] for name in ("keys", "u") if name in entered)
    value = next((entered[name].shape[2:] for name in ("values", "w") if name in entered), None)
    shapes = [(*key, 1)] if value is None else [(*key, 1), (*value[:-1], 1, value[-1])]
    shapes += [a.shape[2:] for a in (given,) if a is not None]
    shapes += [(*q.shape[2:], 1) for q, _ in read]
    shapes += [a.shape for a in (scale,) if a is not None]
    shapes += [a.shape[1:] for a in (initial,) if a is not None]
    shapes += [(*entered[name].shape[2:], 1) for name in ("u", "p") if name in entered]
    inner = np.broadcast_shapes(*shapes)
    dtype = next(iter(entered.values())).dtype
    first = np.zeros((steps.batch, *inner), dtype)
    if initial is not None:
        first[:] = initial
    return Dense(entered, read, given, scale, values is None and logs is not None, first, steps)


@dataclass(slots=True)
class DenseErrors:
    """The errors of a :class:`Dense`; of the decay, those of ``decay`` and ``scale``."""

    vectors: dict[str, Array]
    queries: list[Array]
    decay: tuple[Array | None, Array | None]
    initial: Array

    def part(self, some: slice) -> DenseErrors:
        """Some steps."""
        rates, scale = self.decay
        return DenseErrors(
            {name: array[:, some] for name, array in self.vectors.items()},
            [query[:, some] for query in self.queries],
            (None if rates is None else rates[:, some], scale),
            self.initial,
        )


def chunked(part: Dense, size: int) -> Chunks | None:
    """The chunks; None where they cannot represent the decays."""
    decay = part.factors()
    if decay is not None and decay.shape[-2:] == (1, 1):
        return ScalarChunks(part, size, decay)
    return Chunks.of(part, size, decay)


class Saved:
    """What a pass keeps: the states at the beginnings and ends of chunks.

    Parameters
    ----------
    dense : Dense
    blocks : list of (slice, int, array)
        Steps, the size of the chunks among them (0: step by step), and the states: (batch, chunks + 1, *heads, key,
        value).
    """

    def __init__(self, dense: Dense, blocks: list[tuple[slice, int, Array]]) -> None:
        self.dense, self.blocks = dense, blocks

    def pull(self, outputs: Sequence[Array | None], final: Array | None, decay: bool) -> DenseErrors:
        """The errors of the arguments; see :meth:`graphnet.core.recurrences.matrix.MatrixReads.pull`."""
        dense = self.dense
        error = np.zeros_like(dense.initial) if final is None else np.array(final)
        found = allocated(dense, decay and dense.decay is not None)
        for some, size, states in reversed(self.blocks):
            target = found.part(some)
            given = [None if output is None else output[:, some] for output in outputs]
            part = dense.part(some)
            with np.errstate(all="ignore"):
                chunks = chunked(part, size) if size else None
                if chunks is None:
                    error = dense.one_by_one.backward(part, states[:, 0], error, given, target)
                else:
                    back = (
                        ScalarPull(chunks, states, target)
                        if isinstance(chunks, ScalarChunks)
                        else Pull(chunks, states, target)
                    )
                    error = back.run(error, given)
        found.initial = error
        return found


class SavedByBackend:
    """What a pass keeps that an operation of the backend computed.

    Parameters
    ----------
    dense : Dense
    operations : Operations
    states : array (batch, chunks, *heads, key, value)
        The states before chunks.
    """

    def __init__(self, dense: Dense, operations: Operations, states: Array) -> None:
        self.dense, self.operations, self.states = dense, operations, states

    def pull(self, outputs: Sequence[Array | None], final: Array | None, decay: bool) -> DenseErrors:
        """The errors of the arguments; see :meth:`graphnet.core.recurrences.matrix.MatrixReads.pull`."""
        dense = self.dense
        error = np.zeros_like(dense.initial) if final is None else final
        found = allocated(dense, decay)
        found.initial = full_decay.backward(dense, self.operations, self.states, error, outputs, found)
        return found


def allocated(dense: Dense, decay: bool) -> DenseErrors:
    """Arrays for the errors of the arguments, with all heads, in the layouts of these."""
    heads = dense.initial.shape[1:-2]

    def empty(array: Array, axes: int = 1) -> Array:
        return dense.steps.allocate(array, dense.steps.count, *heads, *array.shape[-axes:])

    rates, scale = None, None
    if decay:
        rates = empty(dense.decay, 2)
        scale = None if dense.scale is None else np.zeros((*heads, *dense.scale.shape[-2:]), dense.scale.dtype)
    vectors = {name: empty(array) for name, array in dense.vectors.items()}
    return DenseErrors(vectors, [empty(query) for query, _ in dense.queries], (rates, scale), dense.initial)


def reads(dense: Dense, operations: Operations | None) -> tuple[list[Array], Array, Saved | SavedByBackend]:
    """The outputs and the final state of a recurrence, and what the pass backward needs."""
    state, count = dense.initial, dense.steps.count
    like = next(iter(dense.vectors.values()))
    heads, value = state.shape[1:-2], state.shape[-1]
    outputs = [dense.steps.allocate(like, count, *heads, value) for _ in dense.queries]
    found = full_decay.forward(dense, operations, outputs)
    if found is not None and operations is not None:
        return outputs, found[0], SavedByBackend(dense, operations, found[1])
    blocks, start, size = [], 0, CHUNK
    while start < count:
        size = min(size, CHUNK) if size else 0
        some, size, states = _block(dense, start, size, state, outputs)
        blocks.append((some, size, states))
        state, start = states[:, -1], some.stop
        size = min(2 * size, CHUNK) if size else SMALLEST  # the next steps may be less steep
    return outputs, np.array(state), Saved(dense, blocks)


def _block(dense: Dense, start: int, size: int, state: Array, outputs: Sequence[Array]) -> tuple[slice, int, Array]:
    """Compute some steps from ``start`` on, in chunks of at most ``size`` steps; returns what a pass keeps of them."""
    left = dense.steps.count - start
    while not dense.full and (size >= SMALLEST or size >= left > 0):
        size = min(size, left)
        wide = max(1, max(*dense.initial.shape[-2:], size) * size * dense.initial[..., 0, 0].size)
        some = slice(start, start + size * max(1, min(left // size, BLOCK // wide)))
        given = [output[:, some] for output in outputs]
        with np.errstate(all="ignore"):
            chunks = chunked(dense.part(some), size)
            states = None if chunks is None else chunks.forward(state, given)
        if states is not None and np.isfinite(states).all() and all(np.isfinite(o).all() for o in given):
            return some, size, states
        size //= 2
    length = dense.one_by_one.steps_at_once(state)
    some = slice(start, start + min(left, length if dense.full else min(length, 2 * SMALLEST)))
    with np.errstate(all="ignore"):
        last = dense.one_by_one.forward(dense.part(some), state, [output[:, some] for output in outputs])
    return some, 0, np.stack([state, last], 1)
