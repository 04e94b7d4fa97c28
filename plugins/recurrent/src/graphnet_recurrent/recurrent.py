"""From a cell to a layer: a graph of the cell in a Scan, run by the protocol of :class:`RecurrentLayer`."""

from __future__ import annotations

from dataclasses import field
from typing import Any, ClassVar

import numpy as np

from graphnet import (
    Builder,
    CellGraph,
    ConfigError,
    FullyConnected,
    Graph,
    Last,
    RuleError,
    Scan,
    Shape,
    StateError,
    Value,
)
from graphnet.authoring import positive, require
from graphnet_recurrent.cell_transforms import clip_state_errors, mask_state
from graphnet_recurrent.gate_weights import GateWeights
from graphnet_recurrent.layers import First, InitialState, SequenceDropout, SequenceMask
from graphnet_recurrent.recurrent_layer import RecurrentLayer


class Recurrent(RecurrentLayer):
    """Runs a cell over sequences.

    Input ``(time, batch, features)``, or ``(time, features)`` for one sequence (the batch axis *is* the time axis).
    Output: see ``returns``; with ``output_size``, a FullyConnected is applied to it. Further sequences and contexts of
    the cell, and initial states, are given to ``forward`` by name. ``get_weights()`` is a dictionary of all arrays by
    path, or the array if there is one. Further options: see :class:`RecurrentLayer`.

    Parameters
    ----------
    cell : CellGraph
        Its layers, and so its weights, belong to this layer. Its first output that is not a state is the output.
    output_size : int, optional
    bptt_length : int, optional
        The gradient of the cell's weights covers their uses in the last ``bptt_length`` processed steps of each row;
        None: in all steps.

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
        require(isinstance(self.cell, CellGraph), self, "cell", "the result of Cell.build")
        super().check()

    def build(self) -> Graph:
        return scan_graph("Recurrent", self.cell, self, bptt_length=self.bptt_length, output_size=self.output_size)


class RNNBase(RecurrentLayer):
    """Base of RNN, LSTM and GRU: a cell in a Scan, and a FullyConnected of the hidden state.

    Input ``(time, batch, input_size)``, or ``(time, input_size)`` for one sequence (the batch axis *is* the time axis);
    output the same with ``output_size``. Subclasses define ``cell`` and ``gates``. Further options: see
    :class:`RecurrentLayer`.

    Parameters
    ----------
    input_size : int or None
        Features of the input; None: taken from the first input.
    hidden_size : int
        Width of the hidden state.
    output_size : int or None
        Features of the output; None: the hidden state itself is returned, without a FullyConnected.
    bptt_length : int or None
        The gradient of the cell's weights covers their uses in the last ``bptt_length`` processed steps of each row,
        with the uses in earlier steps held fixed; None, or at least the number of steps: exact backpropagation through
        time. The gradient of the output layer, and the errors for the input, cover all steps. (TBPTT(k1, k2) of
        Williams & Peng 1990: k1 is the number of steps of one ``forward``, k2 = ``bptt_length``.)
    dtype : {'float64', 'float32'}
        Of the weights.
    """

    input_size: int | None
    hidden_size: int
    output_size: int | None
    bptt_length: int | None = None
    dtype: str = field(default="float64", kw_only=True)

    #: Paths, inside the cell, of the layers whose weights are the columns of ``get_weights``, in this order.
    gates: ClassVar[tuple[str, ...]] = ()

    def check(self) -> None:
        super().check()
        positive(self, "hidden_size")
        if self.input_size is not None:
            positive(self, "input_size")

    def cell(self) -> CellGraph:
        """Return the graph of one time step, whose first state is the hidden state."""
        raise RuleError(
            f"{type(self).__name__} has no cell",
            where=type(self).__name__,
            expected="a method cell(self)",
            remedy="Write it. It returns a CellGraph.",
        )

    def build(self) -> Graph:
        return scan_graph(
            type(self).__name__,
            self.cell(),
            self,
            bptt_length=self.bptt_length,
            output_size=self.output_size,
            input_size=self.input_size,
            hidden_size=self.hidden_size,
        )

    # ------------------------------------------------------------------ weights of the cell
    @property
    def gate_weights(self) -> GateWeights:
        """The weights of the gates as one array; ``get_weights`` and the like read and write through it."""
        nodes = self.graph.nodes["scan"].layer.cell.nodes  # type: ignore[attr-defined]
        return GateWeights([nodes[gate].layer for gate in self.gates], self)

    @property
    def weights(self) -> np.ndarray:
        """A read-only copy of ``get_weights()``; assigning calls ``set_weights``."""
        array = self.get_weights()
        array.flags.writeable = False
        return array

    @weights.setter
    def weights(self, values: Any) -> None:
        self.set_weights(values)

    def get_weights(self) -> np.ndarray:
        """Return the weights of the cell as one array ``(input_size + hidden_size + 1, gates · hidden_size)``.

        Rows: those of the input, those of the hidden state, the bias. Columns: one block of ``hidden_size`` per gate,
        in the order of ``gates``.
        """
        return self.gate_weights.values()

    def get_gradient_weights(self) -> np.ndarray:
        """Return the gradient of the last ``backward``, shaped like ``get_weights()``, summed over the batch.

        Raises
        ------
        StateError
            Before the first ``backward``.
        """
        return self.gate_weights.gradient()

    def set_weights(self, weights: Any) -> None:
        """Copy ``weights`` into the cell; see ``get_weights`` for rows and columns.

        Raises
        ------
        ShapeError
            If the shape differs; the message has both.
        """
        with self._writing("set_weights"):
            self.gate_weights.assign(weights)

    # ------------------------------------------------------------------ weights of the output layer
    @property
    def output_layer(self) -> FullyConnected | None:
        """The FullyConnected from hidden state to output; None without one."""
        node = self.graph.nodes.get("output_layer")
        return None if node is None else node.layer  # type: ignore[return-value]

    def get_output_weights(self) -> np.ndarray:
        """Return the output layer's weights ``(hidden_size + 1, output_size)``; the last row is the bias."""
        return self._checked_output_layer().get_weights()  # type: ignore[no-any-return]

    def set_output_weights(self, weights: Any) -> None:
        """Copy ``weights`` into the output layer; see ``get_output_weights``."""
        self._checked_output_layer().set_weights(weights)

    def get_gradient_output_weights(self) -> np.ndarray:
        """Return the output layer's gradient of the last ``backward``, over all steps."""
        return self._checked_output_layer().get_gradient_weights()  # type: ignore[no-any-return]

    def _checked_output_layer(self) -> FullyConnected:
        if self.output_layer is None:
            raise StateError("the layer has no output layer", where=repr(self), remedy="Pass an output_size.")
        return self.output_layer

    def calculate_regularization_loss(self) -> float:
        """Return the regularizer's norm of ``get_weights()`` as one array, plus that of the output layer's weights."""
        if self.optimizer is None:
            return 0.0
        loss = self.gate_weights.regularization_loss()
        return loss + (self.output_layer.calculate_regularization_loss() if self.output_layer else 0.0)


