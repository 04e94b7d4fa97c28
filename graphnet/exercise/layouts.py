"""Where a student's recurrent layer keeps what: the exercise leaves the order of rows and gates open."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graphnet.exercise.cells import GATES, Weights
from graphnet.exercise.matching import as_numbers

Array = npt.NDArray[Any]


class Layout(NamedTuple):
    """The order of the blocks of rows (``x``, ``h``, ``b``; without ``b`` the bias is missing) and of the gates.

    Attributes
    ----------
    rows, gates : str
    transposed : bool
    inputs, units : int
    """

    rows: str
    gates: str
    transposed: bool
    inputs: int
    units: int

    def split(self, array: Array) -> Weights:
        """The weights as ``(W_x, W_h, b)``, gates in the oracle's order."""
        array = array.T if self.transposed else array
        sizes = {"x": self.inputs, "h": self.units, "b": 1}
        ends = np.cumsum([sizes[name] for name in self.rows])[:-1]
        blocks = dict(zip(self.rows, np.split(array, ends), strict=True))
        blocks.setdefault("b", np.zeros((1, array.shape[1])))
        wanted = sorted(range(len(self.gates)), key=lambda j: "hifgo".index(self.gates[j]))
        columns = np.concatenate([np.arange(j * self.units, (j + 1) * self.units) for j in wanted])
        return blocks["x"][:, columns], blocks["h"][:, columns], blocks["b"][0, columns]

    def join(self, blocks: dict[str, Array]) -> Array:
        """The opposite: the oracle's blocks as the student's array."""
        canonical = sorted(self.gates, key="hifgo".index)
        rows = []
        for name in self.rows:
            parts = dict(zip(canonical, np.split(np.atleast_2d(blocks[name]), len(canonical), axis=1), strict=True))
            rows.append(np.concatenate([parts[gate] for gate in self.gates], axis=1))
        array = np.concatenate(rows)
        return array.T if self.transposed else array


def layouts(kind: str, shape: tuple[int, ...], inputs: int, units: int) -> Iterator[Layout]:
    """All layouts that weights of a shape can have."""
    columns = len(GATES[kind]) * units
    for names in ("xhb", "xh"):
        rows = inputs + units + (1 if "b" in names else 0)
        for transposed in (False, True):
            if shape != ((columns, rows) if transposed else (rows, columns)):
                continue
            for order in itertools.permutations(names):
                for gates in itertools.permutations(GATES[kind]):
                    yield Layout("".join(order), "".join(gates), transposed, inputs, units)


def one_array(weights: Any, columns: int) -> Array | None:
    """A student's weights as one array; several are put below each other, those of other widths are left out."""
    if isinstance(weights, dict):
        weights = list(weights.values())
    if isinstance(weights, (list, tuple)):
        parts = [np.atleast_2d(part) for part in map(as_numbers, weights) if part is not None and part.ndim <= 2]
        fitting = [part for part in parts if part.shape[1] == columns]
        if not fitting and len({part.shape for part in parts}) == 1 and len(parts) * parts[0].shape[1] == columns:
            return np.concatenate(parts, axis=1)  # one array a gate
        parts = fitting
        return np.concatenate(parts) if parts else None
    array = as_numbers(weights)
    return array if array is not None and array.ndim == 2 else None
