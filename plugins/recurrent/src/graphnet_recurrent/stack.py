"""Several recurrent layers on top of each other."""

from collections.abc import Sequence
from dataclasses import field
from typing import Any

from graphnet import Builder, CellGraph, Dropout, Graph, Last, Value
from graphnet.authoring import require
from graphnet_recurrent.bidirectional import Bidirectional, further_inputs
from graphnet_recurrent.layers.checks import check_probability
from graphnet_recurrent.recurrent import Recurrent, project, sequence_input
from graphnet_recurrent.recurrent_layer import RecurrentLayer


class Stack(RecurrentLayer):
    """Recurrent layers on top of each other: each one reads the outputs of the one below.

    Layer i is node ``layer_i``, a :class:`Recurrent` or a :class:`Bidirectional`; the states are named ``layer_0/h``, …
    Input, output and options are those of these layers; ``returns`` applies to the top layer, ``keep_input`` to the
    bottom one.

    Parameters
    ----------
    cells : sequence of CellGraph
        From bottom to top. Each has its own weights, so no cell may occur twice.
    output_size : int, optional
        Outputs of a FullyConnected of the result; None: there is none.
    bptt_length : int, optional
        For all layers.
    keep_between : float
        Probability of keeping an element of the sequence between two layers (Dropout, Zaremba, Sutskever & Vinyals
        2014, arXiv:1409.2329), in (0, 1].
    residual : bool
        Add to the outputs of each layer but the bottom one its input, before dropout (Wu et al. 2016, arXiv:1609.08144,
        equation 6). All layers then need the same width.
    bidirectional : bool
        Run each layer in both directions.

    Raises
    ------
    ConfigError
        If an option is out of its range.
    ShapeError
        If widths differ with ``residual``: in the constructor if the cells declare them, else in the first ``forward``.

    Examples
    --------
    >>> import numpy as np
    >>> from graphnet_recurrent import gru_cell, lstm_cell
    >>> layer = Stack([lstm_cell(5), gru_cell(5)], residual=True, keep_between=0.8)
    >>> layer.forward(np.ones((7, 4, 3))).shape, sorted(layer.state)
    ((7, 4, 5), ['layer_0/c', 'layer_0/h', 'layer_1/h'])
    """

    cells: Sequence[CellGraph]
    output_size: int | None = None
    bptt_length: int | None = field(default=None)
    keep_between: float = field(default=1.0, kw_only=True)
    residual: bool = field(default=False, kw_only=True)
    bidirectional: bool = field(default=False, kw_only=True)

    def check(self) -> None:
        cells = self.cells
        are_cells = isinstance(cells, tuple) and bool(cells) and all(isinstance(cell, CellGraph) for cell in cells)
        require(are_cells, self, "cells", "a list of results of Cell.build")
        require(len({id(cell) for cell in cells}) == len(cells), self, "cells", "different cells")
        for name in ("residual", "bidirectional"):
            require(isinstance(getattr(self, name), bool), self, name, "True or False")
        check_probability(self, "keep_between")
        reverse = self.reverse is False or not self.bidirectional
        require(reverse, self, "reverse", "False, because the layers run in both directions")
        runs_forward = not (self.bidirectional or self.reverse)
        addable = not self.residual or self.returns == "all" or (self.returns == "last" and runs_forward)
        require(addable, self, "returns", "'all' (or 'last' in a stack that runs forward) with residual=True")
        super().check()

    def build(self) -> Graph:
        builder = Builder("Stack")
        cells = tuple(self.cells)
        x = sequence_input(builder, cells[0], cells[0].sequences[0])
        states: dict[str, Value] = {}
        for i, cell in enumerate(cells):
            name, is_top = f"layer_{i}", i == len(cells) - 1
            returns = self.returns if is_top and not self.residual else "all"
            layer = self._level(cell, returns, self.keep_input if i == 0 else 1.0)
            layer_input = x
            if i and self.keep_between < 1:
                layer_input = Dropout(self.keep_between)(x, name=f"dropout_{i}")
            output = layer(layer_input, *further_inputs(builder, layer.graph, name), name=name)
            states |= {f"{name}_{port}": output[port] for port in layer.output_ports()[1:]}
            x = output + x if self.residual and i else output
        if self.residual and self.returns == "last":
            x = Last()(x, name="last")
        return builder.build(project(x, cells[0], self.output_size), **states)

    def _level(self, cell: CellGraph, returns: str, keep_input: float) -> RecurrentLayer:
        options: dict[str, Any] = {
            "returns": returns,
            "learn_initial": self.learn_initial,
            "keep_input": keep_input,
            "keep_state": self.keep_state,
            "clip_error": self.clip_error,
        }
        if self.bidirectional:
            return Bidirectional(cell, None, None, self.bptt_length, **options)
        return Recurrent(cell, None, self.bptt_length, reverse=self.reverse, **options)
