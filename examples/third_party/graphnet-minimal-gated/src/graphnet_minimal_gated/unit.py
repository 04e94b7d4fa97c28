"""The minimal gated unit, drawn as a graph."""

from __future__ import annotations

from dataclasses import field

from graphnet import Builder, Cell, CellGraph, Composite, Graph, Scan, concatenate, dense
from graphnet.authoring import positive
from graphnet_recurrent import sigmoid, tanh


class MinimalGated(Composite):
    """A recurrent unit whose one gate both forgets and resets (Zhou, Wu, Zhang & Zhou 2016, arXiv:1603.09420).

    ::

        f_t = σ([x_t, h_{t-1}] · W_f + b_f)
        h_t = (1 - f_t) ⊙ h_{t-1} + f_t ⊙ tanh([x_t, f_t ⊙ h_{t-1}] · W_h + b_h)

    Input ``(time, batch, feature)``, and the first state ``(batch, units)``, which may be left out and is zeros then;
    output ``(time, batch, units)``: the states of all steps.

    Parameters
    ----------
    units : int
        Width of the state; at least 1.
    dtype : {'float64', 'float32'}
        Of the weights: ``(features + units + 1, units)`` for the gate, and as many for the candidate.

    Raises
    ------
    ConfigError
        If ``units`` is no whole number of at least 1.

    Examples
    --------
    >>> import numpy as np
    >>> MinimalGated(6).forward(np.ones((9, 2, 4))).shape
    (9, 2, 6)
    """

    units: int
    dtype: str = field(default="float64", kw_only=True)

    def check(self) -> None:
        """Refuse a width that means nothing."""
        positive(self, "units")

    def cell(self) -> CellGraph:
        """The graph of one time step."""
        cell = Cell("minimal_gated", sequences="x", states={"h": self.units})
        joined = concatenate(cell.x, cell.h, name="joined")
        f = sigmoid(dense(joined, self.units, dtype=self.dtype, name="forget_gate"), name="forget_activation")
        reset = concatenate(cell.x, f * cell.h, name="reset")
        candidate = tanh(dense(reset, self.units, dtype=self.dtype, name="candidate"), name="candidate_activation")
        h = (1 - f) * cell.h + f * candidate
        return cell.build(output=h, h=h)

    def build(self) -> Graph:
        """The cell, run over the sequence."""
        graph = Builder("minimal_gated")
        x = graph.input("x", "time, batch, feature")
        first = graph.input("h", f"batch, feature={self.units}", optional=True)
        return graph.build(Scan(self.cell())(x, first, name="scan"))
