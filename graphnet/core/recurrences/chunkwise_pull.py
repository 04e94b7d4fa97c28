"""The pass backward of matrix recurrences as products of matrices; see :mod:`graphnet.core.recurrences.chunkwise`.

The errors of ``log P_t`` need no states: they are ``q_t ∘ ∂q_t`` of what is multiplied by ``P_t`` minus ``k_t ∘ ∂k_t``
of what is divided by it, and at the end of a chunk ``Σ E ∘ S``; the error of ``log a_t`` is their sum from t on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphnet.core.recurrences.chunkwise import Chunks, divided, transposed, triangle
from graphnet.core.recurrences.crossing import crossing, ones

Array = Any


class Pull:
    """The pass backward through some chunks.

    Parameters
    ----------
    chunks : Chunks
    states : array (batch, chunks + 1, *heads, key, value)
        The states before and after all chunks.
    target : graphnet.core.recurrences.dense.DenseErrors
        Where the errors of the arguments are put.
    """

    corrections: Any
    read: Any
    inner: Any

    def __init__(self, chunks: Chunks, states: Array, target: Any) -> None:
        self.chunks, self.target, self.states = chunks, target, states
        self.early = states[:, :-1]
        #: The errors of log P, or where decays are small, those of their logarithms; None if they are not wanted.
        self.growth: Array | None = None
        self.logs: Any = None
        if target.decay[0] is not None and chunks.products is not None:
            inner = chunks.size, chunks.products.shape[-1]
            zeros = np.zeros((*self.early.shape[:-2], *inner), states.dtype)
            if chunks.small:
                self.logs = zeros
            else:
                self.growth = zeros
        self.corrections = self.read = self.inner = None
        if chunks.delta:
            fixed, self.read = chunks.system()
            self.corrections = fixed - self.read @ self.early

    def run(self, error: Array, outputs: Sequence[Array | None]) -> Array:
        """Fill the errors of the arguments, from those of the outputs and of the state after the last step.

        Parameters
        ----------
        error : array (batch, *heads, key, value)
        outputs : sequence of arrays (batch, steps, *heads, value) or None

        Returns
        -------
        array
            The error of the state before the first step.
        """
        chunks = self.chunks
        given = [None if e is None else self._framed(e, i) for i, e in enumerate(outputs)]
        before = self._carry(error, given)
        if chunks.delta:
            pulled = transposed(chunks.inverse) @ self.inner
            given.append(-pulled)
            if chunks.w is not None:
                self._fill("w", pulled)
        self._pull_products(given)
        self._finish()
        return before

    def _finish(self) -> None:
        """Fill the error of the decay."""
        chunks = self.chunks
        if self.logs is not None:
            left = transposed(chunks.start * chunks.end) * (self.ends * self.early)
            self._pull_decay(self.logs + self._reduced(left.sum(axis=-1)[..., None, :]))
        elif self.growth is not None:
            axis = -2 if chunks.by_value else -1
            last = (self.ends * self.states[:, 1:]).sum(axis=axis)
            if self.growth.shape[-1] == 1 and not chunks.by_value:
                last = last.sum(axis=-1, keepdims=True)
            self.growth[..., -1, :] += last
            self._pull_decay(ones(chunks.size, chunks.char, True) @ self.growth)

    def _framed(self, output: Array, number: int) -> Array:
        """The error of an output in the frame; where the outputs are scaled, it adds to the growth."""
        chunks = self.chunks
        error = divided(output, chunks.size)
        if not chunks.by_value:
            return error
        before = chunks.queries[number][1]
        if self.growth is not None:
            self._grow(chunks.read(number, self.early, None), error, before)
        return error * (chunks.earlier if before else chunks.products)

    def _grow(self, array: Array, error: Array, before: bool = False, sign: int = 1) -> None:
        """Add ``x ∘ ∂x`` to the errors of log P."""
        growth = self.growth
        if growth is None:
            return
        if growth.shape[-1] == 1 and array.shape[-1] != 1:
            found = np.einsum("...i,...i->...", array, error)[..., None]
        else:
            found = array * error
        if before:
            growth[..., :-1, :] += found[..., 1:, :]
        elif sign > 0:
            growth += found
        else:
            growth -= found

    def _carry(self, error: Array, given: list[Array | None]) -> Array:
        """The errors of the states after all chunks, ``ends``, and of the corrections of the delta rule, ``inner``.

        Returns the error of the state before all.
        """
        chunks, read = self.chunks, None
        for query, e in zip(chunks.reading, given, strict=False):
            if e is not None:
                part = transposed(query) @ self._started(e)
                read = part if read is None else read + part
        own = self._errors_of_corrections(given) if chunks.delta else None
        self.ends = np.empty_like(self.early)
        for chunk in reversed(range(chunks.count)):
            self.ends[:, chunk] = error
            if own is not None:
                own[:, chunk] += chunks.u_end[:, chunk] @ error
            error = chunks.last(error, chunk)
            if own is not None:
                error = error - transposed(self.read[:, chunk]) @ own[:, chunk]
            if read is not None:
                error = error + read[:, chunk]
        self.inner = own
        return np.array(error)

    def _errors_of_corrections(self, given: list[Array | None]) -> Array:
        """Those that come from the outputs."""
        total = np.zeros_like(self.corrections)
        for number, e in enumerate(given):
            if e is not None:
                total += transposed(self.chunks.scores(number, self.chunks.u)) @ e
        return total

    def _pull_products(self, given: list[Array | None]) -> None:
        """Fill the errors of queries, keys, values, u and p."""
        chunks, ends = self.chunks, self.ends
        sources = [(chunks.key, chunks.value), (chunks.u, self.corrections)]
        last = [(chunks.key, chunks.value_end), (chunks.u, self.corrections)]
        lefts: list[Any] = [None if k is None else self._from_end(k, v @ transposed(ends)) for k, v in last]
        right = None if chunks.key is None else chunks.key_end @ ends
        if chunks.by_value and right is not None:
            right = right * chunks.end
        for number, e in enumerate(given):
            if e is None:
                self.target.queries[number][...] = 0
                continue
            query, before = chunks.queries[number]
            found = self._from_state(number, self._started(e) @ transposed(self.early))
            for i, (left, values) in enumerate(sources):
                if left is None:
                    continue
                scores = self._masked(number, left, e @ transposed(values))
                found += scores @ left
                lefts[i] += transposed(scores) @ query
                if i == 0:
                    right += transposed(chunks.scores(number, left)) @ e
            self._fill_query(number, query, found, before)
        if chunks.key is not None:
            self._fill_source("keys", chunks.key, lefts[0], not chunks.by_value)
            self._fill_source("values", chunks.value, right, chunks.by_value)
        if chunks.delta:
            self._fill_source("u", chunks.u, lefts[1], True)

    def _started(self, error: Array) -> Array:
        """The error of what a query reads of the state before the chunk, from that of an output in the frame."""
        return error * self.chunks.start if self.chunks.by_value else error

    def _reduced(self, error: Array) -> Array:
        """Summed over the keys if they have one decay."""
        shared = self.chunks.products.shape[-1] == 1
        return error.sum(axis=-1, keepdims=True) if shared else error

    def _from_end(self, source: Array, error: Array) -> Array:
        """The error of keys or u from that of the state after the chunk."""
        chunks = self.chunks
        if chunks.products is None or chunks.by_value:
            return error
        error = error * chunks.end
        if self.logs is not None:
            self.logs += self._reduced(ones(chunks.size, chunks.char, False) @ (source * error))
        return error

    def _from_state(self, number: int, error: Array) -> Array:
        """The error of a query from what it reads of the state before the chunk."""
        chunks = self.chunks
        if chunks.products is None or chunks.by_value:
            return error
        error = error * chunks.start
        if self.logs is not None:
            query, before = chunks.queries[number]
            self.logs += self._reduced(ones(chunks.size, chunks.char, True) @ moved(query * error, before))
        return error

    def _masked(self, number: int, source: Array, error: Array) -> Array:
        """The error of the products of a query and a source, from that of what is multiplied by the values."""
        query, before = self.chunks.queries[number]
        if self.logs is not None:
            self.logs += self._reduced(crossing(moved(query, before), source, moved(error, before)))
        error *= triangle(self.chunks.size, self.chunks.char, before)
        return error

    def _fill(self, name: str, error: Array) -> None:
        divided(self.target.vectors[name], self.chunks.size)[...] = error

    def _fill_query(self, number: int, query: Array, error: Array, before: bool) -> None:
        """Fill the error of a query, or of p, from that of the scaled one."""
        chunks = self.chunks
        if not chunks.by_value and chunks.products is not None:
            self._grow(query, error, before)
            error = error * (chunks.earlier if before else chunks.products)
        if number < len(self.target.queries):
            divided(self.target.queries[number], chunks.size)[...] = error
        else:
            self._fill("p", error)

    def _fill_source(self, name: str, array: Array, error: Array, scaled: bool) -> None:
        """Fill the error of keys, values or u from that of the quotient."""
        if scaled and self.chunks.products is not None:
            self._grow(array, error, sign=-1)
            error = error / self.chunks.products
        self._fill(name, error)

    def _pull_decay(self, logs: Array) -> None:
        """Fill the error of the decay from that of its logarithm (batch, chunks, *heads, size, key or value)."""
        chunks = self.chunks
        if not chunks.part.logs:
            logs = logs / chunks.decay
        elif chunks.lowered is not None:
            logs = logs * chunks.lowered
        logs = np.moveaxis(logs, -2, 2)
        logs = logs.reshape(len(logs), chunks.count * chunks.size, *logs.shape[3:])
        chunks.part.pull_decay(logs[..., None, :] if chunks.by_value else logs[..., None], self.target)


def moved(rows: Array, before: bool) -> Array:
    """Rows of queries by the step whose state they read: those of the state before the chunk are left out."""
    if not before:
        return rows
    found = np.zeros_like(rows)
    found[..., :-1, :] = rows[..., 1:, :]
    return found