# ---------------------------------------------------------------------- from a cell and options to a graph
def scan_graph(
    name: str,
    cell: CellGraph,
    options: RecurrentLayer,
    *,
    bptt_length: int | None = None,
    output_size: int | None = None,
    input_size: int | None = None,
    hidden_size: int | None = None,
) -> Graph:
    """Return the graph of a recurrent layer: ``cell`` in a Scan, and the final states as further outputs.

    Parameters
    ----------
    name : str
        Of the graph.
    cell : CellGraph
    options : RecurrentLayer
    bptt_length : int, optional
        Of the Scan.
    output_size : int, optional
        Outputs of a FullyConnected, node ``output_layer``; None: there is none.
    input_size, hidden_size : int, optional
        The number of features of the input, and of the cell's output, if they are known.

    Raises
    ------
    ConfigError
        If ``options`` need a width, a state or an output that the cell does not have.
    """
    builder = Builder(name)
    x = sequence_input(builder, cell, cell.sequences[0], input_size)
    scan = _scan(builder, cell, options, x, bptt_length)
    output = project(_returned(cell, options, scan, name), cell, output_size, hidden_size)
    return builder.build(output, **{state: scan[state] for state in cell.states})


def sequence_input(builder: Builder, cell: CellGraph, name: str, width: int | None = None) -> Value:
    """Declare a sequence of a cell as an input of a graph; a cell that declares no axes reads features."""
    spec = cell.inputs[name]
    step = spec.shape if spec.shape is not None and width is None else Shape(("batch", "feature"), (None, width))
    shape = Shape(("time", "batch", *step.names[1:]), (None, None, *step.sizes[1:]))
    return builder.input(name, shape, integer=spec.integer)


