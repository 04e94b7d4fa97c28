"""Matrix recurrences in the order of processing, all rows whole, in chunks of steps.

Only the states at the ends of chunks are kept; the pass backward computes those inside a chunk again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet.core.operations import Operations
from graphnet.core.recurrences import matrix_steps
from graphnet.core.recurrences.order import Steps

Array = Any


@dataclass(frozen=True, slots=True)
class Dense:
    """The arguments of a matrix recurrence, in the order of processing, with the whole batch and all steps.

    Attributes
    ----------
    vectors : mapping of {'keys', 'values', 'u', 'w', 'p'} to arrays (batch, steps, *heads, key or value)
        Those that there are; heads may have size 1.
    queries : list of (array (batch, steps, *heads, key), bool)
        With the truth of "before the step".
    decay : array (batch, steps, *heads, key or 1, value or 1), or None
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

    def part(self, some: slice) -> Dense:
        """Some steps."""
        return Dense(
            {name: array[:, some] for name, array in self.vectors.items()},
            [(query[:, some], before) for query, before in self.queries],
            None if self.decay is None else self.decay[:, some],
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
        given = steps.whole(steps.enter(values, 1.0))
    elif logs is not None:
        given = steps.whole(steps.enter(logs))
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


class Saved:
    """What a pass keeps: the states at the beginnings of chunks."""

    def __init__(self, dense: Dense, chunks: list[slice], states: list[Array]) -> None:
        self.dense, self.chunks, self.states = dense, chunks, states

    def pull(self, outputs: Sequence[Array | None], final: Array | None, decay: bool) -> DenseErrors:
        """The errors of the arguments; see :meth:`graphnet.core.recurrences.matrix.MatrixReads.pull`."""
        dense = self.dense
        error = np.zeros_like(dense.initial) if final is None else np.array(final)
        decay = decay and dense.decay is not None
        vectors = {name: empty(dense, array) for name, array in dense.vectors.items()}
        queries = [empty(dense, query) for query, _ in dense.queries]
        rates = empty(dense, dense.decay, 2) if decay else None
        scale = np.zeros(dense.initial.shape[1:], dense.initial.dtype) if decay and dense.scale is not None else None
        for some, state in zip(reversed(self.chunks), reversed(self.states), strict=True):
            target = DenseErrors(
                {name: array[:, some] for name, array in vectors.items()},
                [query[:, some] for query in queries],
                (None if rates is None else rates[:, some], scale),
                error,
            )
            given = [None if output is None else output[:, some] for output in outputs]
            error = matrix_steps.backward(dense.part(some), state, error, given, target)
        return DenseErrors(vectors, queries, (rates, scale), error)


def empty(dense: Dense, array: Array, axes: int = 1) -> Array:
    """An array for the errors of an argument, with all heads, as batch-major or time-major as it is."""
    heads = dense.initial.shape[1:-2]
    return dense.steps.allocate(array, array.shape[1], *heads, *array.shape[-axes:])


def reads(dense: Dense, operations: Operations | None) -> tuple[list[Array], Array, Saved]:
    """The outputs and the final state of a recurrence, and what the pass backward needs."""
    chunk = 64
    count = dense.steps.count
    chunks = [slice(i, min(i + chunk, count)) for i in range(0, count, chunk)]
    state, states = dense.initial, []
    like = next(iter(dense.vectors.values()))
    heads, value = state.shape[1:-2], state.shape[-1]
    outputs = [dense.steps.allocate(like, count, *heads, value) for _ in dense.queries]
    for some in chunks:
        states.append(state)
        state = matrix_steps.forward(dense.part(some), state, [output[:, some] for output in outputs])
    return outputs, np.array(state), Saved(dense, chunks, states)
