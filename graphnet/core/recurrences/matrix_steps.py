"""A matrix recurrence with the delta rule step by step: for numbers that the chunkwise form cannot represent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphnet.core.recurrences.order import inner_sum

Array = Any


def steps_at_once(_: Array) -> int:
    """The number of steps that are computed at once."""
    return 32


def forward(part: Any, state: Array, outputs: Sequence[Array]) -> Array:
    """Fill the outputs; returns the state after the last step."""
    for t in range(part.count):
        after = step(part, state, t)
        for (query, before), output in zip(part.queries, outputs, strict=True):
            output[:, t] = read(state if before else after, query[:, t])
        state = after
    return state


def decay_at(part: Any, t: int) -> Array | None:
    """The factors of the state before a step; None for 1."""
    if part.decay is None:
        return None
    decay = part.decay[:, t if part.decay.shape[1] > 1 else 0]
    if part.scale is not None:
        decay = decay * part.scale
    return np.exp(decay) if part.logs else decay


def step(part: Any, state: Array, t: int) -> Array:
    """The state after a step."""
    decay, vectors = decay_at(part, t), part.vectors
    after = state if decay is None else state * decay
    if "keys" in vectors:
        after = after + product(vectors["keys"][:, t], vectors["values"][:, t])
    return after + product(vectors["u"][:, t], missing(vectors, state, t))


def missing(vectors: dict[str, Array], state: Array, t: int) -> Array:
    """``w - Sᵀp``: what the delta rule corrects."""
    found = read(state, vectors["p"][:, t])
    return vectors["w"][:, t] - found if "w" in vectors else -found


def product(left: Array, right: Array) -> Array:
    """``l rᵀ``."""
    return left[..., None] * right[..., None, :]


def read(state: Array, query: Array) -> Array:
    """``Sᵀ q``."""
    return (query[..., None, :] @ state)[..., 0, :]


def column(state: Array, right: Array) -> Array:
    """``S r``."""
    return (state @ right[..., None])[..., 0]


def backward(part: Any, state: Array, error: Array, outputs: Sequence[Array | None], target: Any) -> Array:
    """Fill the errors of the arguments, from those of the outputs and of the state after the last step.

    Returns the error of the state before the first step.
    """
    states = [state]
    for t in range(part.count):
        states.append(step(part, states[-1], t))
    for t in reversed(range(len(states) - 1)):
        before, after = states[t], states[t + 1]
        for given, (query, early), found in zip(outputs, part.queries, target.queries, strict=True):
            if given is None:
                found[:, t] = 0
            else:
                found[:, t] = column(before if early else after, given[:, t])
                if not early:
                    error = error + product(query[:, t], given[:, t])
        error = _through(part, before, error, t, target)
        for given, (query, early) in zip(outputs, part.queries, strict=True):
            if given is not None and early:
                error = error + product(query[:, t], given[:, t])
    return error


def _through(part: Any, before: Array, error: Array, t: int, target: Any) -> Array:
    """The error of the state before a step, without what is read from it."""
    vectors, found, decay = part.vectors, target.vectors, decay_at(part, t)
    earlier = error if decay is None else error * decay
    if "keys" in vectors:
        found["keys"][:, t] = column(error, vectors["values"][:, t])
        found["values"][:, t] = read(error, vectors["keys"][:, t])
    lack = missing(vectors, before, t)
    found["u"][:, t] = column(error, lack)
    pulled = read(error, vectors["u"][:, t])
    if "w" in vectors:
        found["w"][:, t] = pulled
    found["p"][:, t] = -column(before, pulled)
    earlier = earlier - product(vectors["p"][:, t], pulled)
    if decay is not None and target.decay[0] is not None:
        full = error * before
        if part.logs:
            full = np.where(full == 0, 0, full * decay)  # a state may be infinite where the decay is 0
        part.part(slice(t, t + 1)).pull_decay(inner_sum(full, decay.shape[-2:])[:, None], target.part(slice(t, t + 1)))
    return earlier
