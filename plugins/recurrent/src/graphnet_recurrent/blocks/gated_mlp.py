"""A feed-forward network with a gate."""

from __future__ import annotations

from dataclasses import field

from graphnet import Builder, Composite, Graph, dense
from graphnet.authoring import positive
from graphnet_recurrent.cells.heads import silu


class GatedMLP(Composite):
    """``y = (SiLU(x · W_g) ⊙ (x · W_u)) · W_d``, without biases: SwiGLU (Shazeer 2020, arXiv:2002.05202, equation 6).

    The last axis holds the features; all others are rows.

    Parameters
    ----------
    units : int
        Features of the output.
    hidden : int, optional
        Width of the gate; None: ``8/3 · units``, rounded up, which has as many weights as a network with 4 · units.
    dtype : {'float64', 'float32'}
        Of the weights: W_g and W_u ``(features, hidden)``, W_d ``(hidden, units)``, the nodes ``gate``, ``up`` and
        ``down``.

    Examples
    --------
    >>> import numpy as np
    >>> GatedMLP(6).forward(np.ones((7, 4, 6))).shape
    (7, 4, 6)
    """

    units: int
    hidden: int | None = None
    dtype: str = field(default="float64", kw_only=True)

    def check(self) -> None:
        positive(self, "units")
        positive(self, "hidden")

    def build(self) -> Graph:
        g = Builder("GatedMLP", dtype=self.dtype)
        x = g.input("x")
        width = -(-8 * self.units // 3) if self.hidden is None else self.hidden
        gate = silu(dense(x, width, name="gate", bias=False))
        return g.build(dense(gate * dense(x, width, name="up", bias=False), self.units, name="down", bias=False))
