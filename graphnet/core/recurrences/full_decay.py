"""Matrix recurrences whose decay is a matrix too: by an operation of the backend, or elementwise in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphnet.core.operations import Operation, Operations, offered

Array = Any
#: Steps between the states that are kept.
SIZE = 16


def form_of(dense: Any) -> str | None:
    """How an operation of the backend takes the decay; None where it is not full, or not in such a form."""
    if dense.decay is None or "u" in dense.vectors or "keys" not in dense.vectors:
        return None
    key, value = dense.initial.shape[-2:]
    decay = dense.decay.shape[-2:]
    if dense.scale is not None:
        whole = dense.logs and dense.scale.shape[-2:] == (key, value) and decay in ((1, value), (1, 1))
        return "product" if whole else None
    if decay != (key, value):
        return None
    return "logs" if dense.logs else "values"


def forward(dense: Any, operations: Operations | None, outputs: Sequence[Array]) -> tuple[Array, Array] | None:
    """Fill the outputs by an operation of the backend.

    Returns the last state, and those before chunks; None where the backend does not take it.
    """
    form = form_of(dense)
    if operations is None or form is None or not dense.count:
        return None
    state = np.array(dense.initial, order="C")
    states = np.empty((len(state), -(-dense.count // SIZE), *state.shape[1:]), state.dtype)
    arrays = given(dense) | {"state": state, "states": states}
    arrays |= {f"output {i}": output for i, output in enumerate(outputs)}
    before = tuple(early for _, early in dense.queries)
    if not offered(operations, Operation.OUTER_RECURRENCE, arrays, before, form, SIZE):
        return None
    return state, states


def backward(
    dense: Any, operations: Operations, states: Array, error: Array, outputs: Sequence[Array | None], target: Any
) -> Array:
    """Fill the errors of the arguments by an operation of the backend; returns that of the state before all steps."""
    form = form_of(dense)
    state = np.array(error, order="C")
    arrays = given(dense) | {"state": state, "states": states}
    for i, (output, query) in enumerate(zip(outputs, target.queries, strict=True)):
        shape = (*dense.vectors["values"].shape[:2], *state.shape[1:-2], state.shape[-1])
        arrays[f"output {i} error"] = np.zeros(shape, state.dtype) if output is None else output
        arrays[f"query {i} error"] = query
    arrays |= {f"{name} error": array for name, array in target.vectors.items()}
    rates, scale = target.decay
    if rates is not None:
        arrays["decay error"] = rates
        if scale is not None:
            arrays["scale error"] = total = np.zeros(state.shape, state.dtype)
    before = tuple(early for _, early in dense.queries)
    if not offered(operations, Operation.OUTER_RECURRENCE_ERROR, arrays, before, form, SIZE):
        raise AssertionError("the backend took the pass forward and not the one backward")
    if scale is not None:
        scale += total.sum(axis=0)
    return state


def given(dense: Any) -> dict[str, Array]:
    """The arguments by name."""
    found = {"decay": dense.decay, **dense.vectors}
    if dense.scale is not None:
        heads = dense.initial.shape[1:-2]
        found["scale"] = np.broadcast_to(dense.scale, (1, *heads, *dense.scale.shape[-2:]))
        found["decay"] = dense.decay[..., 0, :]
    return found | {f"query {i}": query for i, (query, _) in enumerate(dense.queries)}
