"""A cell forwards, another one backwards."""

from dataclasses import field

from graphnet import Builder, CellGraph, Graph, Value, concatenate
from graphnet.authoring import require
from graphnet_recurrent.adapt import twin
from graphnet_recurrent.arrangement import Arrangement, input_of, projected
from graphnet_recurrent.recurrent import Recurrent

MERGES = ("concatenate", "add")


class Bidirectional(Arrangement):
    """Two recurrent networks over the same sequences, one in each direction (Schuster & Paliwal 1997).

    The output at a step knows the whole row: what came before it and what comes after. With ``returns='last'`` each
    direction gives the output at its own end. Input, output and options as of :class:`Recurrent`; the states, of both
    directions, are by name ``forward/h``, ``backward/h``; they cannot be kept, since one direction begins at the end.

    Parameters
    ----------
    cell : CellGraph
        Forwards.
    backward_cell : CellGraph, optional
        Backwards; None: the same as ``cell``, with weights of its own.
    output_size : int, optional
        Features of a FullyConnected of the merged outputs; None: none.
    bptt_length : int, optional
        For both directions.
    merge : {'concatenate', 'add'}
        Side by side, forwards first; or the sum.

    Raises
    ------
    ConfigError
        If an option is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> from graphnet_recurrent import lstm_cell
    >>> layer = Bidirectional(lstm_cell(5))
    >>> layer.forward(np.ones((7, 4, 3)), lengths=[7, 2, 5, 0]).shape, sorted(layer.state)
    ((7, 4, 10), ['backward/c', 'backward/h', 'forward/c', 'forward/h'])
    """

    cell: CellGraph
    backward_cell: CellGraph | None = None
    output_size: int | None = None
    bptt_length: int | None = field(default=None)
    merge: str = field(default="concatenate", kw_only=True)

    def check(self) -> None:
        require(isinstance(self.cell, CellGraph), self, "cell", "what Cell.build returns")
        other = self.backward_cell
        require(
            other is None or isinstance(other, CellGraph), self, "backward_cell", "what Cell.build returns, or None"
        )
        require(self.merge in MERGES, self, "merge", "'concatenate' or 'add'")
        require(self.reverse is False, self, "reverse", "False: it goes both ways")
        super().check()

    def build(self) -> Graph:
        builder = Builder("Bidirectional")
        x = input_of(builder, self.cell)
        backward = twin(self.cell) if self.backward_cell is None else self.backward_cell
        there = self._one_way(builder, x, self.cell, "forward")
        back = self._one_way(builder, x, backward, "backward")
        merged = concatenate(there, back, name="merged") if self.merge == "concatenate" else there + back
        return builder.build(projected(merged, self.cell, None, self.output_size))

    def _one_way(self, builder: Builder, x: Value, cell: CellGraph, name: str) -> Value:
        """One direction: a Recurrent as a node, with the further inputs of its cell as inputs named after it."""
        layer = Recurrent(
            cell,
            None,
            self.bptt_length,
            reverse=name == "backward",
            returns=self.returns,
            learn_initial=self.learn_initial,
            keep_input=self.keep_input,
            keep_state=self.keep_state,
            clip_error=self.clip_error,
        )
        return layer(x, *further(builder, layer, name), name=name)


def further(builder: Builder, layer: Recurrent, name: str) -> list[Value]:
    """Inputs of a graph for all inputs of a layer but its first, each named after the layer and the input."""
    inputs = list(layer.graph.inputs.items())[1:]
    return [builder.input(f"{name}_{port}", given.shape, optional=given.optional) for port, given in inputs]
