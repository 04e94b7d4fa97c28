"""Which rows of a batch a rank computes, and the batch of these rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.core.run.runner import Runner
from graphnet.data.batches import Batch
from graphnet.data.ports import input_ports, output_ports
from graphnet.training.tbptt import RecentPiece


def rows_of_rank(total: int, rank: int, size: int) -> tuple[int, int]:
    """The first row of a rank and the one after its last.

    The first ranks may have one row more than the others; with few rows, the last ranks have none.

    Examples
    --------
    >>> [rows_of_rank(7, rank, 3) for rank in range(3)], [rows_of_rank(1, rank, 2) for rank in range(2)]
    ([(0, 3), (3, 5), (5, 7)], [(0, 1), (1, 1)])
    """
    each, more = divmod(total, size)
    start = rank * each + min(rank, more)
    return start, start + each + (rank < more)


@dataclass(frozen=True)
class BatchAxes:
    """The batch axes of the inputs and outputs of a graph."""

    inputs: Mapping[str, int]
    outputs: Mapping[str, int]

    @classmethod
    def of(cls, runner: Runner) -> BatchAxes:
        """Those of a runner's graph."""
        return cls(
            {name: port.axis for name, port in input_ports(runner.graph).items()},
            {name: port.axis for name, port in output_ports(runner).items()},
        )

    def rows(self, batch: Batch) -> int:
        """The number of rows of a batch."""
        name = next(iter(batch.inputs))
        return int(batch.inputs[name].shape[self.inputs[name]])

    def inputs_of(self, batch: Batch, rows: slice) -> dict[str, Array]:
        """The inputs of some rows; arrays over time keep their steps."""
        return {name: taken(array, rows, self.inputs[name]) for name, array in batch.inputs.items()}

    def part(self, batch: Batch, rows: slice, inputs: Mapping[str, Array]) -> Batch:
        """The batch of some rows, which has these inputs; arrays over time keep their steps."""
        return replace(
            batch,
            inputs=inputs,
            lengths={name: counts[rows] for name, counts in batch.lengths.items()},
            targets={name: taken(array, rows, self.outputs[name]) for name, array in batch.targets.items()},
            masks={n: None if m is None else taken(m, rows, self.outputs[n]) for n, m in batch.masks.items()},
            weights={name: taken(array, rows, self.outputs[name]) for name, array in batch.weights.items()},
            fresh=None if batch.fresh is None else batch.fresh[rows],
            rows=min(batch.rows, rows.stop - rows.start),
        )

    def piece(self, piece: RecentPiece, rows: slice) -> RecentPiece:
        """Some rows of a piece of a window."""
        state = piece.state
        return RecentPiece(
            {name: taken(array, rows, self.inputs[name]) for name, array in piece.inputs.items()},
            {name: counts[rows] for name, counts in piece.lengths.items()},
            piece.steps,
            state if state.rows is None else state.chosen(np.arange(rows.start, rows.stop)),
            fresh_rows(piece.fresh, rows),
        )


def fresh_rows(fresh: Array | None, rows: slice) -> Array | None:
    """Which of some rows restart; None if none of them does."""
    own = None if fresh is None else fresh[rows]
    return own if own is not None and own.any() else None


def taken(array: Any, rows: slice, axis: int) -> Any:
    """Some rows of an array, contiguous."""
    return np.ascontiguousarray(array[(slice(None),) * axis + (rows,)])


def placed(array: Array, rows: slice, axis: int, total: int) -> Array:
    """An array of some rows as a flat one of all rows, with zeros in the others."""
    shape = list(array.shape)
    shape[axis] = total
    whole = np.zeros(shape, array.dtype)
    whole[(slice(None),) * axis + (rows,)] = array
    return whole.reshape(-1)
