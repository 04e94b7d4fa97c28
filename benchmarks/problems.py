"""One problem for all libraries: weights in one order of rows and columns, a sequence, and an error to send back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Arrays = dict[str, np.ndarray]

#: For each kind, each node of graphnet's cell with weights, and what they are made of: rows of ``w`` (from the input),
#: ``u`` (from the state), ``b`` (bias) or a vector of the kind's own, each the block of columns that the number says.
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
#: How many blocks of columns ``w``, ``u`` and ``b`` have; which vectors there are besides, with theirs.
GATES = {"LSTM": 4, "RNN": 1, "GRU": 3, "peephole-coupled": 3, "minimal-gated": 2}
VECTORS = {"GRU": {"q": 1}, "peephole-coupled": {"p": 2}}


@dataclass(frozen=True)
class Problem:
    """What every contender is given: ``x`` is ``(time, batch, features)``, ``error`` ``(time, batch, units)``."""

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
    """The same numbers for the same arguments."""
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
    """The weights of each node of graphnet's cell."""
    return {
        node: np.concatenate([_block(problem, problem.weights, part) for part in parts.split()])
        for node, parts in LAYOUT[problem.kind].items()
    }


def common_order(problem: Problem, nodes: Arrays) -> Arrays:
    """Arrays by node of graphnet's cell (gradients, say) in the order of ``problem.weights``."""
    found = {name: np.zeros_like(array) for name, array in problem.weights.items()}
    for node, parts in LAYOUT[problem.kind].items():
        rows = np.atleast_2d(nodes[node])
        for part in parts.split():
            block = _block(problem, found, part)
            block[...], rows = rows[: len(block)], rows[len(block) :]
    return found


def _block(problem: Problem, arrays: Arrays, part: str) -> np.ndarray:
    start = int(part[1:]) * problem.units
    return arrays[part[0]][:, start : start + problem.units]
