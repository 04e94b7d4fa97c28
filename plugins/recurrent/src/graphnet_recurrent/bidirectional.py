"""Two cells over the same sequences, one in each direction."""

from dataclasses import field

from graphnet import Builder, CellGraph, Graph, Value, concatenate
from graphnet.authoring import require
from graphnet_recurrent.cell_transforms import copy_with_new_weights
from graphnet_recurrent.recurrent import Recurrent, project, sequence_input
from graphnet_recurrent.recurrent_layer import RecurrentLayer

MERGES = ("concatenate", "add")


class Bidirectional(RecurrentLayer):
    """Two recurrent networks over the same sequences, one in each direction (Schuster & Paliwal 1997).

    The output at a step depends on the whole row, on earlier and on later steps. With ``returns='last'`` each direction
    gives its output at the step that it processes last. Input, output and options are those of :class:`Recurrent`. The
    states are named ``forward/h``, ``backward/h``; they cannot be kept between calls, since one direction starts at the
    end of a row.

    Parameters
    ----------
    cell : CellGraph
        Of the forward direction.
    backward_cell : CellGraph, optional
        Of the backward direction; None: an equal cell with separate weights.
    output_size : int, optional
        Outputs of a FullyConnected of the merged outputs; None: there is none.
    bptt_length : int, optional
        For both directions.
    merge : {'concatenate', 'add'}
        Concatenate the outputs, those of the forward direction first, or add them.

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
        is_cell = isinstance(self.cell, CellGraph)
        require(is_cell, self, "cell", "the result of Cell.build")
        is_cell = self.backward_cell is None or isinstance(self.backward_cell, CellGraph)
        require(is_cell, self, "backward_cell", "the result of Cell.build, or None")
        require(self.merge in MERGES, self, "merge", "'concatenate' or 'add'")
        require(self.reverse is False, self, "reverse", "False, because the layer runs in both directions")
        super().check()

    def build(self) -> Graph:
        builder = Builder("Bidirectional")
        x = sequence_input(builder, self.cell, self.cell.sequences[0])
        backward_cell = copy_with_new_weights(self.cell) if self.backward_cell is None else self.backward_cell
        forward = self._direction(builder, x, self.cell, "forward")
        backward = self._direction(builder, x, backward_cell, "backward")
        merged = concatenate(forward, backward, name="merged") if self.merge == "concatenate" else forward + backward
        return builder.build(project(merged, self.cell, self.output_size))

    def _direction(self, builder: Builder, x: Value, cell: CellGraph, name: str) -> Value:
        """One direction as a node; the further inputs of its cell become inputs of the graph, named after it."""
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
        return layer(x, *further_inputs(builder, layer.graph, name), name=name)


def further_inputs(builder: Builder, graph: Graph, node: str) -> list[Value]:
    """Declare inputs for all inputs of a nested graph but its first, each named ``<node>_<input>``."""
    _, *further = graph.inputs.items()
    return [builder.input(f"{node}_{name}", spec.shape, optional=spec.optional) for name, spec in further]
