"""Matrix recurrences as products of matrices: some steps, a chunk, at a time.

With ``P_t`` the product of the decays of a chunk up to step t, ``S_t = P_t ∘ Z_t`` and ``Z_t`` does not decay::

    Z_t = Z_{t-1} + (k_t / P_t) v_tᵀ          S_tᵀ q_t = Z_tᵀ (q_t ∘ P_t)        decay by key
    Z_t = Z_{t-1} + k_t (v_t / P_t)ᵀ          S_tᵀ q_t = P_t ∘ (Z_tᵀ q_t)        decay by value

so the outputs of a chunk are ``mask(Q Kᵀ) V + Q Z_0``, with vectors as rows (Yang et al. 2024, "Gated linear attention
transformers with hardware-efficient training", arXiv:2312.06635). The corrections of the delta rule are a second source
of products: ``R = W - mask(P Kᵀ) V - mask(P Uᵀ) R - P Z_0``, a triangular system (the UT transform; Yang et al. 2024,
"Parallelizing linear transformers with the delta rule over sequence length", arXiv:2406.06484).

The quotients limit how steeply the state may decay in a chunk: :meth:`Chunks.of` returns None beyond.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from graphnet.core.recurrences.triangular import unit_inverse

Array = Any
#: By dtype: the largest product of decays, and its smallest as a fraction of 1; and the smallest decay of one step that
#: is not given as a logarithm, because its error is that of the logarithm divided by the decay.
LIMITS = {"f": (1e24, 1e-3), "d": (1e200, 1e-6)}


@lru_cache(maxsize=64)
def triangle(size: int, dtype: str, before: bool) -> Array:
    """Ones where row t may read column s: ``s <= t``, or ``s < t``."""
    return np.tril(np.ones((size, size), dtype), -1 if before else 0)


@lru_cache(maxsize=64)
def suffixes(size: int, dtype: str) -> Array:
    """Ones where column t is added to row s: ``t >= s``."""
    return np.triu(np.ones((size, size), dtype))


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


def cumulated(decay: Array) -> Array:
    """The products of decays (..., size, key or value) up to each step of a chunk."""
    found = np.empty((decay.shape[-2], *decay.shape[:-2], decay.shape[-1]), decay.dtype)
    found[0] = decay[..., 0, :]
    for t in range(1, len(found)):
        np.multiply(found[t - 1], decay[..., t, :], found[t])
    return np.ascontiguousarray(np.moveaxis(found, 0, -2))


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
    by_value : bool
        Whether they have an axis of values.
    """

    key: Any
    value: Any
    u: Any
    w: Any
    key_end: Any
    u_end: Any

    def __init__(
        self, part: Any, size: int, decay: Array | None = None, products: Array | None = None, by_value: bool = False
    ) -> None:
        self.part, self.size, self.decay, self.products, self.by_value = part, size, decay, products, by_value
        self.count = part.count // size
        self.char = part.initial.dtype.char
        earlier = None
        if products is not None:
            earlier = np.ones_like(products)
            earlier[..., 1:, :] = products[..., :-1, :]
        self.earlier = earlier
        vectors = {name: divided(array, size) for name, array in part.vectors.items()}
        self.queries = [(divided(query, size), before) for query, before in part.queries]
        self.delta = "u" in vectors
        if self.delta:
            self.queries.append((vectors["p"], True))
        if not self.by_value:
            self.queries = [(self._scaled(query, before), before) for query, before in self.queries]
        self.key = self._reduced(vectors.get("keys"), not self.by_value)
        self.value = self._reduced(vectors.get("values"), self.by_value)
        self.u, self.w = self._reduced(vectors.get("u"), True), vectors.get("w")
        #: Keys and u as they are in the state that is carried on, and queries as they read the state before the chunk.
        self.key_end, self.u_end = self.key, self.u
        self.reading = [query for query, _ in self.queries]

    @classmethod
    def of(cls, part: Any, size: int, decay: Array | None) -> Chunks | None:
        """The chunks; None where the decays are too different from 1, or of a kind that needs another form."""
        if decay is None:
            return cls(part, size)
        by_value = decay.shape[-1] > 1
        decay = divided_decay(decay[..., 0, :] if by_value else decay[..., 0], size)
        largest, smallest = LIMITS[part.initial.dtype.char]
        products = cumulated(decay)
        magnitudes = np.abs(products)
        low, high = magnitudes.min(initial=1.0), magnitudes.max(initial=1.0)
        if not (low * largest >= high and high <= largest):  # also where one is NaN
            return None
        if not part.logs and np.abs(decay).min(initial=1.0) < smallest:
            return None
        return cls(part, size, decay, products, by_value)

    # ------------------------------------------------------------------ scaling
    def _scaled(self, array: Array, before: bool) -> Array:
        """``x_t ∘ P_t``, or ``x_t ∘ P_{t-1}``."""
        products = self.earlier if before else self.products
        return array if products is None else array * products

    def _reduced(self, array: Array | None, applies: bool) -> Array | None:
        """``x_t / P_t``."""
        if array is None or self.products is None or not applies:
            return array
        return array / self.products

    def last(self, state: Array, chunk: int) -> Array:
        """A state of the frame after the last step of a chunk, as it is outside."""
        if self.products is None:
            return state
        chunk = chunk if self.products.shape[1] > 1 else 0
        last = self.products[:, chunk, ..., -1, :]
        return state * (last[..., None, :] if self.by_value else last[..., None])

    def carried(self, state: Array, added: Array, chunk: int) -> Array:
        """The state after a chunk."""
        return self.last(state + added, chunk)

    def framed(self, error: Array, chunk: int) -> Array:
        """The error of what a chunk adds to the state, from that of the state after it."""
        return self.last(error, chunk)

    # ------------------------------------------------------------------ forward
    def scores(self, query: int, source: Array) -> Array:
        """``mask(Q Kᵀ)`` of a query and a source."""
        vectors, before = self.queries[query]
        found = vectors @ transposed(source)
        found *= triangle(self.size, self.char, before)
        return found

    def forward(self, state: Array, outputs: Sequence[Array]) -> Array:
        """Fill the outputs; returns the states before and after all chunks, (batch, chunks + 1, *heads, key, value)."""
        states = np.empty((len(state), self.count + 1, *state.shape[1:]), state.dtype)
        added = None if self.key is None else transposed(self.key_end) @ self.value
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
            states[:, chunk + 1] = self.carried(state, new, chunk)
        for number, output in enumerate(outputs):
            divided(output, self.size)[...] = self.read(number, states[:, :-1], corrections)
        return states

    def read(self, number: int, states: Array, corrections: Array | None) -> Array:
        """The outputs of a query in all chunks."""
        before = self.queries[number][1]
        found = self.reading[number] @ states
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
