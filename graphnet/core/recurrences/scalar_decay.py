"""Matrix recurrences with one decay for the whole state, as products of matrices.

The products of decays between any two steps of a chunk are numbers, so no vector is divided by one: with ``W_ts =
a_{s+1} … a_t``, the outputs of a chunk are ``(W ∘ Q Kᵀ) V + W_t0 ∘ (Q S_0)``. Any decay is allowed: zeros, negative and
large ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.recurrences.chunkwise import Chunks, divided_decay, transposed
from graphnet.core.recurrences.chunkwise_pull import Pull

Array = Any


def weights(decay: Array) -> Array:
    """``W`` (..., size + 1, size + 1) of decays (..., size); step 0 is the state before the chunk.

    0 where s > t, and 1 where s = t.
    """
    size = decay.shape[-1]
    found = np.zeros((size + 1, *decay.shape[:-1], size + 1), decay.dtype)
    found[0, ..., 0] = 1
    for t in range(1, size + 1):
        np.multiply(found[t - 1, ..., :t], decay[..., t - 1, None], out=found[t, ..., :t])
        found[t, ..., t] = 1
    return np.ascontiguousarray(np.moveaxis(found, 0, -2))


class ScalarChunks(Chunks):
    """Some chunks of equal size.

    Parameters
    ----------
    part : graphnet.core.recurrences.dense.Dense
    size : int
    decay : array (batch or 1, steps or 1, *heads, 1, 1)
    """

    def __init__(self, part: Any, size: int, decay: Array) -> None:
        super().__init__(part, size)
        self.factors = divided_decay(decay[..., 0], size)[..., 0]
        self.weights = weights(self.factors)
        last = self.weights[..., -1, 1:, None]
        self.key_end = None if self.key is None else self.key * last
        self.u_end = None if self.u is None else self.u * last
        self.reading = [query * self.rows(before)[..., :1] for query, before in self.queries]

    def rows(self, before: bool) -> Array:
        """The weights of outputs: rows are steps, columns the state before the chunk and the steps."""
        return self.weights[..., :-1, :] if before else self.weights[..., 1:, :]

    def scores(self, query: int, source: Array) -> Array:
        """``W ∘ (Q Kᵀ)`` of a query and a source."""
        vectors, before = self.queries[query]
        found = vectors @ transposed(source)
        found *= self.rows(before)[..., 1:]
        return found

    def last(self, state: Array, chunk: int) -> Array:
        """What is left of a state after a chunk."""
        chunk = chunk if self.weights.shape[1] > 1 else 0
        return state * self.weights[:, chunk, ..., -1:, :1]


class ScalarPull(Pull):
    """The pass backward through some chunks: that of ``W`` is by its own recurrence, ``W_t = a_t W_{t-1}``."""

    chunks: ScalarChunks

    def __init__(self, chunks: ScalarChunks, states: Array, target: Any) -> None:
        super().__init__(chunks, states, target)
        self.weights: Any = None
        if target.decay[0] is not None:
            size = chunks.size + 1
            self.weights = np.zeros((*self.early.shape[:-2], size, size), states.dtype)

    def _rows(self, before: bool) -> Array:
        return self.weights[..., :-1, :] if before else self.weights[..., 1:, :]

    def _from_end(self, source: Array, error: Array) -> Array:
        """The error of keys or u from that of the state after the chunk."""
        if self.weights is not None:
            self.weights[..., -1, 1:] += np.einsum("...k,...k->...", source, error)
        return error * self.chunks.weights[..., -1, 1:, None]

    def _from_state(self, number: int, error: Array) -> Array:
        """The error of a query from what it reads of the state before the chunk."""
        query, before = self.chunks.queries[number]
        if self.weights is not None:
            self._rows(before)[..., 0] += np.einsum("...k,...k->...", query, error)
        return error * self.chunks.rows(before)[..., :1]

    def _masked(self, number: int, source: Array, error: Array) -> Array:
        """The error of the products of a query and a source, from that of what is multiplied by the values."""
        query, before = self.chunks.queries[number]
        if self.weights is not None:
            self._rows(before)[..., 1:] += error * (query @ transposed(source))
        error *= self.chunks.rows(before)[..., 1:]
        return error

    def _finish(self) -> None:
        """Fill the error of the decay."""
        if self.weights is None:
            return
        chunks, error = self.chunks, self.weights
        error[..., -1, 0] += np.einsum("...kv,...kv->...", self.ends, self.early)
        found = np.empty((*error.shape[:-2], chunks.size), error.dtype)
        for t in range(chunks.size, 0, -1):
            row = error[..., t, :t]
            np.einsum("...s,...s->...", row, chunks.weights[..., t - 1, :t], out=found[..., t - 1])
            error[..., t - 1, :t] += chunks.factors[..., t - 1, None] * row
        if chunks.part.logs:
            found = found * chunks.factors
        found = np.moveaxis(found, -1, 2)
        found = found.reshape(len(found), chunks.count * chunks.size, *found.shape[3:])
        chunks.part.pull_decay(found[..., None, None], self.target)