def project(value: Value, cell: CellGraph, output_size: int | None, input_size: int | None = None) -> Value:
    """Apply a FullyConnected with ``output_size`` outputs to a value, in the dtype of the cell; None: no layer."""
    if output_size is None:
        return value
    return FullyConnected(input_size, output_size, dtype=weights_dtype(cell))(value, name="output_layer")


def weights_dtype(cell: CellGraph) -> str:
    """Return the dtype of the first layer of a cell that has weights; float64 if there is none."""
    dtypes = (str(layer.dtype) for layer in cell.layers().values() if layer.has_weights and hasattr(layer, "dtype"))
    return next(dtypes, "float64")


def _scan(builder: Builder, cell: CellGraph, options: RecurrentLayer, x: Value, bptt_length: int | None) -> Value:
    """The Scan of the transformed cell; the cell's further inputs become inputs of the graph."""
    sequences = [x, *(sequence_input(builder, cell, name) for name in cell.sequences[1:])]
    if options.keep_input < 1:
        sequences[0] = SequenceDropout(options.keep_input)(x, name="input_dropout")
    states = [_initial_state(builder, cell, options, name, x) for name in cell.states]
    contexts = [
        builder.input(name, cell.inputs[name].shape, integer=cell.inputs[name].integer) for name in cell.contexts
    ]
    scanned = cell if options.clip_error is None else clip_state_errors(cell, options.clip_error)
    if options.keep_state < 1 and cell.states:
        sizes = _state_sizes(cell, cell.states[0], "keep_state")
        scanned = mask_state(scanned, cell.states[0])
        contexts.append(SequenceMask(sizes, options.keep_state)(x, name="state_mask"))
    scan = Scan(scanned, reverse=options.reverse, bptt_length=bptt_length)
    return scan(*sequences, *states, *contexts, name="scan")


def _initial_state(builder: Builder, cell: CellGraph, options: RecurrentLayer, name: str, x: Value) -> Value:
    if not options.learn_initial:
        return builder.input(name, cell.inputs[name].shape, optional=True)
    sizes = _state_sizes(cell, name, "learn_initial")
    return InitialState(sizes, dtype=weights_dtype(cell))(x, name=f"initial_{name}")


def _returned(cell: CellGraph, options: RecurrentLayer, scan: Value, layer: str) -> Value:
    """The output of the graph by the option ``returns``."""
    if options.returns == "state":
        if not cell.states:
            raise ConfigError("the cell has no state", where=layer, received="returns='state'")
        return scan[cell.states[0]]
    if not cell.emitted:
        raise ConfigError(
            "the cell has no output besides its states",
            where=f"{layer}, cell {cell.name!r}",
            expected="an output of the cell for every step that is not a state",
            received=", ".join(cell.outputs),
            remedy="Build the cell with output=…, or use returns='state'.",
        )
    if options.returns == "last":
        return (First() if options.reverse else Last())(scan, name="last")
    return scan


def _state_sizes(cell: CellGraph, state: str, option: str) -> int | tuple[int, ...]:
    """The width of a state, or the sizes of its axes after the batch."""
    shape = cell.inputs[state].shape
    sizes = () if shape is None else shape.sizes[1:]
    known = tuple(size for size in sizes if size is not None)
    if not sizes or len(known) < len(sizes):
        raise ConfigError(
            f"{option} needs the width of state {state!r}",
            where=f"cell {cell.name!r}",
            expected=f"a cell that declares it, such as states={{{state!r}: 8}}",
            received="no width" if shape is None else shape,
        )
    return known[0] if len(known) == 1 else known
