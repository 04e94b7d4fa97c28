"""What RNN, LSTM and GRU share: sizes in the constructor, weights side by side in one array."""

from collections.abc import Callable
from dataclasses import field
from typing import Any, ClassVar

import numpy as np

from graphnet import Builder, CellGraph, FullyConnected, Graph, RuleError, ShapeError, StateError
from graphnet.authoring import Parameter, as_array, positive
from graphnet_recurrent.arrangement import Arrangement, projected


class CellLayer(Arrangement):
    """A cell graph in a Scan, and a FullyConnected of the hidden state; there is no backward pass of its own.

    Input ``(time, batch, input_size)``, or ``(time, input_size)`` for one sequence (the batch axis *is* the time axis);
    output the same with ``output_size``. Subclasses define ``cell`` and ``gates``. Further options: see
    :class:`Arrangement`.

    Parameters
    ----------
    input_size : int or None
        Features of the input; None: taken from the first input.
    hidden_size : int
        Width of the hidden state.
    output_size : int or None
        Features of the output; None: the hidden state itself is returned, with no FullyConnected.
    bptt_length : int or None
        The gradient of the cell's weights counts their uses in the last ``bptt_length`` steps (of each row), with the
        uses in earlier steps held fixed; None, or as many as there are steps: exact backpropagation through time. The
        output layer's gradient counts all steps, and so do the errors for the input. (TBPTT(k1, k2) of Williams & Peng
        1990: k1 is the length of what one ``forward`` is given, k2 = ``bptt_length``.)
    dtype : {'float64', 'float32'}
        Of the weights.
    """

    input_size: int | None
    hidden_size: int
    output_size: int | None
    bptt_length: int | None = None
    dtype: str = field(default="float64", kw_only=True)

    #: Paths, inside the cell, of the layers whose weights stand side by side in ``get_weights``.
    gates: ClassVar[tuple[str, ...]] = ()

    def check(self) -> None:
        super().check()
        positive(self, "hidden_size")
        if self.input_size is not None:
            positive(self, "input_size")

    # ------------------------------------------------------------------ the graph
    def cell(self) -> CellGraph:
        """The graph of one time step, whose first state is the hidden state."""
        raise RuleError(
            f"{type(self).__name__} has no cell",
            where=type(self).__name__,
            expected="a method cell(self)",
            remedy="Write it. It returns a CellGraph.",
        )

    def build(self) -> Graph:
        cell = self.cell()
        builder = Builder(type(self).__name__)
        size = "" if self.input_size is None else f"={self.input_size}"
        x = builder.input("x", f"time, batch, feature{size}")
        returned, scan = self.scanned(builder, cell, x, self.bptt_length)
        output = projected(returned, cell, self.hidden_size, self.output_size)
        return builder.build(output, **{name: scan[name] for name in cell.states})

    # ------------------------------------------------------------------ weights
    @property
    def output_layer(self) -> FullyConnected | None:
        """The FullyConnected from hidden state to output; None without one. Its weights have the usual accessors."""
        node = self.graph.nodes.get("output_layer")
        return node.layer if node is not None else None  # type: ignore[return-value]

    def _gates(self) -> list[Parameter]:
        """The weight arrays that make the hidden state, in the order of the columns of ``get_weights``."""
        nodes = self.graph.nodes["scan"].layer.cell.nodes  # type: ignore[attr-defined]
        found = [p for gate in self.gates for p in nodes[gate].layer.params.values()]
        if not found:
            raise StateError(
                "the sizes of the weights are not known yet",
                where=repr(self),
                remedy="Give input_size to the constructor, or call forward once.",
            )
        return found

    def _side_by_side(self, read: Callable[[Parameter], np.ndarray]) -> np.ndarray:
        return np.concatenate([read(parameter) for parameter in self._gates()], axis=1)

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
        """Everything that makes the hidden state, one array ``(input_size + hidden_size + 1, gates · hidden_size)``.

        Rows: those of the input, those of the hidden state, the bias. Columns: one block of ``hidden_size`` a gate, in
        the order of ``gates``.
        """
        return self._side_by_side(lambda parameter: parameter.value)

    def get_gradient_weights(self) -> np.ndarray:
        """The gradient of the last ``backward``, shaped like ``get_weights()``, summed over the batch.

        Raises
        ------
        StateError
            Before the first ``backward``.
        """
        if any(parameter.gradient is None for parameter in self._gates()):
            raise StateError("no gradient yet", where=repr(self), remedy="Call forward and backward first.")
        return self._side_by_side(lambda parameter: parameter.gradient)  # type: ignore[arg-type, return-value]

    def set_weights(self, weights: Any) -> None:
        """Copy ``weights`` in; see ``get_weights`` for rows and columns.

        Raises
        ------
        ShapeError
            If the shape differs; the message has both.
        """
        array = as_array(weights, f"{self!r}, weights")
        gates = self._gates()
        expected = (len(gates[0].value), len(gates) * self.hidden_size)
        if array.shape != expected:
            raise ShapeError("weights of another shape", where=repr(self), expected=expected, received=array.shape)
        with self._writing("set_weights"):
            for gate, part in zip(gates, np.split(array, len(gates), axis=1), strict=True):
                gate.value = part.astype(gate.value.dtype)

    def get_output_weights(self) -> np.ndarray:
        """The output layer's weights ``(hidden_size + 1, output_size)``, the bias in the last row."""
        return self._output().get_weights()  # type: ignore[no-any-return]

    def set_output_weights(self, weights: Any) -> None:
        """Copy ``weights`` into the output layer; see ``get_output_weights``."""
        self._output().set_weights(weights)

    def get_gradient_output_weights(self) -> np.ndarray:
        """The output layer's gradient of the last ``backward``, over all steps."""
        return self._output().get_gradient_weights()  # type: ignore[no-any-return]

    def _output(self) -> FullyConnected:
        if self.output_layer is None:
            raise StateError("there is no output layer", where=repr(self), remedy="Give an output_size.")
        return self.output_layer

    def calculate_regularization_loss(self) -> float:
        """The regularizer's norm of ``get_weights()`` as one array, plus that of the output layer's weights."""
        regularizer = getattr(self._gates()[0].optimizer, "regularizer", None) if self.optimizer else None
        if regularizer is None:
            return 0.0
        loss = float(regularizer.norm(self.get_weights()))
        return loss + (self.output_layer.calculate_regularization_loss() if self.output_layer else 0.0)
