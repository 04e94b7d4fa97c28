"""Cells one over another."""

from collections.abc import Sequence
from dataclasses import field
from typing import Any

from graphnet import Builder, CellGraph, Dropout, Graph, Last, Value
from graphnet.authoring import require
from graphnet_recurrent.arrangement import Arrangement, input_of, projected
from graphnet_recurrent.bidirectional import Bidirectional, further
from graphnet_recurrent.parts.sequence_mask import check_probability
from graphnet_recurrent.recurrent import Recurrent


class Stack(Arrangement):
    """Recurrent networks one over another: each reads the outputs of the one below.

    Layer i is node ``layer_i``, a :class:`Recurrent` or a :class:`Bidirectional`; states are by name ``layer_0/h``, …
    Input, output and options as of these; ``returns`` is of the topmost, ``keep_input`` of the lowest one.

    Parameters
    ----------
    cells : several CellGraph
        From below; each has weights of its own, so no cell may stand here twice.
    output_size : int, optional
        Features of a FullyConnected of what is returned; None: none.
    bptt_length : int, optional
        For all layers.
    keep_between : float
        Probability of keeping a number of the sequence between two layers (Dropout, Zaremba, Sutskever & Vinyals 2014,
        arXiv:1409.2329), in (0, 1].
    residual : bool
        Add to the outputs of each layer but the lowest what it read, before dropout (Wu et al. 2016, arXiv:1609.08144,
        equation 6). All layers are of one width then.
    bidirectional : bool
        Each layer goes both ways.

    Raises
    ------
    ConfigError
        If an option is out of its range.
    ShapeError
        If widths differ with ``residual``, where the cells declare them; otherwise at the first ``forward``.

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
        known = isinstance(cells, tuple) and bool(cells) and all(isinstance(cell, CellGraph) for cell in cells)
        require(known, self, "cells", "a list of what Cell.build returns")
        require(len({id(cell) for cell in self.cells}) == len(tuple(self.cells)), self, "cells", "each cell once")
        for name in ("residual", "bidirectional"):
            require(isinstance(getattr(self, name), bool), self, name, "True or False")
        check_probability(self, "keep_between")
        require(self.reverse is False or not self.bidirectional, self, "reverse", "False: it goes both ways")
        alone = not self.residual or self.returns == "all" or (self.returns == "last" and not self._goes_back())
        require(alone, self, "returns", "'all' (or 'last' in a stack that goes forwards) with residual=True")
        super().check()

    def _goes_back(self) -> bool:
        return self.bidirectional or self.reverse

    def build(self) -> Graph:
        builder = Builder("Stack")
        cells = tuple(self.cells)
        x = input_of(builder, cells[0])
        states: dict[str, Value] = {}
        for i, cell in enumerate(cells):
            name, top = f"layer_{i}", i == len(cells) - 1
            layer = self._level(
                cell, "all" if self.residual or not top else self.returns, self.keep_input if i == 0 else 1.0
            )
            given = x
            if i and self.keep_between < 1:
                given = Dropout(self.keep_between)(x, name=f"dropout_{i}")
            made = layer(given, *further(builder, layer, name), name=name)
            states |= {f"{name}_{port}": made[port] for port in layer.output_ports()[1:]}
            x = made + x if self.residual and i else made
        if self.residual and self.returns == "last":
            x = Last()(x, name="last")
        return builder.build(projected(x, cells[0], None, self.output_size), **states)

    def _level(self, cell: CellGraph, returns: str, keep_input: float) -> Any:
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
