"""Custom cells, written as a user would write them, and graphs that scan a cell over a sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphnet import Builder, Cell, CellGraph, Graph, Layer, Scan, Shape, ShapeError, Value, Weight, concatenate, dense
from graphnet_recurrent import sigmoid, tanh
from graphnet_recurrent.cells import elman_cell, lstm_cell


class Peephole(Layer):
    """``y = x · weights``, elementwise on ``(batch, units)``: the connection of a gate to the cell state."""

    units: int
    dtype: str = "float64"

    def parameters(self, *inputs: Shape) -> dict[str, Weight]:
        return {"weights": Weight((self.units,))}

    def infer(self, x: Shape) -> Shape:
        if len(x) != 2 or x.size(-1) not in (None, self.units):
            raise ShapeError("the input does not fit", where=repr(self), expected=f"(batch, {self.units})", received=x)
        return x

    def apply(self, x: Any, *, weights: Any) -> tuple[Any, Any]:
        return x * weights, x

    def pull(self, x: Any, error: Any, *, weights: Any) -> Any:
        return error * weights

    def grad(self, x: Any, error: Any) -> dict[str, Any]:
        return {"weights": (x * error).sum(0)}


def gru_cell(units: int, dtype: str) -> CellGraph:
    """Gated recurrent unit (Cho et al. 2014) in the variant of torch and cuDNN: the reset gate after the product.

    ``n = tanh(x·W + b + r ⊙ (h·U + b2))``, ``h_t = (1 - z) ⊙ n + z ⊙ h_{t-1}``.
    """
    cell = Cell("gru", sequences="x", states={"h": units})
    joined = concatenate(cell.x, cell.h, name="joined")
    r = sigmoid(dense(joined, units, dtype=dtype, name="reset_gate"))
    z = sigmoid(dense(joined, units, dtype=dtype, name="update_gate"))
    recurrent = dense(cell.h, units, dtype=dtype, name="candidate_state")
    n = tanh(dense(cell.x, units, dtype=dtype, name="candidate_input") + r * recurrent)
    h = (1 - z) * n + z * cell.h
    return cell.build(output=h, h=h)


def peephole_coupled_cell(units: int, dtype: str) -> CellGraph:
    """LSTM whose input gate is ``1 - f`` (Greff et al. 2017, CIFG) with peepholes (Gers & Schmidhuber 2000).

    ``f = σ(z_f + p_f ⊙ c_{t-1})``, ``c_t = f ⊙ c_{t-1} + (1 - f) ⊙ g``, ``o = σ(z_o + p_o ⊙ c_t)``.
    """
    cell = Cell("peephole_coupled", sequences="x", states={"h": units, "c": units})
    joined = concatenate(cell.x, cell.h, name="joined")
    seen: Value = Peephole(units, dtype)(cell.c, name="forget_peephole")
    f = sigmoid(dense(joined, units, dtype=dtype, name="forget_gate") + seen)
    g = tanh(dense(joined, units, dtype=dtype, name="candidate"))
    c = f * cell.c + (1 - f) * g
    o = sigmoid(
        dense(joined, units, dtype=dtype, name="output_gate") + Peephole(units, dtype)(c, name="output_peephole")
    )
    h = o * tanh(c)
    return cell.build(output=h, h=h, c=c)


def minimal_gated_cell(units: int, dtype: str) -> CellGraph:
    """Minimal gated unit (Zhou et al. 2016, arXiv:1603.09420, equation 5).

    ``h_t = (1 - f) ⊙ h_{t-1} + f ⊙ tanh([x, f ⊙ h_{t-1}]·W)``.
    """
    cell = Cell("minimal_gated", sequences="x", states={"h": units})
    f = sigmoid(dense(concatenate(cell.x, cell.h), units, dtype=dtype, name="forget_gate"))
    g = tanh(dense(concatenate(cell.x, f * cell.h), units, dtype=dtype, name="candidate"))
    h = (1 - f) * cell.h + f * g
    return cell.build(output=h, h=h)


CELLS: dict[str, Callable[[int, str], CellGraph]] = {
    "LSTM": lstm_cell,
    "RNN": elman_cell,
    "GRU": gru_cell,
    "peephole-coupled": peephole_coupled_cell,
    "minimal-gated": minimal_gated_cell,
}


def scanned(kind: str, features: int, units: int, dtype: str) -> Graph:
    """Return a graph that scans a cell over a sequence ``(time, batch, features)`` and returns every hidden state."""
    g = Builder("benchmark")
    x = g.input("x", f"time, batch, feature={features}")
    return g.build(Scan(CELLS[kind](units, dtype))(x, name="scan"))
