"""Inference one time step at a time, with the states of the Scans kept in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from graphnet.core import dtypes
from graphnet.core.checks import integer
from graphnet.core.compile.plan import Loop, Plan
from graphnet.core.concurrency import locks
from graphnet.core.concurrency.claims import REMEDY
from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.parameter import Array
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ConfigError, DtypeError, GraphError, ShapeError, StateError
from graphnet.core.phase import Phase
from graphnet.core.run.binder import Binding
from graphnet.core.run.state import State, as_state

#: Runs one step with all checks, from the inputs with a time axis, a state and a phase: the outputs, the next state and
#: the binding.
FirstStep = Callable[[Mapping[str, Any], State, Phase], tuple[dict[str, Array], State, Binding]]


class Stepper:
    """Runs a graph over time, one step a call: what :meth:`Runner.stepper` returns.

    A step gives the same numbers, to the bit, as ``runner.resume`` with sequences of one step and the state of the step
    before: the recurrence ``h(t) = f(x(t), h(t - 1))`` of each Scan, with ``h`` kept. Nothing is saved for
    ``backward``, and the last pass of the Runner, its ``backward`` and its ``state`` are as without the step. Weights
    are those that the layers have at the time of the step.

    A stepper belongs to the thread that takes its first step. The first step fixes the number of rows and the dtype.

    Parameters
    ----------
    graph : Graph
    plan : Plan
    first : callable
        Runs one step with all checks.
    batch : int or None
    phase : Phase

    Attributes
    ----------
    graph : Graph
    phase : Phase
    batch : int or None
        The number of rows; None before the first step if it was not given, and where the graph reads single sequences.

    Raises
    ------
    GraphError
        If no input of the graph has a time axis.
    StateError
        If the graph has a reversed Scan, which would have to begin at the last step.
    ConfigError
        If ``batch`` is not at least 1, or ``phase`` is not a Phase.
    """

    def __init__(self, graph: Graph, plan: Plan, first: FirstStep, batch: int | None, phase: Phase) -> None:
        place = f"{graph.name}, stepper"
        if not isinstance(phase, Phase):
            raise ConfigError("not a phase", where=place, expected="Phase.train or Phase.test", received=phase)
        self.graph, self.phase = graph, phase
        self.batch = None if batch is None else integer(place, "batch", batch, 1)
        self._place, self._first = place, first
        loops = [step for step in plan.steps if isinstance(step, Loop)]
        reverse = next((step for step in loops if step.reverse), None)
        if reverse is not None:
            raise StateError(
                "a reversed Scan cannot run step by step",
                where=reverse.path,
                expected="Scans that are not reversed",
                received="reverse=True",
                remedy="Give whole sequences to Runner.forward.",
            )
        scanned = {slot for step in loops for slot in step.sequences}
        self._timed = {
            name: (slot in scanned if spec.shape is None else spec.shape.names[:1] == (TIME,))
            for slot, (name, spec) in enumerate(graph.inputs.items())
        }
        if not any(self._timed.values()):
            raise GraphError(
                "the graph has no input over time",
                where=repr(graph),
                expected="an input declared as 'time, batch, …'",
                received=", ".join(graph.inputs) or "no input",
                remedy="Use Runner.forward.",
            )
        needed = [name for name, spec in graph.inputs.items() if not spec.optional]
        self._only = needed[0] if len(needed) == 1 else None
        self._slots = [slot for _, slot in plan.outputs]
        self._names = tuple(f"{step.path}/{name}" for step in loops for name in step.states)
        self._state = State()
        self._thread: int | None = None
        self._dtype: str | None = None
        self._binding: Any = None
        self._expected: list[tuple[str, Any, Any, bool]] = []
        self._given = 0
        self._trimmed: list[bool] = []

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles, which belong to the thread that uses them first."""
        return {**self.__dict__, "_thread": None, "_binding": None}

    # ------------------------------------------------------------------ the state
    @property
    def state(self) -> State:
        """A copy of the states after the last step, by ``node path/name``; empty before the first one.

        Assigning a State, or a mapping of names to arrays ``(batch, …)``, makes the next step continue from a copy.
        """
        return self._state.copy()

    @state.setter
    def state(self, state: State | Mapping[str, Any]) -> None:
        self._check_thread()
        new = as_state(state, self._place).copy()
        new.check(self._names, self.batch, self._place)
        self._state = new

    def reset(self, rows: Iterable[int] | int | None = None) -> None:
        """Make some rows start from the initial state at the next step: positions, or booleans; None: all rows.

        Raises
        ------
        StateError
            If rows are given before the first step, or another thread uses the stepper.
        DtypeError, DataError
            If these are not positions of rows; nothing has changed then.
        """
        self._check_thread()
        if rows is None:
            self._state = State()
            return
        state = self._state.copy()
        state.reset(rows)
        self._state = state

    # ------------------------------------------------------------------ steps
    def step(self, inputs: Mapping[str, Any] | Any) -> dict[str, Array]:
        """Run one step; returns the outputs by name, those over time without their time axis.

        Parameters
        ----------
        inputs : mapping of input name to array_like, or array_like
            Inputs over time without their time axis, ``(batch, …)``; others as in ``Runner.forward``. An array alone is
            the input of a graph that needs only one. Arrays of integers, and lists, are converted to the dtype of the
            stepper.

        Raises
        ------
        ShapeError, DtypeError, DataError
            If an input does not fit, or has other rows, or another floating dtype than that of the first step. The
            state is then as it was.
        StateError
            If another thread has taken the first step, or is changing the weights; or if a state that was assigned does
            not fit.
        """
        if self._thread != locks.thread.number:
            self._check_thread()
        binding = self._binding
        if binding is not None and binding.repeat is not None:
            arrays = self._arrays(inputs)
            if arrays is not None:
                results = binding.repeat.forward(None, binding, arrays, self._state)
                if results is not None:
                    outputs, self._state = results
                    for (name, array), trim in zip(outputs.items(), self._trimmed, strict=True):
                        if trim:
                            outputs[name] = array[0]
                    return outputs  # type: ignore[no-any-return]
        return self._checked_step(inputs)

    def _arrays(self, inputs: Any) -> list[Any] | None:
        """The inputs of a step with a time axis, if they are like those of the last checked step; else None."""
        if type(inputs) is np.ndarray:
            inputs = {self._only: inputs}
        if type(inputs) is not dict or len(inputs) != self._given:
            return None
        arrays = []
        for name, shape, dtype, timed in self._expected:
            array = inputs.get(name)
            if shape is None:
                if array is not None:
                    return None
            elif type(array) is not np.ndarray or array.shape != shape or array.dtype is not dtype:
                return None
            elif timed:
                array = array[None]
            arrays.append(array)
        return arrays

    def _checked_step(self, inputs: Any) -> dict[str, Array]:
        """One step with all checks; the next ones like it do without."""
        given, rows = {}, self.batch
        for name, value in self._by_name(inputs).items():
            spec = self.graph.inputs.get(name)
            if spec is None or value is None:  # an unknown name is refused by the runner
                given[name] = value
                continue
            array = self._read(name, value, spec.integer)
            if self._timed[name]:
                self._check_step(name, array, spec.shape, rows)
                if spec.shape is None or BATCH in spec.shape.names:
                    rows = len(array)
                array = array[None]
            given[name] = array
        outputs, state, binding = self._first(given, self._state, self.phase)
        self._state, self.batch, self._binding, self._dtype = state, rows, binding, binding.options.dtype
        self._thread = locks.thread.number
        self._remember(given, binding)
        return {
            name: array[0] if trim else array
            for (name, array), trim in zip(outputs.items(), self._trimmed, strict=True)
        }

    def _remember(self, given: Mapping[str, Any], binding: Binding) -> None:
        """Note what further steps like this one have."""
        self._given = sum(array is not None for array in given.values())
        self._expected = []
        for name, timed in self._timed.items():
            array = given.get(name)
            if array is None:
                self._expected.append((name, None, None, timed))
            else:
                dtype = array.dtype if self.graph.inputs[name].integer else np.dtype(binding.options.dtype)
                self._expected.append((name, array.shape[1:] if timed else array.shape, dtype, timed))
        shapes = [binding.shapes.slots[slot] for slot in self._slots]
        self._trimmed = [shape is not None and shape.names[:1] == (TIME,) for shape in shapes]

    # ------------------------------------------------------------------ checks
    def _check_thread(self) -> None:
        if self._thread is not None and self._thread != locks.thread.number:
            raise StateError(
                "the stepper is another thread's",
                where=self._place,
                expected="all steps in the thread that took the first one",
                remedy=f"Make one with runner.stepper() in each thread, or g{REMEDY[1:]}",
            )

    def _by_name(self, inputs: Any) -> Mapping[str, Any]:
        if isinstance(inputs, Mapping):
            return inputs
        if self._only is None:
            raise ConfigError(
                "inputs must be a mapping",
                where=self._place,
                expected=f"a mapping of input name to array: {', '.join(self.graph.inputs)}",
                received=type(inputs).__name__,
            )
        return {self._only: inputs}

    def _read(self, name: str, value: Any, whole_numbers: bool) -> Array:
        """An input as an array, in the dtype of the stepper."""
        place = f"{self._place}, input {name!r}"
        array = dtypes.as_array(value, place, integer=whole_numbers)
        if self._dtype is None or whole_numbers:
            return array
        if hasattr(value, "dtype") and array.dtype.kind == "f" and array.dtype != self._dtype:
            raise DtypeError(
                "another dtype than in the first step",
                where=place,
                expected=self._dtype,
                received=array.dtype.name,
                remedy="Convert it with .astype, or make another stepper.",
            )
        return dtypes.converted(array, self._dtype, place)

    def _check_step(self, name: str, array: Array, shape: Shape | None, rows: int | None) -> None:
        """Check one step of a sequence."""
        place = f"{self._place}, input {name!r}"
        expected = None if shape is None else Shape(shape.names[1:], shape.sizes[1:])
        if expected is not None and not expected.fits(array.shape):
            raise ShapeError(
                "a step does not fit the input, which has no time axis here",
                where=place,
                expected=expected,
                received=array.shape,
            )
        batched = expected is None or BATCH in expected.names
        if batched and rows is not None and array.shape[:1] != (rows,):
            raise ShapeError(
                "another number of rows than before",
                where=place,
                expected=f"{rows} rows",
                received=array.shape,
                remedy="Make another stepper for another batch.",
            )
