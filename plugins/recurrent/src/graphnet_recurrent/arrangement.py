"""What can be asked of any cell in a Scan: direction, which outputs, where it starts, dropout, clipped errors."""

from __future__ import annotations

import math
from dataclasses import field
from typing import Literal

from graphnet import Builder, CellGraph, ConfigError, FullyConnected, Last, Scan, Value
from graphnet.authoring import positive, require
from graphnet_recurrent.adapt import clipped, masked
from graphnet_recurrent.parts import First, InitialState, SequenceDropout, SequenceMask
from graphnet_recurrent.parts.sequence_mask import check_probability
from graphnet_recurrent.sequence_layer import SequenceLayer

Returns = Literal["all", "last", "state"]
RETURNS = ("all", "last", "state")


class Arrangement(SequenceLayer):
    """The options that all recurrent layers have, and the graph around a cell that they ask for.

    Parameters
    ----------
    reverse : bool
        Go from the last step of each row to its first.
    returns : {'all', 'last', 'state'}
        The output at every step, ``(time, batch, units)``; at the step that is processed last (each row's last valid
        one, with ``reverse`` its first one), ``(batch, units)``; or the cell's first state after it. Zeros for an empty
        row, but for 'state', which is then where it began.
    learn_initial : bool
        Whether the initial states are trained, one vector a state for all rows; otherwise they are zeros. The states
        are then no inputs of the graph.
    keep_input : float
        Probability of keeping a feature of the input, in (0, 1], with one mask for all steps of a sequence.
    keep_state : float
        The same for a unit of the first state, where layers with weights read it (Gal & Ghahramani 2016); what is
        carried over as it is, such as the part that a GRU keeps, is whole.
    clip_error : float, optional
        Above 0: clip the error that goes back into each state, at every step, to ``[-clip_error, clip_error]``.

    What the options add (a FullyConnected, initial states) has weights of the cell's dtype.
    """

    reverse: bool = field(default=False, kw_only=True)
    returns: str = field(default="all", kw_only=True)
    learn_initial: bool = field(default=False, kw_only=True)
    keep_input: float = field(default=1.0, kw_only=True)
    keep_state: float = field(default=1.0, kw_only=True)
    clip_error: float | None = field(default=None, kw_only=True)

    def check(self) -> None:
        super().check()
        for name in ("reverse", "learn_initial"):
            require(isinstance(getattr(self, name), bool), self, name, "True or False")
        require(self.returns in RETURNS, self, "returns", "'all', 'last' or 'state'")
        check_probability(self, "keep_input")
        check_probability(self, "keep_state")
        c = self.clip_error
        real = isinstance(c, (int, float)) and not isinstance(c, bool) and c > 0 and math.isfinite(c)
        require(c is None or real, self, "clip_error", "a finite number above 0, or None")
        for name in ("output_size", "bptt_length"):
            if getattr(self, name, None) is not None:
                positive(self, name)

    def over_time(self) -> bool:
        return self.returns == "all"

    # ------------------------------------------------------------------ the graph
    def scanned(self, builder: Builder, cell: CellGraph, x: Value, bptt_length: int | None) -> tuple[Value, Value]:
        """Put the cell into a graph: what is returned of it, and the Scan, whose outputs of the states' names end it.

        The graph's further inputs (other sequences, initial states, contexts) are declared as the cell has them.
        """
        inner = self._adapted(cell)
        sequences = [x, *(_sequence(builder, cell, name) for name in cell.sequences[1:])]
        if self.keep_input < 1:
            sequences[0] = SequenceDropout(self.keep_input)(x, name="input_dropout")
        states = [self._initial(builder, cell, name, x) for name in cell.states]
        contexts = [builder.input(n, cell.inputs[n].shape, integer=cell.inputs[n].integer) for n in cell.contexts]
        if len(inner.contexts) > len(cell.contexts):
            width = _width(cell, cell.states[0], "keep_state")
            contexts.append(SequenceMask(width, self.keep_state)(x, name="state_mask"))
        scan = Scan(inner, reverse=self.reverse, bptt_length=bptt_length)(*sequences, *states, *contexts, name="scan")
        return self._returned(cell, scan), scan

    def _adapted(self, cell: CellGraph) -> CellGraph:
        if self.clip_error is not None:
            cell = clipped(cell, self.clip_error)
        return masked(cell, cell.states[0]) if self.keep_state < 1 and cell.states else cell

    def _initial(self, builder: Builder, cell: CellGraph, name: str, x: Value) -> Value:
        if self.learn_initial:
            width = _width(cell, name, "learn_initial")
            return InitialState(width, dtype=dtype_of(cell))(x, name=f"initial_{name}")
        return builder.input(name, cell.inputs[name].shape, optional=True)

    def _returned(self, cell: CellGraph, scan: Value) -> Value:
        if self.returns == "state":
            if not cell.states:
                raise ConfigError("the cell has no state", where=type(self).__name__, received="returns='state'")
            return scan[cell.states[0]]
        if not cell.emitted:
            raise ConfigError(
                "the cell has no output beside its states",
                where=f"{type(self).__name__}, cell {cell.name!r}",
                expected="an output of the cell that is no state, for every step",
                received=", ".join(cell.outputs),
                remedy="Build the cell with output=…, or ask for returns='state'.",
            )
        if self.returns == "last":
            return (First() if self.reverse else Last())(scan, name="last")
        return scan


def projected(value: Value, cell: CellGraph, width: int | None, output_size: int | None) -> Value:
    """The FullyConnected of what is returned of a cell; the value itself without an ``output_size``."""
    if output_size is None:
        return value
    return FullyConnected(width, output_size, dtype=dtype_of(cell))(value, name="output_layer")


def dtype_of(cell: CellGraph) -> str:
    """The dtype of a cell's weights: that of its first layer that has some."""
    found = [str(layer.dtype) for layer in cell.layers().values() if layer.trainable and hasattr(layer, "dtype")]
    return found[0] if found else "float64"


def input_of(builder: Builder, cell: CellGraph) -> Value:
    """The sequence that a cell reads first, as the graph's first input."""
    return _sequence(builder, cell, cell.sequences[0])


def _sequence(builder: Builder, cell: CellGraph, name: str) -> Value:
    return builder.input(name, _over_steps(cell, name), integer=cell.inputs[name].integer)


def _over_steps(cell: CellGraph, name: str) -> str:
    """The axes of a sequence from those of one step; a cell that says nothing reads features."""
    shape = cell.inputs[name].shape
    rest = ("feature",) if shape is None else shape.names[1:]
    sizes = (None,) if shape is None else shape.sizes[1:]
    axes = [n if size is None else f"{n}={size}" for n, size in zip(rest, sizes, strict=True)]
    return ", ".join(["time", "batch", *axes])


def _width(cell: CellGraph, state: str, option: str) -> int:
    shape = cell.inputs[state].shape
    width = None if shape is None or shape.rank != 2 else shape.sizes[-1]
    if width is None:
        raise ConfigError(
            f"{option} needs the width of state {state!r}",
            where=f"cell {cell.name!r}",
            expected=f"a cell that declares it, such as states={{{state!r}: 8}}",
            received="no width" if shape is None else shape,
        )
    return width
