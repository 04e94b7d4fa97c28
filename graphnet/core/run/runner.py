"""Runs a graph: arrays in, arrays out, errors back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from graphnet.core.arguments import explain_arguments, explain_methods
from graphnet.core.attributes import ExplainedAttributes
from graphnet.core.compile import Shapes, infer, lower
from graphnet.core.compile.axis_names import name_axes
from graphnet.core.compile.pipeline import select_passes
from graphnet.core.compile.plan import Loop, Plan
from graphnet.core.compile.truncate import truncate
from graphnet.core.concurrency import locks
from graphnet.core.concurrency.claims import WRITE, Claim, Keys
from graphnet.core.describe import weights
from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.graph_argument import require_graph
from graphnet.core.describe.parameter import Array, Parameter
from graphnet.core.describe.shapes import Shape
from graphnet.core.elementwise_kernels import Compiled as CompiledKernel
from graphnet.core.elementwise_kernels import Kernel
from graphnet.core.garbage import gc_paused
from graphnet.core.operations import Operations
from graphnet.core.phase import Phase
from graphnet.core.run.backend_choice import ChosenBackend
from graphnet.core.run.backends import Backend
from graphnet.core.run.binder import Binder
from graphnet.core.run.context import BindOptions
from graphnet.core.run.forward_backward import Pass, PassSnapshot
from graphnet.core.run.layer_arrays import LayerArrays
from graphnet.core.run.numpy_backend.plan import CompiledPlan
from graphnet.core.run.passes import Passes
from graphnet.core.run.state import State
from graphnet.core.run.stepper import Stepper


class Runner(ExplainedAttributes):
    """Runs one graph, forward and backward.

    Any number of threads may call ``forward`` concurrently: each pass has arrays of its own, and waits for no other
    one except to compile a new shape. ``backward`` needs a pass of the same thread. A call that would mix numbers of
    two threads raises StateError; see docs/threads.md.

    Parameters
    ----------
    graph : Graph
    backend : str or Backend, optional
        'numpy' runs compiled programs, 'reference' node by node; or the name of a plugin's backend, such as 'native';
        or an object with the methods of :class:`graphnet.core.run.backends.Backend`. None: that of the environment
        variable GRAPHNET_BACKEND, else the fastest one that is installed and available.
    passes : iterable of str, optional
        The compiler's passes to apply (see ``graphnet.core.compile.pipeline``); None: all.
    reach : int, optional
        Gradients count the uses of the weights in the last ``reach`` steps of each row, inside the graph's Scans and
        before them, with earlier values held fixed (truncated backpropagation through time). None: the ``bptt_length``
        of each Scan, which truncates the gradients of its cell only.

    Attributes
    ----------
    state : State or None
        The final states of the last ``forward`` that was given a state; None before. With several threads use
        ``resume``, which returns them.

    Raises
    ------
    GraphError, ShapeError
        If the graph cannot be compiled, or its declared shapes do not fit together.
    ConfigError
        If ``graph`` is not a Graph, or ``reach`` is not at least 1.
    UnknownNameError
        If the backend or a pass is unknown.

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

    elsewhere: ClassVar[Mapping[str, str]] = {
        "fit": "Use a Model or a Trainer.",
        "predict": "Call forward(inputs, phase=Phase.test), or use a Model.",
        "zero_grad": "Each backward pass computes its gradients from nothing; there is nothing to reset.",
    }

    def __init__(
        self,
        graph: Graph,
        *,
        backend: str | Backend | None = None,
        passes: Iterable[str] | None = None,
        reach: int | None = None,
    ) -> None:
        self._backend = ChosenBackend(backend)
        self.passes = None if passes is None else select_passes(passes)
        self.graph = require_graph(graph, "Runner")
        self.layers = graph.layers()
        self.reach = reach
        self.plan: Plan = lower(graph) if reach is None else truncate(lower(graph), reach)
        self.state: State | None = None
        self._arrays = LayerArrays(self.layers)
        self._binder = Binder(graph, self.plan, self._arrays, self._backend, self.passes)
        self._passes = Passes(self._binder)
        if all(spec.shape is not None for spec in graph.inputs.values() if not spec.optional):
            infer(self.plan, self.layers, self.plan.declared)

    # ------------------------------------------------------------------ the graph and its arrays
    def alike(self, graph: Graph, passes: Iterable[str] | None = None) -> Runner:
        """A runner of another graph with this backend and reach and, unless others are given, these passes."""
        chosen = self.passes if passes is None else passes
        return Runner(graph, backend=self._backend.given, passes=chosen, reach=self.reach)

    @property
    def backend(self) -> str:
        """The name of the backend that runs this graph; chosen once, when it is first read or at the first pass."""
        return self._backend.name

    @property
    def keys(self) -> Keys:
        """The keys of a claim on the arrays of this graph; see :mod:`graphnet.core.concurrency.claims`."""
        return self._passes.keys

    @property
    def trained(self) -> bool:
        """Whether any weight array has an optimizer."""
        return self._arrays.trained

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Every weight array whose size is known, by ``node path/name``."""
        return {
            f"{path}/{name}": parameter
            for path, layer in self.layers.items()
            for name, parameter in layer.params.items()
        }

    @property
    def buffers(self) -> dict[str, Array]:
        """Every array that is not trained (running statistics), by ``node path/name``."""
        return {f"{path}/{name}": a for path, layer in self.layers.items() for name, a in layer.buffer_values.items()}

    @property
    def drawn(self) -> bool:
        """Whether all weights and buffers exist; those of undeclared sizes are created by the first ``forward``."""
        return all(
            (layer.params or not layer.declares_weights) and (layer.buffer_values or not layer.declares_buffers)
            for layer in self.layers.values()
        )

    @property
    def states(self) -> tuple[str, ...]:
        """The names of the states that can be carried from one ``forward`` to the next: ``node path/name``."""
        return tuple(f"{step.path}/{name}" for step in self.scans for name in step.states)

    @property
    def scans(self) -> list[Loop]:
        """The Scans of the graph, compiled, without those inside cells."""
        return [step for step in self.plan.steps if isinstance(step, Loop)]

    def completed(self) -> Graph:
        """The graph with the input sizes of the last ``forward`` declared, except time and batch.

        A file of it determines the sizes of all weights, even where the graph leaves them open.
        """
        inputs = dict(self.graph.inputs)
        for name, spec in self.graph.inputs.items():
            seen = self._binder.seen.get(name)
            if seen is None or (spec.shape is not None and spec.shape.fits(seen) and _sizes_declared(spec.shape)):
                continue
            axes = name_axes(self.plan, self.layers, self._binder.seen, name)
            inputs[name] = replace(spec, shape=_without_time_and_batch(axes))
        return self.graph if inputs == dict(self.graph.inputs) else replace(self.graph, inputs=inputs)

    def materialize(self) -> None:
        """Create the weights of all layers from the declared shapes of the inputs.

        Raises
        ------
        ShapeError
            If a size that a weight needs is not declared.
        """
        with locks.building:
            self._binder.inferred(self.plan.declared)

    def initialize(self, weights_initializer: Any, bias_initializer: Any = None) -> None:
        """Initialize all weights again: ``runner.initialize("xavier")``; see ``Layer.initialize``.

        Raises
        ------
        StateError
            If another thread is using them.
        """
        with Claim(WRITE, self.keys, "initialize", self.graph):
            initializers = weights.initializers("Runner", weights_initializer, bias_initializer)
            weights.initialize(self.layers.values(), *initializers)

    def snapshot(self) -> PassSnapshot:
        """The pass for ``backward`` and the buffers, which a later ``forward`` changes; to be restored or released."""
        stores = [layer.store for layer in self.layers.values() if layer.buffer_values]
        undo = [partial(store.replace_buffers, store.buffers) for store in stores]
        return PassSnapshot(self._passes.last, *undo)

    def bound(self, shapes: Sequence[Shape | None], dtype: str, phase: Phase) -> tuple[CompiledPlan, Shapes]:
        """The plan as the backend binds it to these input shapes, and all shapes; creates missing weights.

        If the backend compiles nothing, as 'reference', as the numpy backend binds it.
        """
        self._backend.resolve()
        with locks.building, gc_paused():
            inferred = self._binder.inferred(shapes)
            wanted = [not spec.integer for spec in self.graph.inputs.values()]
            options = BindOptions(self.layers, phase, dtype, passes=self.passes)
            bound = self._backend.bind(self.plan, inferred, options, wanted)
            if not isinstance(bound, CompiledPlan):
                bound = CompiledPlan(self.plan, inferred, options, wanted)
            return bound, inferred

    def elementwise(self, kernel: Kernel, dtype: str) -> CompiledKernel | None:
        """An elementwise kernel as the backend compiles it; None if it does not."""
        return self._backend.elementwise(kernel, dtype)

    @property
    def operations(self) -> Operations:
        """What the backend offers to losses; see :mod:`graphnet.core.operations`."""
        return self._backend.operations

    @property
    def last_pass(self) -> Pass | None:
        """The pass that ``backward`` would use, of whichever thread; None if there is none."""
        return self._passes.last.current

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
        """Run the graph; returns the outputs by name.

        What the caller writes to inputs or outputs afterwards changes no later result.

        Parameters
        ----------
        inputs : mapping of input name to array_like
            Optional inputs may be left out. The pass runs in float64 if any input is float64, else in float32 if any
            is; without floating inputs the weights' dtype decides.
        phase : Phase
        lengths : array_like of int, or mapping of input name to it, optional
            Valid steps of each row, for inputs with axes (time, batch, …). Steps beyond are ignored; outputs and errors
            are zero there.
        keep : bool
            Whether to save values for ``backward``.
        input_errors : bool
            Whether ``backward`` returns errors for the inputs; otherwise it returns None for each.
        state : State, or mapping of names to arrays, optional
            The states that the graph's Scans begin with; an empty one stands for the initial states. The final states
            are stored in ``self.state``; a row without steps keeps its state. None: every Scan starts from its initial
            states, and ``self.state`` is not changed. Errors are not propagated into a kept state.

        Raises
        ------
        ShapeError, DtypeError, DataError
            Before anything is computed.
        StateError, UnknownNameError
            If the state does not fit the graph and the batch, or the graph has a reversed Scan, which would have to
            begin at the end of data that is not there yet.
        """
        outputs, ended = self._passes.forward(inputs, phase, lengths, keep, input_errors, state)
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
        """Run the graph from a state; returns the outputs by name and the final states, not changing ``self.state``.

        As ``forward(inputs, state=state)``, for code that runs in several threads.

        Raises
        ------
        ShapeError, DtypeError, DataError, StateError, UnknownNameError
            As ``forward``.
        """
        outputs, ended = self._passes.forward(inputs, phase, lengths, keep, input_errors, state)
        assert ended is not None
        return outputs, ended

    def stepper(self, *, batch: int | None = None, phase: Phase = Phase.test) -> Stepper:
        """Return an object that runs the graph one time step a call, and keeps the states of its Scans.

        Parameters
        ----------
        batch : int, optional
            The number of rows; None: that of the first step.
        phase : Phase

        Raises
        ------
        GraphError
            If no input of the graph has a time axis.
        StateError
            If the graph has a reversed Scan.
        ConfigError
            If ``batch`` is not at least 1, or ``phase`` is not a Phase.

        Examples
        --------
        >>> import numpy as np
        >>> from graphnet import Builder, Runner
        >>> from graphnet_recurrent import LSTM
        >>> g = Builder()
        >>> stepper = Runner(g.build(y=LSTM(3, 4, None)(g.input("x", "time, batch, feature=3")))).stepper(batch=1)
        >>> for x in np.ones((5, 1, 3)):
        ...     y = stepper.step(x)["y"]
        >>> y.shape, sorted(stepper.state.arrays)
        ((1, 4), ['lstm/scan/c', 'lstm/scan/h'])
        >>> stepper.reset()
        """
        return Stepper(self.graph, self.plan, self._passes.beside, batch, phase)

    def backward(self, errors: Mapping[str, Any]) -> dict[str, Array | None]:
        """Run backward: returns the error for each input, and sets all gradients.

        The error is None for integer inputs, for inputs that were left out, and after ``forward(input_errors=False)``.

        Parameters
        ----------
        errors : mapping of output name to array_like
            The error of outputs that are left out is zero.

        Raises
        ------
        StateError
            If this thread has not run a forward pass before, another thread has run one since, or another thread is
            computing gradients of the same weights.
        ShapeError, DtypeError
            If an error does not fit its output; nothing has changed then.
        """
        return self._passes.backward(errors)


def _sizes_declared(shape: Shape) -> bool:
    """Whether every axis but time and batch has a size."""
    return all(size is not None or name in (TIME, BATCH) for name, size in zip(shape.names, shape.sizes, strict=True))


def _without_time_and_batch(shape: Shape) -> Shape:
    """The shape with the sizes of time and batch open."""
    sizes = (None if name in (TIME, BATCH) else size for name, size in zip(shape.names, shape.sizes, strict=True))
    return Shape(shape.names, tuple(sizes))


explain_arguments(Runner)
explain_methods(Runner, "forward", "resume", "stepper", "backward", "initialize")
