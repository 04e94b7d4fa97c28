"""Any cell graph as a layer."""

from dataclasses import field

from graphnet import Builder, CellGraph, Graph
from graphnet.authoring import require
from graphnet_recurrent.arrangement import Arrangement, input_of, projected


class Recurrent(Arrangement):
    """Runs a cell over sequences, whatever the cell: the whole protocol of a recurrent layer, and no backward pass.

    Input ``(time, batch, features)``, or ``(time, features)`` for one sequence (the batch axis *is* the time axis).
    Output: see ``returns``; with ``output_size`` it goes through a FullyConnected. Further sequences and contexts of
    the cell, and initial states, are given to ``forward`` by name. ``get_weights()`` is a dictionary of all arrays by
    path, or the array where there is one. Further options: see :class:`Arrangement`.

    Parameters
    ----------
    cell : CellGraph
        Its layers, and so its weights, are this layer's; its first output that is no state is the output.
    output_size : int, optional
    bptt_length : int, optional
        The gradient of the cell's weights counts their uses in the last ``bptt_length`` steps that were processed, of
        each row; None: in all.

    Raises
    ------
    ConfigError
        If an option is out of its range, or needs a width that the cell does not declare.

    Examples
    --------
    >>> import numpy as np
    >>> from graphnet_recurrent import peephole_lstm_cell
    >>> layer = Recurrent(peephole_lstm_cell(5), returns="last", learn_initial=True)
    >>> layer.forward(np.ones((7, 4, 3)), lengths=[7, 2, 5, 0]).shape, sorted(layer.state)
    ((4, 5), ['c', 'h'])
    """

    cell: CellGraph
    output_size: int | None = None
    bptt_length: int | None = field(default=None)

    def check(self) -> None:
        require(isinstance(self.cell, CellGraph), self, "cell", "what Cell.build returns")
        super().check()

    def build(self) -> Graph:
        builder = Builder("Recurrent")
        x = input_of(builder, self.cell)
        returned, scan = self.scanned(builder, self.cell, x, self.bptt_length)
        output = projected(returned, self.cell, None, self.output_size)
        return builder.build(output, **{name: scan[name] for name in self.cell.states})
