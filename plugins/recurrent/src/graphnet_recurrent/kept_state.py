"""A state that a recurrent layer keeps from one ``forward`` to the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from graphnet import Composite, Runner, State, StateError


class KeptState(Composite):
    """The state of the Scans in a layer: kept or not, visible, and reset as a whole or row by row.

    Attributes
    ----------
    memory : bool
        Whether ``forward`` starts from the state where the last one ended; see ``toggle_memory``.
    state : dict of str to array, or None
        The state ``(batch, units)`` where the last ``forward`` ended, by name. Assigning replaces it.
    """

    def check(self) -> None:
        self.memory: bool = False
        self._kept: State | None = None
        self._shown: dict[str, np.ndarray] | None = None

    def toggle_memory(self) -> None:
        """Flip ``memory``: False, as at first, starts each ``forward`` from zeros; True, where the last one ended.

        It holds for ``forward`` of this layer. In a graph that a Runner runs, the state comes in and goes out by the
        layer's inputs and outputs of the states' names, or is carried over by ``Runner.forward(state=…)``.

        Raises
        ------
        StateError
            If a part of the layer goes backwards, which would have to begin at the end of what is not there yet.
        """
        if self._backwards():
            raise StateError(
                "a layer that goes backwards keeps no state",
                where=repr(self),
                expected="a layer that goes forwards",
                remedy="Give whole sequences.",
            )
        self.memory = not self.memory

    def _backwards(self) -> bool:
        return any(getattr(layer, "reverse", False) for _, layer in self.graph.walk())

    @property
    def state(self) -> dict[str, np.ndarray] | None:
        """The state where the last ``forward`` ended, by name; None before, and after ``reset_state()``."""
        return self._shown

    @state.setter
    def state(self, arrays: Mapping[str, Any] | None) -> None:
        if arrays is None:
            self.reset_state()
            return
        paths = {self._short(path): path for path in Runner(self.graph).states}
        if sorted(arrays) != sorted(paths):
            raise StateError(
                "not the states of this layer",
                where=repr(self),
                expected=", ".join(paths),
                received=", ".join(map(str, arrays)) or "none",
            )
        self._kept = State({paths[name]: array for name, array in arrays.items()})
        self._shown = {name: self._kept.arrays[path] for name, path in paths.items()}

    def reset_state(self, rows: Iterable[int] | int | None = None) -> None:
        """Forget the state: the next ``forward`` starts anew, whatever ``memory`` says.

        Parameters
        ----------
        rows : int or several, optional
            Positions in the batch, or a truth value for each row, of the sequences that begin anew, while the others
            go on; None: all.

        Raises
        ------
        StateError, DtypeError, DataError
            If these are no rows of the kept state; StateError also if another thread runs ``forward`` with memory.
        """
        with self._exclusive("reset_state"):
            if rows is None:
                self._kept, self._shown = None, None
                return
            if self._kept is None:
                raise StateError("there are no rows to reset", where=repr(self), remedy="Nothing is kept yet.")
            self._kept.reset(rows)
            self._shown = {self._short(path): self._begun(path, array) for path, array in self._kept.arrays.items()}

    def _begun(self, path: str, array: np.ndarray) -> np.ndarray:
        """A state with the rows that begin anew as they will begin: at a learned state, or at zeros."""
        assert self._kept is not None and self._kept.fresh is not None
        node, name = path.rsplit("scan/", 1)
        learned = self.graph.layers().get(f"{node}initial_{name}")
        found = array.copy()
        found[self._kept.fresh] = 0 if learned is None else learned.get_weights()
        return found

    @staticmethod
    def _short(path: str) -> str:
        """The name of a state without the node that scans: ``scan/h`` is ``h``, ``layer_0/scan/h`` ``layer_0/h``."""
        return path.replace("scan/", "")

    def _going_on(self, states: Iterable[str], others: Mapping[str, Any]) -> State:
        """The state to start from: the kept one, but for the states that are given."""
        if not self.memory or self._kept is None:
            return State()
        given = {path for path in states if self._short(path).replace("/", "_") in others}
        if not given:
            return self._kept
        return State({n: a for n, a in self._kept.arrays.items() if n not in given}, self._kept.fresh)

    def _refuse_other_rows(self, given: int) -> None:
        """Refuse a kept state of another batch, before anything runs."""
        if not self.memory or self._kept is None or self._kept.rows is None:
            return
        if self._kept.rows != given:
            raise StateError(
                "the kept state has another number of rows than the input",
                where=repr(self),
                expected=f"{self._kept.rows} rows",
                received=f"{given} rows",
                remedy="Call reset_state() to begin new sequences, or toggle_memory() to start from zeros each time.",
            )

    def _keep(self, state: State | None) -> None:
        """Keep where a ``forward`` ended."""
        arrays = {} if state is None else state.arrays
        self._kept = state
        self._shown = {self._short(path): array for path, array in arrays.items()}
