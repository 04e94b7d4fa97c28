"""What every recurrent layer shares when it is used by itself: sequences in, sequences out, and a state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from graphnet import Composite, Runner, ShapeError, State, StateError, as_array
from graphnet.sequences import Packing, lengths_or_packing


class SequenceLayer(Composite):
    """A graph over sequences, with a state that can be kept from one ``forward`` to the next.

    Attributes
    ----------
    memory : bool
        Whether ``forward`` starts from the state where the last one ended; see ``toggle_memory``.
    state : dict of str to array, or None
        The state ``(batch, units)`` where the last ``forward`` ended, by name. Assigning replaces it.
    batch_major : bool
        Whether ``forward`` and ``backward`` take and give ``(batch, time, …)``; False at first. In a graph axes go by
        their names, and this changes nothing.
    """

    #: A list of layers calls ``forward`` and ``backward`` of this layer itself, because it keeps a state.
    stateful_protocol: ClassVar[bool] = True

    def check(self) -> None:
        self.memory: bool = False
        self.batch_major: bool = False
        self._kept: State | None = None
        self._shown: dict[str, np.ndarray] | None = None
        self._packing: Packing | None = None
        self._names: list[str] = []
        self._single = False  # whether the present input is one sequence, without a batch axis

    # ------------------------------------------------------------------ the state
    def toggle_memory(self) -> None:
        """Flip ``memory``: False, as at first, starts each ``forward`` from zeros; True, where the last one ended.

        It holds for ``forward`` of this layer. In a graph that a Runner runs, the state comes in and goes out by the
        layer's inputs and outputs of the states' names, or is carried over by ``Runner.forward(state=…)``.

        Raises
        ------
        StateError
            If a part of the layer goes backwards, which would have to begin at the end of what is not there yet.
        """
        if self._backwards():
            raise StateError(
                "a layer that goes backwards keeps no state",
                where=repr(self),
                expected="a layer that goes forwards",
                remedy="Give whole sequences.",
            )
        self.memory = not self.memory

    def _backwards(self) -> bool:
        return any(getattr(layer, "reverse", False) for _, layer in self.graph.walk())

    @property
    def state(self) -> dict[str, np.ndarray] | None:
        """The state where the last ``forward`` ended, by name; None before, and after ``reset_state()``."""
        return self._shown

    @state.setter
    def state(self, arrays: Mapping[str, Any] | None) -> None:
        if arrays is None:
            self.reset_state()
            return
        paths = dict(zip(map(self._short, self._runner_for(False).states), self._runner_for(False).states, strict=True))
        if sorted(arrays) != sorted(paths):
            raise StateError(
                "not the states of this layer",
                where=repr(self),
                expected=", ".join(paths),
                received=", ".join(map(str, arrays)) or "none",
            )
        self._kept = State({paths[name]: array for name, array in arrays.items()})
        self._shown = {name: self._kept.arrays[path] for name, path in paths.items()}

    def reset_state(self, rows: Iterable[int] | int | None = None) -> None:
        """Forget the state: the next ``forward`` starts anew, whatever ``memory`` says.

        Parameters
        ----------
        rows : int or several, optional
            Positions in the batch, or a truth value for each row, of the sequences that begin anew, while the others
            go on; None: all.

        Raises
        ------
        StateError, DtypeError, DataError
            If these are no rows of the kept state.
        """
        if rows is None:
            self._kept, self._shown = None, None
            return
        if self._kept is None:
            raise StateError("there are no rows to reset", where=repr(self), remedy="Nothing is kept yet.")
        self._kept.reset(rows)
        self._shown = {self._short(path): self._begun(path, array) for path, array in self._kept.arrays.items()}

    def _begun(self, path: str, array: np.ndarray) -> np.ndarray:
        """A state with the rows that begin anew as they will begin: at a learned state, or at zeros."""
        assert self._kept is not None and self._kept.fresh is not None
        node, name = path.rsplit("scan/", 1)
        learned = self.graph.layers().get(f"{node}initial_{name}")
        found = array.copy()
        found[self._kept.fresh] = 0 if learned is None else learned.get_weights()
        return found

    @staticmethod
    def _short(path: str) -> str:
        """The name of a state without the node that scans: ``scan/h`` is ``h``, ``layer_0/scan/h`` ``layer_0/h``."""
        return path.replace("scan/", "")

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
            If ``memory`` is on and the state has another number of rows.
        """
        main = next(iter(self.graph.inputs))
        x = self._turned(self._sequences(input_tensor))
        self._refuse_unknown(others)
        if mask is not None and self._single:
            raise ShapeError(
                "a mask is for a batch", where=repr(self), expected="(time, batch, …)", received=x.shape,
                remedy="Leave out the steps that are not there.",
            )  # fmt: skip
        rows = None if mask is None else self._turned(np.asarray(mask))
        counts, packing = lengths_or_packing(lengths, rows, x.shape[:2], repr(self))
        runner = self._runner_for(self._single)
        self._refuse_other_rows(x)
        kept = self._going_on(runner, others)
        inputs = {main: x, **{name: self._turned(as_array(others[name], f"{self!r}, {name}"))
                              if name in self._timed() else value for name, value in others.items()}}  # fmt: skip
        if packing is not None:
            inputs = {name: packing.pack(a, name) if name in self._timed() else a for name, a in inputs.items()}
        outputs = runner.forward(inputs, phase=self.phase, lengths=counts, state=kept)
        output = np.array(next(iter(outputs.values())))
        output = self._unpacked(output, packing) if self._over_time() else output
        self._packing, self._kept = packing, runner.state
        arrays = {} if runner.state is None else runner.state.arrays
        self._shown = {self._short(path): array for path, array in arrays.items()}
        self._runner, self._names = runner, list(inputs)
        return self._turned(output) if self._whole(output) else output

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
            Before the first ``forward``.
        ShapeError, DtypeError
            If an error does not have the output's shape; nothing has changed then.
        """
        if self._runner is None or not self._names:
            raise StateError("backward before forward", where=repr(self), remedy="Call forward with an input first.")
        first, *rest = errors
        first = as_array(first, f"{self!r}, error")
        if self._whole(first):
            first = self._turned(first)
            if self._packing is not None:
                first = self._packing.pack(first, "the error")
        names = list(self._runner.graph.outputs)
        if len(errors) > len(names):
            raise ShapeError("too many errors", where=repr(self), expected=", ".join(names), received=len(errors))
        pulled = self._runner.backward(dict(zip(names, [first, *rest], strict=False)))
        self._update()
        found = [None if pulled[name] is None else np.array(pulled[name]) for name in self._names]
        for i, name in enumerate(self._names):
            error = found[i]
            if error is not None and name in self._timed():
                found[i] = self._turned(self._unpacked(error, self._packing))
        return found[0] if len(found) == 1 else tuple(found)

    # ------------------------------------------------------------------ inside
    def _whole(self, output: np.ndarray) -> bool:
        """Whether an output has a time axis."""
        return self._over_time() and output.ndim >= 2

    def _over_time(self) -> bool:
        """Whether the output is a sequence."""
        return True

    def _turned(self, array: np.ndarray) -> np.ndarray:
        """Between the caller's order of time and batch and the graph's."""
        return array.swapaxes(0, 1) if self.batch_major and array.ndim >= 2 and not self._single else array

    def _timed(self) -> set[str]:
        """The inputs that are sequences."""
        return {
            n for n, i in self.graph.inputs.items() if i.shape is not None and i.shape.names[:2] == ("time", "batch")
        }

    def _refuse_unknown(self, others: Mapping[str, Any]) -> None:
        main, *known = self.graph.inputs
        for name in others:
            if name not in known:
                raise ShapeError(
                    "no such input",
                    where=repr(self),
                    expected=", ".join(known) or f"none but {main}",
                    received=name,
                )

    def _going_on(self, runner: Runner, others: Mapping[str, Any]) -> State:
        """The state to start from: the kept one, but for the states that are given."""
        if not self.memory or self._kept is None:
            return State()
        given = {path for path in runner.states if self._short(path).replace("/", "_") in others}
        if not given:
            return self._kept
        return State({n: a for n, a in self._kept.arrays.items() if n not in given}, self._kept.fresh)

    @staticmethod
    def _unpacked(array: np.ndarray, packing: Packing | None) -> np.ndarray:
        """An array over the steps that are there, among those that are not; anything without time as it is."""
        return array if packing is None else packing.unpack(array)

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

    def _sequences(self, value: Any) -> np.ndarray:
        """The input as an array, of a rank and width that fit."""
        x = as_array(value, f"{self!r}, input", integer=next(iter(self.graph.inputs.values())).integer)
        given = next(iter(self.graph.inputs.values()))
        shape = given.shape
        assert shape is not None  # every first input is declared
        rank, size = shape.rank, shape.sizes[-1] if shape.rank > 2 else None
        self._single = x.ndim == 2 and rank == 3
        if x.ndim not in {rank, 2 if rank == 3 else rank} or (size is not None and x.shape[-1] != size):
            rest = ", ".join(str(n if s is None else s) for n, s in zip(shape.names[2:], shape.sizes[2:], strict=True))
            axes = ", ".join(("batch", "time") if self.batch_major else ("time", "batch"))
            single = f" or (time, {rest})" if rank == 3 else ""
            raise ShapeError(
                "the input does not fit",
                where=repr(self),
                expected=f"({axes}{', ' if rest else ''}{rest}){single}",
                received=x.shape,
            )
        return x

    def _refuse_other_rows(self, x: np.ndarray) -> None:
        """Refuse a kept state of another batch, before anything runs."""
        if not self.memory or self._kept is None or self._kept.rows is None:
            return
        given = 1 if self._single else x.shape[1]
        if self._kept.rows != given:
            raise StateError(
                "the kept state has another number of rows than the input",
                where=repr(self),
                expected=f"{self._kept.rows} rows",
                received=f"{given} rows",
                remedy="Call reset_state() to begin new sequences, or toggle_memory() to start from zeros each time.",
            )
