"""What a plan is bound with, and what one pass through it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.compile.program import Program
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.parameter import Array
from graphnet.core.operations import NO_OPERATIONS, Operations
from graphnet.core.phase import Phase
from graphnet.core.run.padding import RowEnds
from graphnet.core.run.state import Carried


@dataclass(slots=True)
class BindOptions:
    """What a plan is bound with, besides shapes.

    Attributes
    ----------
    layers : mapping of node path to Layer
    phase : Phase
    dtype : str
    compiled : bool
        Whether programs are compiled.
    passes : frozenset of str or None
        The compiler's passes to apply; None: all.
    programs : dict
        The programs of cells compiled so far, for any number of steps.
    shared : dict
        What the bound plans for the same shapes share: their other programs. Each has arrays of its own.
    executables : dict
        What passes of any number of steps share: see :mod:`graphnet.core.run.numpy_backend.shared_executables`.
    executable : callable or None
        Returns what runs a program, from the program, the numbers of steps and rows, and the dtype, in a backend that
        compiles programs further. None: :class:`graphnet.core.run.numpy_backend.executable.Executable`.
    operations : mapping of name to callable
        What rules may use in place of numpy; see :mod:`graphnet.core.operations`.
    """

    layers: Mapping[str, Layer]
    phase: Phase
    dtype: str
    compiled: bool = True
    passes: frozenset[str] | None = None
    programs: dict[Any, Program] = field(default_factory=dict)
    shared: dict[Any, Any] = field(default_factory=dict)
    executables: dict[Any, Any] = field(default_factory=dict)
    executable: Callable[[Program, int, int, str], Any] | None = None
    operations: Operations = field(default_factory=lambda: NO_OPERATIONS)


@dataclass(slots=True)
class RunContext:
    """One pass.

    Attributes
    ----------
    arrays : mapping of node path to dict of name to array
        The weights and buffers of each layer.
    lengths : list of int array or None
        The row lengths of each input; None where all rows are whole.
    keep : bool
        Whether a backward pass follows.
    gradients : dict of node path to dict of name to array
    carried : Carried or None
        The states with which the Scans of the graph begin and end, not those inside cells; None: all start from
        their initial states.
    holds_lock : bool
        Whether the pass holds the lock of small programs.
    ends : list of RowEnds or None, or None
        Where the rows of each input end; empty where all rows are whole. None: a bound plan finds it from ``lengths``.
    """

    arrays: Mapping[str, dict[str, Array]]
    lengths: list[Array | None]
    keep: bool = True
    gradients: dict[str, dict[str, Array]] = field(default_factory=dict)
    carried: Carried | None = None
    holds_lock: bool = False
    ends: list[RowEnds | None] | None = None
    _rng: np.random.Generator | None = None

    def ends_at(self, origin: int | None) -> RowEnds | None:
        """Where the rows of an input end; None where they are whole, or have no time axis."""
        return None if origin is None or not self.ends else self.ends[origin]

    def begin_again(self, carried: Carried | None) -> None:
        """Begin another pass with the same arrays and options."""
        self.carried, self.holds_lock, self._rng = carried, False, None

    def generator(self) -> np.random.Generator:
        """The generator of this pass: the one in use at its first draw."""
        if self._rng is None:
            self._rng = random.generator()
        return self._rng
