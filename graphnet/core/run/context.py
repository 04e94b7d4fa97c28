"""What holds for a bound plan, and for one pass through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.compile.program import Program
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.parameter import Array
from graphnet.core.phase import Phase
from graphnet.core.run.padding import RowEnds
from graphnet.core.run.state import Carried


@dataclass(slots=True)
class BindOptions:
    """What holds for a whole bound plan: the layers, the phase, the dtype, whether to compile, and the passes (None:
    all).

    ``programs`` are those of cells that were compiled before, for other numbers of steps. ``shared`` is what the bound
    plans for the same shapes share: their other programs. The arrays of each are its own. ``executable`` makes what
    runs a program for a number of steps and rows, in a backend that compiles programs further; None: numpy's.
    """

    layers: Mapping[str, Layer]
    phase: Phase
    dtype: str
    compiled: bool = True
    passes: frozenset[str] | None = None
    programs: dict[Any, Program] = field(default_factory=dict)
    shared: dict[Any, Any] = field(default_factory=dict)
    executable: Callable[[Program, int, int, str], Any] | None = None


@dataclass(slots=True)
class RunContext:
    """One pass: the arrays of each layer, the row lengths of each input, and the gradients as they add up.

    ``carried`` is what the Scans of the graph, not those in cells, go on from and leave; None: all begin anew.
    """

    arrays: Mapping[str, dict[str, Array]]
    lengths: list[Array | None]
    keep: bool = True
    gradients: dict[str, dict[str, Array]] = field(default_factory=dict)
    carried: Carried | None = None
    #: Where the rows of each input end; empty where every row is whole. Bound plans fill it in.
    ends: list[RowEnds | None] = field(default_factory=list)
    _rng: np.random.Generator | None = None

    def ends_at(self, origin: int | None) -> RowEnds | None:
        """Where the rows of an input end; None where they are whole, or it has no rows over time."""
        return None if origin is None or not self.ends else self.ends[origin]

    def generator(self) -> np.random.Generator:
        """The generator of this pass: the one in use at its first draw."""
        if self._rng is None:
            self._rng = random.generator()
        return self._rng
