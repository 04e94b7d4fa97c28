"""A matrix recurrence with all states of some steps in memory: for any decay, elementwise.

Only the recurrence itself is a loop over the steps; decays, products and read-outs are computed for all steps at once.
Arrays have the steps first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = Any
#: Numbers of the states of a block, which stay in the cache.
BLOCK = 1 << 16


def steps_at_once(state: Array) -> int:
    """The number of steps whose states are in memory at once."""
    return int(max(1, min(32, BLOCK // max(1, state.size))))


def first(array: Array) -> Array:
    """``(batch, steps, …)`` with the steps first."""
    return array.swapaxes(0, 1)


def product(left: Array, right: Array) -> Array:
    """``l rᵀ``."""
    return left[..., None] * right[..., None, :]


def read(states: Array, query: Array) -> Array:
    """``Sᵀ q``."""
    return (query[..., None, :] @ states)[..., 0, :]


def column(states: Array, right: Array) -> Array:
    """``S r``."""
    return (states @ right[..., None])[..., 0]


def _run(decay: Array | None, states: Array) -> None:
    """``states[t + 1] += decay[t] states[t]`` for all t in turn."""
    for t in range(len(states) - 1):
        states[t + 1] += states[t] if decay is None else decay[t if len(decay) > 1 else 0] * states[t]


def _states(part: Any, state: Array) -> tuple[Array | None, Array]:
    """The decays, and the states before all steps and after the last one."""
    decay = part.factors()
    decay = None if decay is None else first(decay)
    states = np.empty((part.count + 1, *state.shape), state.dtype)
    states[0] = state
    np.multiply(first(part.vectors["keys"])[..., None], first(part.vectors["values"])[..., None, :], out=states[1:])
    _run(decay, states)
    return decay, states


def forward(part: Any, state: Array, outputs: Sequence[Array]) -> Array:
    """Fill the outputs; returns the state after the last step."""
    _, states = _states(part, state)
    for (query, before), output in zip(part.queries, outputs, strict=True):
        first(output)[...] = read(states[:-1] if before else states[1:], first(query))
    return states[-1]


def backward(part: Any, state: Array, error: Array, outputs: Sequence[Array | None], target: Any) -> Array:
    """Fill the errors of the arguments, from those of the outputs and of the state after the last step.

    Returns the error of the state before the first step.
    """
    decay, states = _states(part, state)
    errors = np.zeros_like(states)
    errors[-1] = error
    for (query, before), output, found in zip(part.queries, outputs, target.queries, strict=True):
        if output is None:
            found[...] = 0
            continue
        some, given = slice(None, -1) if before else slice(1, None), first(output)
        first(found)[...] = column(states[some], given)
        errors[some] += product(first(query), given)
    _run(None if decay is None else decay[::-1], errors[::-1])
    late = errors[1:]
    first(target.vectors["keys"])[...] = column(late, first(part.vectors["values"]))
    first(target.vectors["values"])[...] = read(late, first(part.vectors["keys"]))
    if decay is not None and target.decay[0] is not None:
        _pull_decay(part, decay, late, states[:-1], target)
    return errors[0].copy()


def _pull_decay(part: Any, decay: Array, late: Array, early: Array, target: Any) -> None:
    """Fill the error of the decay from ``E ∘ S``."""
    key, value = decay.shape[-2:]
    if key > 1 and value > 1:
        found = late * early
    elif key > 1:
        found = np.einsum("...kv,...kv->...k", late, early)[..., None]
    elif value > 1:
        found = np.einsum("...kv,...kv->...v", late, early)[..., None, :]
    else:
        found = np.einsum("...kv,...kv->...", late, early)[..., None, None]
    if part.logs:
        found = np.where(decay == 0, 0, found * decay)  # a state may be infinite where the decay is 0
    part.pull_decay(first(found), target)
