"""A problem for all libraries: weights in one common layout, an input sequence, and an output error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Arrays = dict[str, np.ndarray]

#: For each kind, the parts of the weights of every node of graphnet's cell: rows of ``w`` (input weights), ``u``
#: (recurrent weights), ``b`` (bias) or another vector; the number selects the block of columns.
LAYOUT: dict[str, dict[str, str]] = {
    "LSTM": {"input_gate": "w0 u0 b0", "forget_gate": "w1 u1 b1", "candidate": "w2 u2 b2", "output_gate": "w3 u3 b3"},
    "RNN": {"hidden": "w0 u0 b0"},
    "GRU": {
        "reset_gate": "w0 u0 b0",
        "update_gate": "w1 u1 b1",
        "candidate_input": "w2 b2",
        "candidate_state": "u2 q0",
    },
    "peephole-coupled": {
        "forget_gate": "w0 u0 b0",
        "candidate": "w1 u1 b1",
        "output_gate": "w2 u2 b2",
        "forget_peephole": "p0",
        "output_peephole": "p1",
    },
    "minimal-gated": {"forget_gate": "w0 u0 b0", "candidate": "w1 u1 b1"},
}
#: The number of column blocks of ``w``, ``u`` and ``b``; other vectors with their number of blocks.
GATES = {"LSTM": 4, "RNN": 1, "GRU": 3, "peephole-coupled": 3, "minimal-gated": 2}
VECTORS = {"GRU": {"q": 1}, "peephole-coupled": {"p": 2}}


@dataclass(frozen=True)
class Problem:
    """The data for every contender: ``x`` is ``(time, batch, features)``, ``error`` ``(time, batch, units)``."""

    kind: str
    weights: Arrays
    x: np.ndarray
    error: np.ndarray
    threads: int

    @property
    def units(self) -> int:
        return int(self.error.shape[2])

    @property
    def dtype(self) -> str:
        return self.x.dtype.name


def random_problem(kind: str, shape: tuple[int, int, int, int], dtype: str, threads: int) -> Problem:
    """Return a random problem; the same one for the same arguments."""
    time, batch, features, units = shape
    rng = np.random.default_rng(0)

    def normal(rows: int, blocks: int, scale: float) -> np.ndarray:
        return (rng.normal(size=(rows, blocks * units)) * scale).astype(dtype)

    gates = GATES[kind]
    weights = {"w": normal(features, gates, features**-0.5), "u": normal(units, gates, 0.5 * units**-0.5)}
    weights["b"] = normal(1, gates, 0.1)
    weights |= {name: normal(1, blocks, 0.3) for name, blocks in VECTORS.get(kind, {}).items()}
    x, error = (rng.normal(size=(time, batch, n)).astype(dtype) for n in (features, units))
    return Problem(kind, weights, x, error, threads)


def node_weights(problem: Problem) -> Arrays:
    """Return the weights of each node of graphnet's cell."""
    return {
        node: np.concatenate([_block(problem, problem.weights, part) for part in parts.split()])
        for node, parts in LAYOUT[problem.kind].items()
    }


def common_order(problem: Problem, nodes: Arrays) -> Arrays:
    """Convert arrays by node of graphnet's cell, such as gradients, to the layout of ``problem.weights``."""
    common = {name: np.zeros_like(array) for name, array in problem.weights.items()}
    for node, parts in LAYOUT[problem.kind].items():
        rows = np.atleast_2d(nodes[node])
        for part in parts.split():
            block = _block(problem, common, part)
            block[...], rows = rows[: len(block)], rows[len(block) :]
    return common


def _block(problem: Problem, arrays: Arrays, part: str) -> np.ndarray:
    start = int(part[1:]) * problem.units
    return arrays[part[0]][:, start : start + problem.units]
