"""Cells side by side, each for a part of the features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from graphnet import Builder, CellGraph, Graph, Shape, Value, concatenate, split
from graphnet.authoring import require
from graphnet_recurrent.bidirectional import further_inputs
from graphnet_recurrent.recurrent import Recurrent, project
from graphnet_recurrent.recurrent_layer import RecurrentLayer


class MultiHead(RecurrentLayer):
    """Divides the features into equal parts and runs a cell over each; the outputs are concatenated.

    Head i is node ``head_i``, a :class:`Recurrent`, and its states are ``head_i/h``, …. The cells with matrix states
    have heads of their own; this gives them to any other cell. Input, output and options are those of
    :class:`Recurrent`.

    Parameters
    ----------
    cells : sequence of CellGraph
        One for each head. Each has its own weights, so no cell may occur twice.
    output_size : int, optional
        Outputs of a FullyConnected, which mixes the heads; None: there is none.
    bptt_length : int, optional
        Steps after which gradients are truncated, for all heads; None: not truncated.

    Raises
    ------
    ConfigError
        If an option is out of its range.
    ShapeError
        If the number of features is not a multiple of the number of heads.

    Examples
    --------
    >>> import numpy as np
    >>> from graphnet_recurrent import min_gru_cell
    >>> layer = MultiHead([min_gru_cell(5), min_gru_cell(3)], output_size=6)
    >>> layer.forward(np.ones((7, 4, 6))).shape, sorted(layer.state)
    ((7, 4, 6), ['head_0/h', 'head_1/h'])
    """

    cells: Sequence[CellGraph]
    output_size: int | None = None
    bptt_length: int | None = field(default=None)

    def check(self) -> None:
        cells = self.cells
        are_cells = isinstance(cells, tuple) and bool(cells) and all(isinstance(cell, CellGraph) for cell in cells)
        require(are_cells, self, "cells", "a list of results of Cell.build")
        require(len({id(cell) for cell in cells}) == len(cells), self, "cells", "different cells")
        super().check()

    def build(self) -> Graph:
        builder = Builder("MultiHead")
        x = builder.input("x", Shape(("time", "batch", "feature"), (None, None, None)))
        parts = list(split(x, len(self.cells), name="parts")) if len(self.cells) > 1 else [x]
        outputs: list[Value] = []
        states: dict[str, Value] = {}
        for i, (cell, part) in enumerate(zip(self.cells, parts, strict=True)):
            name = f"head_{i}"
            layer = Recurrent(
                cell,
                None,
                self.bptt_length,
                reverse=self.reverse,
                returns=self.returns,
                learn_initial=self.learn_initial,
                keep_input=self.keep_input,
                keep_state=self.keep_state,
                clip_error=self.clip_error,
            )
            output = layer(part, *further_inputs(builder, layer.graph, name), name=name)
            states |= {f"{name}_{port}": output[port] for port in layer.output_ports()[1:]}
            outputs.append(output["output"] if "output" in layer.output_ports() else output)
        joined = concatenate(*outputs, name="joined") if len(outputs) > 1 else outputs[0]
        return builder.build(project(joined, self.cells[0], self.output_size), **states)
