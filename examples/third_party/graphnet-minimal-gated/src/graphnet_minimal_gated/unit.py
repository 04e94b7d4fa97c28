"""The minimal gated unit, defined as a graph."""

from __future__ import annotations

from dataclasses import field

from graphnet import Builder, Cell, CellGraph, Composite, Graph, Scan, concatenate, dense
from graphnet.authoring import positive
from graphnet_recurrent import sigmoid, tanh


class MinimalGated(Composite):
    """A recurrent unit with one gate that both forgets and resets (Zhou, Wu, Zhang & Zhou 2016, arXiv:1603.09420).

    ::

        f_t = σ([x_t, h_{t-1}] · W_f + b_f)
        h_t = (1 - f_t) ⊙ h_{t-1} + f_t ⊙ tanh([x_t, f_t ⊙ h_{t-1}] · W_h + b_h)

    The inputs are ``(time, batch, feature)`` and optionally the first state ``(batch, units)``, zeros by default; the
    output ``(time, batch, units)`` holds the states of all steps.

    Parameters
    ----------
    units : int
        Width of the state; at least 1.
    dtype : {'float64', 'float32'}
        Dtype of the weights, which are ``(features + units + 1, units)`` each for the gate and the candidate.

    Raises
    ------
    ConfigError
        If ``units`` is not a positive integer.

    Examples
    --------
    >>> import numpy as np
    >>> MinimalGated(6).forward(np.ones((9, 2, 4))).shape
    (9, 2, 6)
    """

    units: int
    dtype: str = field(default="float64", kw_only=True)

    def check(self) -> None:
        """Raise ConfigError if the width is not a positive integer."""
        positive(self, "units")

    def cell(self) -> CellGraph:
        """Return the graph of one time step."""
        cell = Cell("minimal_gated", sequences="x", states={"h": self.units})
        joined = concatenate(cell.x, cell.h, name="joined")
        f = sigmoid(dense(joined, self.units, dtype=self.dtype, name="forget_gate"), name="forget_activation")
        reset = concatenate(cell.x, f * cell.h, name="reset")
        candidate = tanh(dense(reset, self.units, dtype=self.dtype, name="candidate"), name="candidate_activation")
        h = (1 - f) * cell.h + f * candidate
        return cell.build(output=h, h=h)

    def build(self) -> Graph:
        """Return the graph that runs the cell over the sequence."""
        graph = Builder("minimal_gated")
        x = graph.input("x", "time, batch, feature")
        first = graph.input("h", f"batch, feature={self.units}", optional=True)
        return graph.build(Scan(self.cell())(x, first, name="scan"))
