"""The state that a recurrent layer keeps from one ``forward`` to the next."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

from graphnet import Graph, State, StateError


class Memory:
    """The state at the end of the last ``forward``, and whether the next one starts from it.

    Attributes
    ----------
    enabled : bool
        Whether ``forward`` starts from the kept state.
    state : State or None
        The kept state, by node path: ``layer_0/scan/h``.
    arrays : dict of str to array, or None
        The kept state, by name: ``layer_0/h``.
    """

    def __init__(self) -> None:
        self.enabled = False
        self.state: State | None = None
        self.arrays: dict[str, np.ndarray] | None = None

    def keep(self, state: State) -> None:
        """Keep the state at the end of a ``forward``."""
        self.state = state
        self.arrays = {state_name(path): array for path, array in state.arrays.items()}

    def clear(self) -> None:
        """Discard the kept state."""
        self.state, self.arrays = None, None

    def replace(self, arrays: Mapping[str, Any], paths: Iterable[str], layer: object) -> None:
        """Keep ``arrays``, the states of a layer by name.

        Raises
        ------
        StateError
            If the names are not those of the states at ``paths``.
        """
        path_by_name = {state_name(path): path for path in paths}
        if sorted(arrays) != sorted(path_by_name):
            raise StateError(
                "not the states of this layer",
                where=repr(layer),
                expected=", ".join(path_by_name),
                received=", ".join(map(str, arrays)) or "none",
            )
        self.keep(State({path_by_name[name]: array for name, array in arrays.items()}))

    def reset_rows(self, rows: Iterable[int] | int, graph: Graph, layer: object) -> None:
        """Let some rows start from the initial state of ``graph``: the trained one, or zeros.

        Raises
        ------
        StateError
            If no state is kept.
        DtypeError, DataError
            If these are not rows of the kept state.
        """
        if self.state is None:
            raise StateError(
                "no state is kept, so no row can be reset", where=repr(layer), remedy="Call forward first."
            )
        self.state.reset(rows)
        trained = graph.layers()
        self.arrays = {}
        for path, array in self.state.arrays.items():
            node, name = path.rsplit("scan/", 1)
            initial = trained.get(f"{node}initial_{name}")
            shown = array.copy()
            shown[self.state.fresh] = 0 if initial is None else initial.get_weights()
            self.arrays[state_name(path)] = shown

    def start(self, passed: Collection[str]) -> State:
        """Return the state from which ``forward`` starts: the kept one, without the states that are passed to it."""
        if not self.enabled or self.state is None:
            return State()
        arrays = {
            path: array
            for path, array in self.state.arrays.items()
            if state_name(path).replace("/", "_") not in passed  # as the graph's inputs are named
        }
        if len(arrays) == len(self.state.arrays):
            return self.state
        return State(arrays, self.state.fresh if arrays else None)

    def check_rows(self, rows: int, layer: object) -> None:
        """Check that the kept state, if ``forward`` starts from it, has the batch size of the input.

        Raises
        ------
        StateError
        """
        kept_rows = self.state.rows if self.enabled and self.state is not None else None
        if kept_rows is not None and kept_rows != rows:
            raise StateError(
                "the kept state does not have the batch size of the input",
                where=repr(layer),
                expected=f"{kept_rows} rows",
                received=f"{rows} rows",
                remedy="Call reset_state() to begin new sequences, or toggle_memory() to start from zeros each time.",
            )


def state_name(path: str) -> str:
    """Return the name of a state without the Scan's node: ``layer_0/h`` for the path ``layer_0/scan/h``."""
    return path.replace("scan/", "")
