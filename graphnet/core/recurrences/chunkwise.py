"""Matrix recurrences as products of matrices: some steps, a chunk, at a time.

With ``P_t`` the product of the decays of a chunk up to step t, ``S_t = P_t ∘ Z_t`` and ``Z_t`` does not decay::

    Z_t = Z_{t-1} + (k_t / P_t) v_tᵀ          S_tᵀ q_t = Z_tᵀ (q_t ∘ P_t)        decay by key
    Z_t = Z_{t-1} + k_t (v_t / P_t)ᵀ          S_tᵀ q_t = P_t ∘ (Z_tᵀ q_t)        decay by value

so the outputs of a chunk are ``mask(Q Kᵀ) V + Q Z_0``, with vectors as rows and ``P`` relative to the middle of a chunk
(Yang et al. 2024, "Gated linear attention transformers with hardware-efficient training", arXiv:2312.06635). The
corrections of the delta rule are a second source of products: ``R = W - mask(P Kᵀ) V - mask(P Uᵀ) R - P Z_0``, a
triangular system (the UT transform; Yang et al. 2024, "Parallelizing linear transformers with the delta rule over
sequence length", arXiv:2406.06484).

The quotients limit how steeply the state may decay in a chunk: :meth:`Chunks.of` returns None beyond.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from graphnet.core.recurrences.triangular import unit_inverse

Array = Any
#: By dtype: the largest product of decays from the middle of a chunk, or of inverses; the largest quotient of two of
#: them for which products of vectors that are masked anyway do not overflow; the smallest decay of one step whose error
#: may be that of its logarithm, a difference of sums, divided by it.
LIMITS = {"f": (1e28, 1e30, 1e-2), "d": (1e200, 1e280, 1e-4)}
#: Smaller decays count as this one in a chunk, where what that adds to a state is lost in its rounding errors
#: (:func:`floor_is_lost`). The error of a decay does not depend on its own size.
FLOOR = {"f": 1e-12, "d": 1e-24}


@lru_cache(maxsize=64)
def triangle(size: int, dtype: str, before: bool) -> Array:
    """Ones where row t may read column s: ``s <= t``, or ``s < t``."""
    made: Array = np.tril(np.ones((size, size), dtype), -1 if before else 0)
    made.flags.writeable = False
    return made


def divided(array: Array, size: int, axes: int = 1) -> Array:
    """``(batch, steps, *heads, …)`` as a view ``(batch, chunks, *heads, size, …)`` with ``axes`` axes at the end."""
    batch, steps, *rest = array.shape
    return np.moveaxis(array.reshape(batch, steps // size, size, *rest), 2, -1 - axes)


def divided_decay(decay: Array, size: int) -> Array:
    """The same for decays, which may be the same for all steps: then as if there were one chunk."""
    if decay.shape[1] == 1:
        decay = np.broadcast_to(decay, (len(decay), size, *decay.shape[2:]))
    return divided(decay, size)


def transposed(array: Array) -> Array:
    """Matrices with rows and columns exchanged."""
    return array.swapaxes(-1, -2)


def cumulated(decay: Array) -> tuple[Array, Array]:
    """The products of decays (..., size, key or value) from the middle of a chunk to each step, and from its beginning.

    Before the middle they are inverses. Those from the beginning to the middle are (..., 1, key or value).
    """
    size = decay.shape[-2]
    found = np.empty((size, *decay.shape[:-2], decay.shape[-1]), decay.dtype)
    middle = (size - 1) // 2
    found[middle] = 1
    for t in range(middle, 0, -1):
        np.divide(found[t], decay[..., t, :], found[t - 1])
    whole = decay[..., :1, :] / found[0][..., None, :]
    for t in range(middle + 1, size):
        np.multiply(found[t - 1], decay[..., t, :], found[t])
    return np.ascontiguousarray(np.moveaxis(found, 0, -2)), whole


def floor_is_lost(part: Any, decay: Array) -> bool:
    """Whether the rest of a state that ``FLOOR`` leaves, where less should be left, is lost beside what a step adds.

    Only where it can be bounded: without corrections of the delta rule, and with decays of at most 1. A step that is to
    clear a large state and adds little, or nothing, is computed exactly instead.

    Parameters
    ----------
    part : graphnet.core.recurrences.dense.Dense
    decay : array (batch or 1, steps or 1, *heads, key or value)
    """
    if "u" in part.vectors or not np.abs(decay).max() <= 1:
        return False
    char = part.initial.dtype.char
    added = np.abs(part.vectors["keys"]).max(axis=-1) * np.abs(part.vectors["values"]).max(axis=-1)
    state = np.abs(part.initial).max(axis=(-2, -1)) + added.sum(axis=1)
    clears = (np.abs(decay) < FLOOR[char]).any(axis=-1)
    return bool((~clears | (FLOOR[char] * state[:, None] <= np.finfo(char).eps * added)).all())


class Chunks:
    """Some chunks of equal size, in the frame in which the state does not decay.

    Parameters
    ----------
    part : graphnet.core.recurrences.dense.Dense
        A whole number of chunks.
    size : int
        Steps of a chunk.
    decay, products : array (batch or 1, chunks or 1, *heads, size, key or 1, or value), or None
        The decays of steps, and ``P``.
    start : array (batch or 1, chunks or 1, *heads, 1, key or 1, or value), or None
        ``1 / P_0``.
    by_value : bool
        Whether they have an axis of values.

    Attributes
    ----------
    reading : list of array
        The queries as they read the state before the chunk.
    key_end, value_end, u_end : array
        Keys, values and u as they are in the state after the chunk.
    """

    key: Any
    value: Any
    u: Any
    w: Any
    key_end: Any
    value_end: Any
    u_end: Any
    #: Whether products of vectors that are masked may be infinite; whether decays are too small for the fast form of
    #: their error.
    steep = False
    small = False
    #: Decays that are given as logarithms, as fractions of those of the chunk; None if they are equal.
    lowered: Any = None

    def __init__(
        self, part: Any, size: int, decay: Any = None, products: Any = None, start: Any = None, by_value: bool = False
    ) -> None:
        self.part, self.size, self.decay, self.products, self.by_value = part, size, decay, products, by_value
        self.count, self.char = part.count // size, part.initial.dtype.char
        vectors = {name: divided(array, size) for name, array in part.vectors.items()}
        self.queries = [(divided(query, size), before) for query, before in part.queries]
        self.delta = "u" in vectors
        if self.delta:
            self.queries.append((vectors["p"], True))
        self.key, self.value = vectors.get("keys"), vectors.get("values")
        self.u, self.w = vectors.get("u"), vectors.get("w")
        self.start, self.end, self.earlier = start, None, None
        if products is not None:
            self.earlier = np.concatenate([1 / start, products[..., :-1, :]], axis=-2)
            self.end = products[..., -1:, :]
        self._scale()

    def _scale(self) -> None:
        """Bring vectors into the frame, and out of it."""
        self.reading = [query for query, _ in self.queries]
        self.key_end, self.value_end, self.u_end = self.key, self.value, self.u
        if self.products is None:
            return
        if self.by_value:
            if self.value is not None:
                self.value = self.value / self.products
                self.value_end = self.value * self.end
            return
        self.queries = [(q * (self.earlier if before else self.products), before) for q, before in self.queries]
        self.reading = [query * self.start for query, _ in self.queries]
        if self.key is not None:
            self.key = self.key / self.products
            self.key_end = self.key * self.end
        if self.u is not None:
            self.u = self.u / self.products
            self.u_end = self.u * self.end

    @classmethod
    def of(cls, part: Any, size: int, decay: Array | None) -> Chunks | None:
        """The chunks; None where the decays are too different from 1, or of a kind that needs another form."""
        if decay is None:
            return cls(part, size)
        by_value = decay.shape[-1] > 1
        decay = decay[..., 0, :] if by_value else decay[..., 0]
        char = part.initial.dtype.char
        largest, harmless, smallest = LIMITS[char]
        least = np.abs(decay).min(initial=1.0)
        if least < FLOOR[char] and not floor_is_lost(part, decay):
            return None
        given = decay = divided_decay(decay, size)
        if least < FLOOR[char]:
            decay = np.where(np.abs(decay) < FLOOR[char], np.copysign(decay.dtype.type(FLOOR[char]), decay), decay)
        products, start = cumulated(decay)
        bounds = [np.abs(a) for a in (products, 1 / start)]
        low, high = min(a.min(initial=1.0) for a in bounds), max(a.max(initial=1.0) for a in bounds)
        if not (low * largest >= 1 and high <= largest):  # also where one is NaN
            return None
        small = not part.logs and least < smallest
        if small and by_value:
            return None
        made = cls(part, size, decay, products, start, by_value)
        made.steep, made.small = high > low * harmless, small
        made.lowered = given / decay if part.logs and least < FLOOR[char] else None
        return made

    # ------------------------------------------------------------------ scaling
    def last(self, state: Array, chunk: int) -> Array:
        """What is left of a state after a chunk."""
        if self.products is None:
            return state
        left = self.start * self.end
        left = left[:, chunk if left.shape[1] > 1 else 0]
        return state * (left if self.by_value else transposed(left))

    # ------------------------------------------------------------------ forward
    def scores(self, query: int, source: Array) -> Array:
        """``mask(Q Kᵀ)`` of a query and a source."""
        vectors, before = self.queries[query]
        found = vectors @ transposed(source)
        kept = triangle(self.size, self.char, before)
        if self.steep:
            np.copyto(found, 0, where=kept == 0)
        else:
            found *= kept
        return found

    def forward(self, state: Array, outputs: Sequence[Array]) -> Array:
        """Fill the outputs; returns the states before and after all chunks, (batch, chunks + 1, *heads, key, value)."""
        states = np.empty((len(state), self.count + 1, *state.shape[1:]), state.dtype)
        added = None if self.key is None else transposed(self.key_end) @ self.value_end
        corrections = None
        if self.delta:
            fixed, read = self.system()
            corrections = np.empty((*states[:, 1:].shape[:-2], self.size, state.shape[-1]), state.dtype)
        states[:, 0] = state
        for chunk in range(self.count):
            state = states[:, chunk]
            new = None if added is None else added[:, chunk]
            if corrections is not None:
                here = np.subtract(fixed[:, chunk], read[:, chunk] @ state, out=corrections[:, chunk])
                own = transposed(self.u_end[:, chunk]) @ here
                new = own if new is None else new + own
            states[:, chunk + 1] = self.last(state, chunk) + new
        for number, output in enumerate(outputs):
            divided(output, self.size)[...] = self.read(number, states[:, :-1], corrections)
        return states

    def read(self, number: int, states: Array, corrections: Array | None) -> Array:
        """The outputs of a query in all chunks."""
        before = self.queries[number][1]
        found = self.reading[number] @ states
        if self.by_value:
            found *= self.start
        if self.key is not None:
            found += self.scores(number, self.key) @ self.value
        if corrections is not None:
            found += self.scores(number, self.u) @ corrections
        if self.by_value:
            found *= self.earlier if before else self.products
        return found

    def system(self) -> tuple[Array, Array]:
        """``Y`` and ``Z`` of the corrections ``R = Y - Z S``."""
        self.inverse = inverse = unit_inverse(self.scores(-1, self.u))
        right = 0 if self.w is None else self.w
        if self.key is not None:
            right = right - self.scores(-1, self.key) @ self.value
        elif self.w is None:
            right = np.zeros((*inverse.shape[:-1], self.part.initial.shape[-1]), inverse.dtype)
        return inverse @ right, inverse @ self.reading[-1]
