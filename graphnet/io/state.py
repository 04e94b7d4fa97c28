"""The state of a graph's recurrent parts as safetensors, keyed by node path."""

from __future__ import annotations

import os

import numpy as np

from graphnet.core.arguments import explained
from graphnet.core.errors import FileError, GraphnetError
from graphnet.core.files.border import reading
from graphnet.core.run.runner import Runner
from graphnet.core.run.state import State
from graphnet.io import atomic
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
    from safetensors.numpy import save

    arrays = {name: np.array(array, order="C") for name, array in state.arrays.items()}
    if state.fresh is not None:
        arrays[FRESH] = state.fresh.astype(np.uint8)
    atomic.write(path, save(arrays, metadata={"format": FORMAT}))


@explained
def load_state(path: str | os.PathLike[str], runner: Runner) -> State:
    """Read a state for a runner's graph.

    Raises
    ------
    FileError
        If the file cannot be read, is of another format, or is not a state of this graph.
    """
    with reading(path, "a state of this model"):
        return _load(path, runner)


def _load(path: str | os.PathLike[str], runner: Runner) -> State:
    arrays = read_arrays(path, FORMAT, "a state")
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
