"""The state of a graph's recurrent parts as safetensors, keyed by node path."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from graphnet.core.arguments import explained
from graphnet.core.array_types import Array
from graphnet.core.errors import FileError, GraphnetError
from graphnet.core.files.border import reading
from graphnet.core.run.runner import Runner
from graphnet.core.run.state import State
from graphnet.io import atomic
from graphnet.io.tensors import encoded
from graphnet.io.weights import read_arrays

FORMAT = "graphnet-state/1"
#: The key of the rows that are reset; node paths do not contain this character.
FRESH = "*fresh"


@explained
def save_state(path: str | os.PathLike[str], state: State) -> None:
    """Write a state atomically.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    atomic.write(path, b"".join(state_file(state)))


def state_file(state: State, metadata: Mapping[str, str] | None = None) -> list[Any]:
    """The bytes of a file with a state, in parts; ``metadata`` say more than its format."""
    return encoded(state_arrays(state), {"format": FORMAT, **(metadata or {})})


def state_arrays(state: State) -> dict[str, Array]:
    """Copies of the arrays of a file with a state."""
    arrays = {name: np.array(array, order="C") for name, array in state.arrays.items()}
    if state.fresh is not None:
        arrays[FRESH] = state.fresh.astype(np.uint8)
    return arrays


@explained
def load_state(path: str | os.PathLike[str], runner: Runner) -> State:
    """Read a state for a runner's graph.

    Raises
    ------
    FileError
        If the file cannot be read, is of another format, or is not a state of this graph.
    """
    with reading(path, "a state of this model"):
        return state_from(path, read_arrays(path, FORMAT, "a state"), runner)


def state_from(path: str | os.PathLike[str], arrays: dict[str, Array], runner: Runner) -> State:
    """The state in arrays that were read from ``path``; see :func:`load_state`."""
    fresh = arrays.pop(FRESH, None)
    try:
        state = State(arrays, None if fresh is None else fresh.astype(bool))
        state.check(runner.states, None, str(path))
    except GraphnetError as error:
        raise FileError(
            f"not a state of this model: {error.problem}",
            where=str(path),
            expected=error.expected,
            received=error.received,
            remedy=error.remedy,
        ) from None
    missing = sorted(set(runner.states) - arrays.keys())
    if missing:
        raise FileError("not a state of this model", where=str(path), expected=", ".join(missing), received="nothing")
    return state
