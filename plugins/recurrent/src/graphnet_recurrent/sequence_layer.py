"""What every recurrent layer shares when it is used by itself: sequences in, sequences out, and a state."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from graphnet import GraphnetError, Runner, ShapeError
from graphnet.authoring import as_array
from graphnet.data.sequences import Packing, lengths_or_packing
from graphnet_recurrent.kept_state import KeptState


@dataclass(frozen=True)
class Given:
    """How the input of a ``forward`` came: what ``backward`` turns errors by.

    Attributes
    ----------
    names : tuple of str
        The inputs that were given, in order.
    single : bool
        Whether it was one sequence, without a batch axis.
    turned : bool
        Whether it was ``(batch, time, …)``.
    packing : Packing or None
        Where steps were missing.
    """

    names: tuple[str, ...] = ()
    single: bool = False
    turned: bool = False
    packing: Packing | None = None

    def inward(self, array: np.ndarray, what: str) -> np.ndarray:
        """A sequence as the graph wants it."""
        array = array.swapaxes(0, 1) if self.turned else array
        # A Runner knows the lengths, and takes what lies beyond a row's end for zeros.
        return array if self.packing is None else self.packing.pack(array, what, clean=False)

    def outward(self, array: np.ndarray) -> np.ndarray:
        """The way back."""
        array = array if self.packing is None else self.packing.unpack(array, clean=False)  # zeros follow each row
        return array.swapaxes(0, 1) if self.turned else array


class SequenceLayer(KeptState):
    """A graph over sequences, with a state that can be kept from one ``forward`` to the next.

    Attributes
    ----------
    batch_major : bool
        Whether ``forward`` and ``backward`` take and give ``(batch, time, …)``; False at first. In a graph axes go by
        their names, and this changes nothing.
    """

    #: A list of layers calls ``forward`` and ``backward`` of this layer itself, because it keeps a state.
    stateful_protocol: ClassVar[bool] = True

    def check(self) -> None:
        super().check()
        self.batch_major: bool = False

    def over_time(self) -> bool:
        """Whether the output is a sequence."""
        return True

    # ------------------------------------------------------------------ running
    def forward(self, input_tensor: Any, lengths: Any = None, mask: Any = None, **others: Any) -> Any:
        """The output for sequences.

        Parameters
        ----------
        input_tensor : array_like, (time, input_size) or (time, batch, input_size)
            With ``batch_major`` ``(batch, time, input_size)``.
        lengths : array_like of int, (batch,), optional
            Valid steps of each row; outputs beyond are zero, the state is that at the row's end. A row may be empty.
        mask : array_like of bool, (time, batch), optional
            Instead of lengths: the steps that are there, anywhere in the row. The others are passed over, as if the row
            did not have them, and their outputs are zero. With ``batch_major`` ``(batch, time)``.
        **others : array_like
            Further inputs of the layer's graph by name: initial states ``(batch, units)``, contexts.

        Raises
        ------
        ShapeError, DtypeError, DataError
            If the input does not fit.
        StateError
            If ``memory`` is on and the state has another number of rows, or another thread is running ``forward``.
        """
        with self._exclusive("forward with memory") if self.memory else nullcontext():
            return self._forward(input_tensor, lengths, mask, others)

    def _forward(self, input_tensor: Any, lengths: Any, mask: Any, others: dict[str, Any]) -> Any:
        x, single = self._sequences(input_tensor)
        turned = self.batch_major and not single
        axes = x.shape[1::-1] if turned else x.shape[:2]
        counts, packing = self._counted(lengths, mask, axes, single, turned)
        self._refuse_other_rows(1 if single else axes[1])
        inputs = {next(iter(self.graph.inputs)): x, **self._further(others)}
        came = Given(tuple(inputs), single, turned, packing)
        inputs = {name: came.inward(a, name) if name in self._timed() else a for name, a in inputs.items()}
        runner = self._runner_for(single)
        kept = self._going_on(runner.states, others)
        outputs, ended = runner.resume(inputs, kept, phase=self.phase, lengths=counts)
        output = np.array(next(iter(outputs.values())))
        self._runner = runner
        self._set_last((runner, came))
        self._keep(ended)
        return came.outward(output) if self.over_time() else output

    def backward(self, *errors: Any) -> Any:
        """The error for the input from that for the output; then one update, if there is an optimizer.

        Parameters
        ----------
        *errors : array_like
            The loss's gradient with respect to the output; then, if wanted, to the final states in the order of
            ``graph.outputs``.

        Returns
        -------
        array, or a tuple of arrays where ``forward`` was given further inputs: in the order in which they were given

        Raises
        ------
        StateError
            Before the first ``forward``, or if the last one was another thread's; while another thread is running
            ``backward`` or, if there is an optimizer, ``forward``.
        ShapeError, DtypeError
            If an error does not have the output's shape; nothing has changed then.
        """
        runner, came = self._get_last()
        names = list(runner.graph.outputs)
        if not 1 <= len(errors) <= len(names):
            expected = f"one for each of {', '.join(names)}, from the first on"
            raise ShapeError("wrong number of errors", where=repr(self), expected=expected, received=len(errors))
        first, *rest = errors
        first = self._array(first, "error")
        if self.over_time() and first.ndim >= 2:
            first = came.inward(first, f"{self!r}, the error" if came.packing else "the error")
        with self._learning(runner):
            pulled = runner.backward(dict(zip(names, [first, *rest], strict=False)))
            self._update()
        found = [self._error(name, pulled[name], came) for name in came.names]
        return found[0] if len(found) == 1 else tuple(found)

    # ------------------------------------------------------------------ inside
    def _error(self, name: str, error: Any, came: Given) -> Any:
        """The error for one input, as that came."""
        if error is None:
            return None
        return came.outward(np.array(error)) if name in self._timed() else np.array(error)

    def _counted(
        self, lengths: Any, mask: Any, axes: tuple[int, ...], single: bool, turned: bool
    ) -> tuple[Any, Packing | None]:
        """The valid steps of each row, and how to pack rows in which steps are missing."""
        if mask is None:
            return lengths, None
        if single:
            raise ShapeError(
                "a mask is for a batch",
                where=repr(self),
                expected="(time, batch, …)",
                received="one sequence",
                remedy="Leave out the steps that are not there.",
            )
        rows = as_array(mask, f"{self!r}, mask")
        return lengths_or_packing(lengths, rows.T if turned else rows, axes, repr(self))

    def _timed(self) -> set[str]:
        """The inputs that are sequences."""
        return {
            n for n, i in self.graph.inputs.items() if i.shape is not None and i.shape.names[:2] == ("time", "batch")
        }

    def _further(self, others: Mapping[str, Any]) -> dict[str, Any]:
        """Further inputs, sequences among them as arrays; refused where the graph has none of that name."""
        main, *known = self.graph.inputs
        for name in others:
            if name not in known:
                expected = ", ".join(known) or f"none but {main}"
                raise ShapeError("no such input", where=repr(self), expected=expected, received=name)
        timed, inputs = self._timed(), self.graph.inputs
        return {
            name: as_array(value, f"{self!r}, {name}", integer=inputs[name].integer) if name in timed else value
            for name, value in others.items()
        }

    def _runner_for(self, single: bool) -> Runner:
        """The runner for a batch of sequences, or for one sequence without a batch axis: the same graph and weights."""
        graph = self.graph
        main, x = next(iter(graph.inputs.items()))
        if single:
            alone = replace(x, shape=None if x.shape is None else x.shape.without("batch"))
            graph = replace(graph, inputs={**graph.inputs, main: alone})
        if self._runner is None or self._runner.graph.inputs[main] != graph.inputs[main]:
            return Runner(graph)
        return self._runner

    def _array(self, value: Any, what: str, *, integer: bool = False) -> np.ndarray:
        """An array of the caller's; the layer is described only where it is refused."""
        try:
            return as_array(value, what, integer=integer)
        except GraphnetError as error:
            raise error.at(repr(self)) from None

    def _sequences(self, value: Any) -> tuple[np.ndarray, bool]:
        """The input as an array of a rank and width that fit, and whether it is one sequence."""
        given = next(iter(self.graph.inputs.values()))
        x = self._array(value, "input", integer=given.integer)
        shape = given.shape
        assert shape is not None  # every first input is declared
        single = x.ndim == 2 and shape.rank == 3
        size = shape.sizes[-1] if shape.rank > 2 else None
        if (x.ndim != shape.rank and not single) or (size is not None and x.shape[-1] != size):
            rest = [str(n if s is None else s) for n, s in zip(shape.names[2:], shape.sizes[2:], strict=True)]
            axes = ["batch", "time"] if self.batch_major else ["time", "batch"]
            alone = f" or ({', '.join(['time', *rest])})" if shape.rank == 3 else ""
            expected = f"({', '.join([*axes, *rest])}){alone}"
            raise ShapeError("the input does not fit", where=repr(self), expected=expected, received=x.shape)
        return x, single
