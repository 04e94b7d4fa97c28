"""A residual block around a cell, as deep recurrent networks repeat it."""

from __future__ import annotations

from dataclasses import field

from graphnet import Builder, CellGraph, Graph, Last, Shape, Value, dense, rms_normalization
from graphnet.authoring import is_python_int, positive, require
from graphnet_recurrent.bidirectional import further_inputs
from graphnet_recurrent.blocks.gated_mlp import GatedMLP
from graphnet_recurrent.cells.by_name import cell_named
from graphnet_recurrent.cells.causal_convolution import causal_convolution_cell
from graphnet_recurrent.cells.heads import silu
from graphnet_recurrent.recurrent import Recurrent
from graphnet_recurrent.recurrent_layer import RecurrentLayer


class RecurrentBlock(RecurrentLayer):
    """A cell and a gated feed-forward network, each after a normalization and beside a residual connection.

    ::

        u = x + mixer(RMSNorm(x))        y = u + GatedMLP(RMSNorm(u))

    The mixer is the cell. With ``gated`` it is the block of Mamba (Gu & Dao 2023, arXiv:2312.00752, section 3.4) and of
    Griffin (De et al. 2024, arXiv:2402.19427, section 2.3), where ``a · W_x`` and ``a · W_z`` have ``inner`` features::

        mixer(a) = (cell(SiLU(convolution(a · W_x))) ⊙ SiLU(a · W_z)) · W_o

    A model stacks several of them; each continues from its state as any recurrent layer does. The cell is node
    ``recurrent``, the convolution ``convolution``, and the states are named ``recurrent/h``, ….

    Parameters
    ----------
    cell : str or CellGraph
        The name of a cell, see :func:`cell_named`: ``"mamba"``, ``"min_gru"``, ``"retention"``. Or a cell whose input
        and output have ``units`` features, with ``gated`` ``inner``.
    units : int
        Features of the input and of the output.
    heads : int
        Of a cell by name that has heads.
    hidden : int, optional
        Width of the GatedMLP; None: 8/3 · units, rounded up; 0: no GatedMLP, as in Mamba.
    gated : bool
        Whether the mixer has a gate.
    inner : int, optional
        Features of the cell with ``gated``; None: ``2 · units``.
    window_size : int
        Of the causal convolution before the cell; 1: there is none.
    bptt_length : int, optional
        Steps after which gradients are truncated; None: not truncated.
    epsilon : float, above 0
        Of the normalizations.
    dtype : {'float64', 'float32'}
        Of the weights, except those of a cell that is given as a graph.

    Raises
    ------
    ConfigError
        If an option is out of its range.
    ShapeError
        If widths do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> block = RecurrentBlock("mamba", 6, gated=True, window_size=4, hidden=0)
    >>> block.forward(np.ones((7, 4, 6))).shape, sorted(block.state)
    ((7, 4, 6), ['convolution/past_1', 'convolution/past_2', 'convolution/past_3', 'recurrent/h'])
    """

    cell: str | CellGraph
    units: int
    heads: int = 1
    hidden: int | None = None
    gated: bool = field(default=False, kw_only=True)
    inner: int | None = field(default=None, kw_only=True)
    window_size: int = field(default=1, kw_only=True)
    bptt_length: int | None = field(default=None, kw_only=True)
    epsilon: float = field(default=1e-6, kw_only=True)
    dtype: str = field(default="float64", kw_only=True)

    def check(self) -> None:
        require(
            isinstance(self.cell, (str, CellGraph)), self, "cell", "the name of a cell, or the result of Cell.build"
        )
        for name in ("units", "heads", "inner", "window_size"):
            positive(self, name)
        hidden = self.hidden is None or is_python_int(self.hidden, 0)
        require(hidden, self, "hidden", "a positive integer, 0 for no GatedMLP, or None")
        require(isinstance(self.gated, bool), self, "gated", "True or False")
        require(self.gated or self.inner is None, self, "inner", "None without gated=True")
        forward_last = self.returns == "last" and not self.reverse
        require(self.returns == "all" or forward_last, self, "returns", "'all', or 'last' in a block that runs forward")
        super().check()

    def build(self) -> Graph:
        builder = Builder("RecurrentBlock", dtype=self.dtype)
        x = builder.input("x", Shape(("time", "batch", "feature"), (None, None, self.units)))
        states: dict[str, Value] = {}
        normal = rms_normalization(x, self.units, name="norm", epsilon=self.epsilon)
        x = x + self._mixer(builder, normal, states)
        if self.hidden != 0:
            normal = rms_normalization(x, self.units, name="mlp_norm", epsilon=self.epsilon)
            x = x + GatedMLP(self.units, self.hidden, dtype=self.dtype)(normal, name="mlp")
        if self.returns == "last":
            x = Last()(x, name="last")
        return builder.build(x, **states)

    def _mixer(self, builder: Builder, x: Value, states: dict[str, Value]) -> Value:
        width = self.units
        if self.gated:
            width = 2 * self.units if self.inner is None else self.inner
        a = dense(x, width, name="input", bias=False) if self.gated else x
        if self.window_size > 1:
            convolution = causal_convolution_cell(width, self.window_size, self.dtype)
            a = self._scanned(builder, "convolution", convolution, a, states)
        if self.gated:
            a = silu(a)
        cell = self.cell
        if isinstance(cell, str):
            cell = cell_named(cell, width, heads=self.heads, dtype=self.dtype)
        y = self._scanned(builder, "recurrent", cell, a, states)
        if not self.gated:
            return y
        y = y * silu(dense(x, width, name="gate", bias=False))
        return dense(y, self.units, name="output", bias=False)

    def _scanned(self, builder: Builder, name: str, cell: CellGraph, x: Value, states: dict[str, Value]) -> Value:
        """A cell over the sequence as a node, with the options of this layer that concern it."""
        own = name == "recurrent"
        layer = Recurrent(
            cell,
            None,
            self.bptt_length,
            reverse=self.reverse,
            learn_initial=self.learn_initial,
            keep_input=self.keep_input if own else 1.0,
            keep_state=self.keep_state if own else 1.0,
            clip_error=self.clip_error,
        )
        output = layer(x, *further_inputs(builder, layer.graph, name), name=name)
        states |= {f"{name}_{port}": output[port] for port in layer.output_ports()[1:]}
        return output["output"]
