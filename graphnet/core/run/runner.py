"""Runs a graph: arrays in, arrays out, errors back. Compiles once a graph, binds once a shape, dtype and phase."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from graphnet.core.compile import Shapes, infer, lower
from graphnet.core.compile.analysis.scan_slots import scan_only_slots
from graphnet.core.compile.axis_names import name_axes
from graphnet.core.compile.pipeline import gc_paused, select_passes
from graphnet.core.compile.plan import Loop, Plan
from graphnet.core.compile.program import Program
from graphnet.core.compile.truncate import truncate
from graphnet.core.concurrency import locks
from graphnet.core.concurrency.claims import GRADIENTS, READ, WRITE, Claim, Keys
from graphnet.core.describe import weights
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.parameter import Array, Parameter
from graphnet.core.describe.shapes import Shape
from graphnet.core.phase import Phase
from graphnet.core.run import backends, output_errors
from graphnet.core.run import inputs as boundary
from graphnet.core.run.backends import Bound
from graphnet.core.run.binder import OFTEN, Binding, Bindings
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.forward_backward import LastPass, Pass, PassSnapshot
from graphnet.core.run.layer_arrays import LayerArrays
from graphnet.core.run.numpy_backend.plan import CompiledPlan
from graphnet.core.run.state import State
from graphnet.core.run.state_checks import carried_by

DEFAULT = next(iter(backends.BUILT_IN))


class Runner:
    """Runs one graph, forward and backward.

    Any number of threads may call ``forward`` at the same time: each pass has arrays of its own, and none waits for
    another, but for the compilation of a new shape. ``backward`` needs a pass of the same thread. A call that would mix
    numbers of two threads raises StateError; see docs/threads.md.

    Parameters
    ----------
    graph : Graph
    backend : str, optional
        How it runs: 'numpy' by compiled programs, 'reference' node by node, or the name of a plugin's backend. None:
        what the environment variable GRAPHNET_BACKEND says, else 'numpy'.
    passes : iterable of str, optional
        The compiler's passes to apply (see ``graphnet.core.compile.pipeline``); None: all.
    reach : int, optional
        Gradients count what weights did in the last so many steps of each row, inside the graph's Scans and before
        them, with everything earlier held fixed (truncated backpropagation through time); None: as each Scan's own
        ``bptt_length`` says, which cuts its cell's gradients alone.

    Attributes
    ----------
    state : State or None
        Where the last ``forward`` that was given a state ended; None before. With several threads, whichever was the
        last: see ``resume``, which returns it.

    Raises
    ------
    GraphError, ShapeError
        If the graph cannot be compiled, or its declared shapes do not fit together.
    ConfigError
        If ``reach`` is not at least 1.
    UnknownNameError
        If there is no such backend or pass.

    Examples
    --------
    >>> import numpy as np
    >>> from graphnet import Builder, FullyConnected, Runner
    >>> g = Builder()
    >>> runner = Runner(g.build(scores=FullyConnected(4, 3)(g.input("x", "batch, feature=4"))))
    >>> runner.forward({"x": np.ones((2, 4))})["scores"].shape
    (2, 3)
    >>> runner.backward({"scores": np.ones((2, 3))})["x"].shape
    (2, 4)
    """

    def __init__(
        self,
        graph: Graph,
        *,
        backend: str | None = None,
        passes: Iterable[str] | None = None,
        reach: int | None = None,
    ) -> None:
        self.backend = backend or os.environ.get("GRAPHNET_BACKEND") or DEFAULT
        self._backend = backends.find(self.backend)
        self.passes = None if passes is None else select_passes(passes)
        self.graph = graph
        self.layers = graph.layers()
        self.reach = reach
        self.plan: Plan = lower(graph) if reach is None else truncate(lower(graph), reach)
        self.state: State | None = None
        self._bindings = Bindings()
        self._programs: dict[Any, Program] = {}
        self._from_scans, self._into_scans = scan_only_slots(self.plan)
        self._kept = LastPass()
        self._keys: Keys | None = None
        self._updates_buffers = any(layer.declares_buffers for layer in self.layers.values())
        self._seen: dict[str, Shape] = {}
        self._holders = LayerArrays(self.layers)
        if all(given.shape is not None for given in graph.inputs.values() if not given.optional):
            infer(self.plan, self.layers, self.plan.declared)

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles: what is bound belongs to the arrays of this one, so a copy binds again."""
        return {**self.__dict__, "_bindings": Bindings(), "_kept": LastPass(), "_keys": None, "_programs": {}}

    # ------------------------------------------------------------------ what it holds
    @property
    def keys(self) -> Keys:
        """What a claim on the arrays of this graph has as its keys; see ``graphnet.core.concurrency.claims``."""
        if self._keys is None:
            self._keys = weights.keys(self.layers.values(), self.graph)
        return self._keys

    @property
    def trained(self) -> bool:
        """Whether any weight array has an optimizer."""
        return self._holders.trained

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Every weight array by ``node path/name``; those whose sizes are known."""
        return {
            f"{path}/{name}": parameter
            for path, layer in self.layers.items()
            for name, parameter in layer.params.items()
        }

    @property
    def buffers(self) -> dict[str, Array]:
        """Every untrained array (running statistics) by ``node path/name``."""
        return {f"{path}/{name}": a for path, layer in self.layers.items() for name, a in layer.buffer_values.items()}

    @property
    def drawn(self) -> bool:
        """Whether every layer with weights has them: sizes that nothing declares come with the first ``forward``."""
        return all(layer.params or not layer.trainable for layer in self.layers.values())

    def completed(self) -> Graph:
        """The graph with the sizes of its inputs as the last ``forward`` saw them, time and batch left free.

        A file of it says all that the weights' sizes follow from, also where the graph itself left them open.
        """
        inputs = {}
        for name, given in self.graph.inputs.items():
            seen = self._seen.get(name)
            if seen is None or (given.shape is not None and given.shape.fits(seen) and boundary.closed(given.shape)):
                inputs[name] = given
            else:
                inputs[name] = replace(
                    given, shape=boundary.opened(name_axes(self.plan, self.layers, self._seen, name))
                )
        return self.graph if inputs == dict(self.graph.inputs) else replace(self.graph, inputs=inputs)

    @property
    def states(self) -> tuple[str, ...]:
        """The names of the states that can be carried over from one ``forward`` to the next: ``node path/name``."""
        return tuple(f"{step.path}/{name}" for step in self._loops() for name in step.states)

    def _loops(self) -> list[Loop]:
        return [step for step in self.plan.steps if isinstance(step, Loop)]

    def materialize(self) -> None:
        """Make the weights of all layers from the declared shapes of the inputs.

        Raises
        ------
        ShapeError
            If a size that a weight needs is not declared.
        """
        with locks.building:
            self._holders.create(self.plan, infer(self.plan, self.layers, self.plan.declared))

    def initialize(self, weights_initializer: Any, bias_initializer: Any) -> None:
        """Fill all weights again; see ``Layer.initialize``.

        Raises
        ------
        StateError
            If another thread is using them.
        """
        with Claim(WRITE, self.keys, "initialize", self.graph):
            weights.initialize(self.layers.values(), weights_initializer, bias_initializer)

    def snapshot(self) -> PassSnapshot:
        """The pass for ``backward`` and the buffers, which a later ``forward`` changes; to be restored or released."""
        kept = [partial(la.store.replace_buffers, la.buffer_values) for la in self.layers.values() if la.buffer_values]
        return PassSnapshot(self._kept, *kept)

    # ------------------------------------------------------------------ running
    def forward(
        self,
        inputs: Mapping[str, Any],
        *,
        phase: Phase = Phase.train,
        lengths: Any = None,
        keep: bool = True,
        input_errors: bool = True,
        state: State | Mapping[str, Any] | None = None,
    ) -> dict[str, Array]:
        """The outputs by name.

        Parameters
        ----------
        inputs : mapping of input name to array_like
            Optional inputs may be left out. float32 throughout runs in float32, any float64 in float64; without a float
            the weights' dtype decides.
        phase : Phase
        lengths : array_like of int, or mapping of input name to it, optional
            Valid steps of each row, for inputs with axes (time, batch, …). What lies beyond is ignored, and comes back
            as zeros.
        keep : bool
            Keep what ``backward`` needs.
        input_errors : bool
            Whether ``backward`` shall return errors for the inputs; without, it returns None for each.
        state : State, or mapping of names to arrays, optional
            Where the graph's Scans go on from; an empty one begins anew. Where they end is then ``self.state``; a row
            with no step stays where it is. None: every Scan begins anew, and ``self.state`` stays what it is. No error
            goes back into a kept state.

        Raises
        ------
        ShapeError, DtypeError, DataError
            Before anything is computed.
        StateError, UnknownNameError
            If the state is not one of this graph and this batch, or goes on in a Scan that goes backwards, which would
            have to begin at the end of what is not there yet.
        """
        outputs, ended = self._pass(inputs, phase, lengths, keep, input_errors, state)
        if ended is not None:
            self.state = ended
        return outputs

    def resume(
        self,
        inputs: Mapping[str, Any],
        state: State | Mapping[str, Any],
        *,
        phase: Phase = Phase.train,
        lengths: Any = None,
        keep: bool = True,
        input_errors: bool = True,
    ) -> tuple[dict[str, Array], State]:
        """The outputs by name, and where the graph's Scans ended; ``self.state`` stays what it is.

        As ``forward(inputs, state=state)``, for code that several threads run: the state is this call's.

        Raises
        ------
        ShapeError, DtypeError, DataError, StateError, UnknownNameError
            As ``forward``.
        """
        outputs, ended = self._pass(inputs, phase, lengths, keep, input_errors, state)
        assert ended is not None
        return outputs, ended

    def _pass(
        self, inputs: Mapping[str, Any], phase: Phase, lengths: Any, keep: bool, input_errors: bool, state: Any
    ) -> tuple[dict[str, Array], State | None]:
        """One forward pass: the outputs, and where the Scans ended if they were given a state."""
        arrays = boundary.arrays(self.graph, inputs)
        dtype = boundary.dtype(arrays, self.layers.values())
        counts = boundary.lengths(self.graph, lengths, arrays)
        slots = boundary.converted(self.graph, arrays, counts, dtype)
        level = WRITE if self._updates_buffers and phase is Phase.train else READ
        with Claim(level, self.keys, "forward", self.graph):
            binding, wanted = self._binding(slots, dtype, phase, input_errors, keep)
            carried = None if state is None else carried_by(self.plan, state, binding.shapes, self.graph)
            run = RunContext(self._holders.arrays(dtype), counts, keep, carried=carried)
            with binding.turns:
                outputs = self._bound_pass(binding, wanted, slots, dtype, phase, run)
        return outputs, None if carried is None else carried.found

    def _bound_pass(
        self, binding: Binding, wanted: list[bool], slots: list[Any], dtype: str, phase: Phase, run: RunContext
    ) -> dict[str, Array]:
        """Run one forward pass in a bound plan of its own; the outputs by name."""
        bound = self._started(binding, wanted, dtype, phase, run)
        try:
            values: list[Any] = [*slots, *[None] * (self.plan.slot_count - len(slots))]
            began = time.perf_counter()
            tape = bound.forward(values, run)
            binding.timed(time.perf_counter() - began)
            if phase is Phase.train:
                self._holders.store_buffers(run.arrays)
            outputs = self._outputs(values, slots, binding.shapes, run.lengths)
        except BaseException:
            binding.give_back(bound)
            raise
        if run.keep:
            self._kept.replace(Pass(binding, bound, tape, run, dtype, dict(self.plan.outputs), wanted))
        else:
            binding.give_back(bound)
            self._kept.drop_own()
        return outputs

    def _outputs(self, values: list[Any], slots: list[Any], shapes: Shapes, counts: list[Any]) -> dict[str, Array]:
        """The outputs by name, apart from the inputs, with zeros after each row's end."""
        return {
            name: boundary.apart(
                values[slot]
                if slot in self._from_scans
                else boundary.masked(values[slot], shapes.lengths[slot], counts),
                slots,
            )
            for name, slot in self.plan.outputs
        }

    def backward(self, errors: Mapping[str, Any]) -> dict[str, Array | None]:
        """The error for each input, and all gradients.

        The error is None for whole numbers, for inputs that were left out, and after a forward pass with
        ``input_errors=False``.

        Parameters
        ----------
        errors : mapping of output name to array_like
            Outputs that are left out have no error.

        Raises
        ------
        StateError
            Without a forward pass of this thread before it; if another thread has run a forward pass since, or is
            computing gradients of the same weights.
        ShapeError, DtypeError
            If an error does not fit its output; nothing has changed then.
        """
        last = self._kept.held(self.graph)
        try:
            with Claim(GRADIENTS, self.keys, "backward", self.graph), last.binding.turns:
                return self._backward(errors, last)
        finally:
            last.release()

    def _backward(self, errors: Mapping[str, Any], last: Pass) -> dict[str, Array | None]:
        slots = output_errors.entering(self.graph, errors, last, self.plan.slot_count, self._from_scans)
        last.run.gradients.clear()
        last.bound.backward(last.tape, slots, last.run)
        self._holders.collect(last.run.gradients)
        pulled = output_errors.leaving(len(self.plan.inputs), slots, last, self._into_scans)
        return dict(zip(self.graph.inputs, pulled, strict=True))

    def bound(self, shapes: Sequence[Shape | None], dtype: str, phase: Phase) -> tuple[CompiledPlan, Shapes]:
        """The plan bound to shapes of the inputs, as numpy's backend binds it; makes weights that are not there yet."""
        with locks.building, gc_paused():
            found = infer(self.plan, self.layers, shapes)
            self._holders.create(self.plan, found)
            wanted = [not given.integer for given in self.graph.inputs.values()]
            options = BindOptions(self.layers, phase, dtype, passes=self.passes)
            return CompiledPlan(self.plan, found, options, wanted), found

    # ------------------------------------------------------------------ binding
    def _binding(
        self, slots: list[Array | None], dtype: str, phase: Phase, input_errors: bool, keep: bool
    ) -> tuple[Binding, list[bool]]:
        """What is known of these shapes, and for which inputs errors are wanted."""
        key = (tuple(None if a is None else a.shape for a in slots), dtype, phase, input_errors, keep)
        found = self._bindings.find(key)
        if found is None:
            with locks.building, gc_paused():
                found = self._bindings.find(key) or self._bind(key, slots)
        return found, [input_errors and not given.integer for given in self.graph.inputs.values()]

    def _bind(self, key: Any, slots: list[Array | None]) -> Binding:
        """Infer all shapes and make the weights that they tell."""
        given = [self._shape(n, a) for n, a in zip(self.graph.inputs, slots, strict=True)]
        shapes = infer(self.plan, self.layers, given)
        self._holders.create(self.plan, shapes)
        seen = {n: s for n, s in zip(self.graph.inputs, shapes.slots, strict=False) if s is not None}
        self._seen = {**self._seen, **seen}
        self.graph.seen.update(seen)
        found = Binding(shapes)
        self._bindings.keep(key, found)
        return found

    def _started(self, binding: Binding, wanted: list[bool], dtype: str, phase: Phase, run: RunContext) -> Bound:
        """A bound plan that belongs to this pass alone, started: an idle one, or else a new one."""
        self._kept.drop_own(binding)
        bound = binding.take()
        if bound is None:
            with locks.building, gc_paused():
                bound = binding.take()  # another thread may have returned one in the meantime
                if bound is None:
                    options = BindOptions(self.layers, phase, dtype, True, self.passes, self._programs, binding.shared)
                    bound = self._backend.bind(self.plan, binding.shapes, options, wanted)
                    self._bindings.trim()
                bound.start(run)  # the first start compiles
                if binding.slow < OFTEN and hasattr(bound, "turns"):  # a plugin's backend may have none
                    binding.turns = bound.turns(run.keep)
        else:
            bound.start(run)
        return bound

    def _shape(self, name: str, array: Array | None) -> Shape | None:
        if array is None:
            return None
        declared = self.graph.inputs[name].shape
        return Shape.of(array.shape, None if declared is None else declared.names)
