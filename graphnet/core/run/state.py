"""The states of a graph's Scans between two pieces of their sequences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np

from graphnet.core.arguments import explain_arguments
from graphnet.core.describe.parameter import Array
from graphnet.core.dtypes import as_array, converted
from graphnet.core.errors import ConfigError, DataError, DtypeError, ShapeError, StateError, unknown


def require_state(value: Any, where: str) -> State:
    """Return the argument if it is a State.

    Raises
    ------
    ConfigError
        For anything else.
    """
    if isinstance(value, State):
        return value
    raise ConfigError("not a state", where=where, expected="a State", received=repr(value)[:100])


class State:
    """The states of a graph's Scans, by ``node path/name of the state``, each ``(batch, …)``.

    :meth:`Runner.forward <graphnet.core.run.runner.Runner.forward>` continues from a State, and stores the final states
    in ``runner.state``. An empty State begins new sequences, with any number of rows.

    Parameters
    ----------
    arrays : mapping of str to array_like, optional
        Copied.
    fresh : boolean array (batch,), optional
        The rows that restart, at the initial value that the graph gives, or else at zeros.

    Attributes
    ----------
    arrays : dict of str to array
    fresh : boolean array (batch,) or None

    Raises
    ------
    ShapeError
        If the arrays differ in rows.

    Examples
    --------
    >>> import numpy as np
    >>> state = State({"lstm/scan/h": np.ones((3, 2)), "lstm/scan/c": np.ones((3, 2))})
    >>> state
    State(3 rows: lstm/scan/h (3, 2), lstm/scan/c (3, 2))
    >>> state.reset([1])
    >>> state
    State(3 rows, 1 of them fresh: lstm/scan/h (3, 2), lstm/scan/c (3, 2))
    >>> state.reset()
    >>> state
    State(empty)
    """

    def __init__(self, arrays: Mapping[str, Any] | None = None, fresh: Any = None) -> None:
        self.arrays: dict[str, Array] = {}
        self.fresh: Array | None = None
        if not arrays and fresh is None:  # made in each pass that continues from a state
            return
        if arrays is not None and not isinstance(arrays, Mapping):
            raise ConfigError(
                "not states by name", where="State", expected="a mapping to arrays", received=repr(arrays)[:100]
            )
        self.arrays = {name: np.array(as_array(a, f"state {name!r}")) for name, a in (arrays or {}).items()}
        counts = {len(a) if a.ndim else 0 for a in self.arrays.values()}
        if len(counts) > 1 or 0 in counts:
            shapes = ", ".join(f"{name}: {a.shape}" for name, a in self.arrays.items())
            raise ShapeError("states differ in rows", where="State", expected="(batch, …) each", received=shapes)
        if fresh is not None:
            self.reset(np.flatnonzero(self._truths(fresh)))

    @property
    def rows(self) -> int | None:
        """The number of rows; None for an empty state."""
        return len(next(iter(self.arrays.values()))) if self.arrays else None

    def reset(self, rows: Iterable[int] | int | None = None) -> None:
        """Make some rows restart in the next ``forward``: positions, or a boolean for each row; None: all rows.

        Raises
        ------
        StateError
            If the state is empty.
        DtypeError, DataError
            If these are not positions of rows; nothing has changed then.
        """
        if rows is None:
            self.arrays, self.fresh = {}, None
            return
        if self.rows is None:
            raise StateError(
                "an empty state has no rows to reset",
                where="State.reset",
                remedy="It begins at its initial value in every row already.",
            )
        chosen = np.zeros(self.rows, bool)
        chosen[self._positions(rows)] = True
        self.fresh = chosen if self.fresh is None else self.fresh | chosen

    def _positions(self, rows: Any) -> Array:
        items = rows if isinstance(rows, int) or not isinstance(rows, Iterator | AbstractSet) else list(rows)
        positions = np.atleast_1d(as_array(items, "State.reset"))
        if positions.dtype == bool:
            return np.flatnonzero(self._truths(positions))
        if positions.size and positions.dtype.kind not in "iu":
            raise DtypeError(
                "rows are positions", where="State.reset", expected="whole numbers", received=positions.dtype
            )
        count = self.rows or 0
        if positions.size and (positions.min() < -count or positions.max() >= count):
            raise DataError(
                "no such row", where="State.reset", expected=f"0 to {count - 1}", received=sorted({*positions.tolist()})
            )
        return positions.astype(np.int64)

    def _truths(self, values: Any) -> Array:
        truths = as_array(values, "State")
        if truths.dtype != bool or truths.shape != (self.rows,):
            received = f"{truths.dtype} of shape {truths.shape}"
            raise ShapeError("one boolean for each row", where="State", expected=f"({self.rows},)", received=received)
        return truths

    def chosen(self, rows: Any) -> State:
        """The state of some rows, by position."""
        at = as_array(rows, "State.chosen", integer=True)
        fresh = None if self.fresh is None else self.fresh[at]
        return State({name: a[at] for name, a in self.arrays.items()}, fresh)

    def copy(self) -> State:
        """An independent copy."""
        return State(self.arrays, self.fresh)

    def check(self, names: Sequence[str], rows: int | None, where: str) -> None:
        """Check that the state has only these names, and ``rows`` rows (None: any).

        Raises
        ------
        UnknownNameError
            If it has other names.
        StateError
            If it has other rows.
        """
        for name in self.arrays:
            if name not in names:
                raise unknown("state", name, names, where=where)
        if self.rows is not None and rows is not None and self.rows != rows:
            raise StateError(
                "the kept state has another number of rows than the input",
                where=where,
                expected=f"{self.rows} rows",
                received=f"{rows} rows",
                remedy="Reset the state to begin new sequences.",
            )

    def __eq__(self, other: object) -> bool:
        """Whether names, numbers and fresh rows are equal."""
        if not isinstance(other, State):
            return NotImplemented
        mine, theirs = self.arrays, other.arrays
        same = mine.keys() == theirs.keys() and all(np.array_equal(mine[n], theirs[n]) for n in mine)
        return same and np.array_equal(self._fresh(), other._fresh())

    __hash__ = None  # type: ignore[assignment]  # it changes

    def _fresh(self) -> Array:
        return np.zeros(self.rows or 0, bool) if self.fresh is None else self.fresh

    def __repr__(self) -> str:
        if not self.arrays:
            return "State(empty)"
        fresh = f", {int(self.fresh.sum())} of them fresh" if self.fresh is not None and self.fresh.any() else ""
        return f"State({self.rows} rows{fresh}: {', '.join(f'{n} {a.shape}' for n, a in self.arrays.items())})"


def as_state(value: Any, where: str) -> State:
    """A State, or one made of a mapping of names to arrays.

    Raises
    ------
    ConfigError
        If it is neither.
    """
    if isinstance(value, State):
        return value
    if isinstance(value, Mapping):
        return State(value)
    expected = "a State, or a mapping of 'node path/name' to arrays"
    raise ConfigError("not a state", where=where, expected=expected, received=type(value).__name__)


class Carried:
    """The states of one pass: those that the Scans begin with, and those that they end with."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.left: dict[str, Array] = {}
        self.fresh = None if state.fresh is None or not state.fresh.any() else state.fresh

    def enter(self, key: str, initial: Array | None, dtype: str) -> Array | None:
        """The value that a state begins with; ``initial`` in rows that restart (None: zeros)."""
        value = self.state.arrays.get(key)
        if value is None:
            return initial
        value = converted(value, dtype, f"state {key!r}")
        if self.fresh is None:
            return value
        rows = self.fresh.reshape(-1, *[1] * (value.ndim - 1))
        return np.where(rows, value.dtype.type(0) if initial is None else initial, value)

    def leave(self, key: str, final: Array) -> None:
        """Store the final value of a state."""
        self.left[key] = final

    def pulled(self, key: str, error: Array) -> Array | None:
        """The error for the initial value: zero in rows that continued from a kept state."""
        if key not in self.state.arrays:
            return error
        if self.fresh is None:
            return None
        return np.where(self.fresh.reshape(-1, *[1] * (error.ndim - 1)), error, error.dtype.type(0))

    @property
    def final_state(self) -> State:
        """The final states."""
        state = State()
        state.arrays = self.left
        return state


explain_arguments(State)
