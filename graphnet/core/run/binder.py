"""Binds a plan to the shapes of its inputs, and keeps what is bound.

For each combination of shapes, dtype and phase there is one :class:`Binding` with a pool of bound plans. A bound plan
holds the arrays that a pass works in, so two passes never share one: it is either in the pool or owned by a pass, which
acquires and releases it. A bound plan that is lost with its pass (a thread ended, a copy was dropped) is bound again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from graphnet.core.compile import Shapes, infer
from graphnet.core.compile.plan import Plan
from graphnet.core.compile.program import Program
from graphnet.core.concurrency import locks
from graphnet.core.concurrency.time_slices import NO_LOCK, NoLock
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.parameter import Array
from graphnet.core.describe.shapes import Shape
from graphnet.core.garbage import gc_paused
from graphnet.core.phase import Phase
from graphnet.core.run.backend_choice import ChosenBackend
from graphnet.core.run.backends import Bound
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.inputs import Batch
from graphnet.core.run.layer_arrays import LayerArrays

#: Bindings that a runner keeps; the least recently used one is dropped first.
MAX_BINDINGS = 64
#: Bytes of arrays that the idle bound plans of a runner may keep for later passes.
IDLE_BYTES = 256 * 2**20
#: Seconds from which on a pass is slow, and the number of slow ones in a row after which passes take no lock.
SLOW, SLOW_PASSES = 0.002, 3


@dataclass(slots=True, eq=False)
class Binding:
    """What is known for inputs of some shapes, in one dtype and phase.

    Attributes
    ----------
    shapes : Shapes
        Of every value of the plan.
    options : BindOptions
    wanted : list of bool
        For which inputs errors are wanted.
    input_errors : bool
        The argument of ``forward`` that they follow from.
    unfilled : list of None
        The slots of a pass besides its inputs.
    idle : list of Bound
        Bound plans that no pass owns.
    lock : context manager
        Held during a whole pass of small programs, from before it acquires a bound plan: threads share one plan then.
    slow : int
        Passes in a row that took longer than ``SLOW``.
    repeat : Repeat or None
        Runs further passes without the checks that the first one has passed.
    """

    shapes: Shapes
    options: BindOptions
    wanted: list[bool]
    input_errors: bool
    unfilled: list[None]
    idle: list[Bound] = field(default_factory=list)
    lock: NoLock = NO_LOCK
    slow: int = 0
    repeat: Any = None

    def timed(self, seconds: float) -> None:
        """Note how long a pass took; after several slow ones in a row, passes take no lock any more.

        A rule that sleeps, or waits for another thread, must not make other threads wait.
        """
        self.slow = self.slow + 1 if seconds > SLOW else 0
        if self.slow >= SLOW_PASSES:
            self.lock = NO_LOCK

    def acquire(self) -> Bound | None:
        """An idle bound plan, owned by the caller from now on; None if there is none."""
        with locks.lock:
            return self.idle.pop() if self.idle else None

    def release(self, bound: Bound) -> None:
        """Return a bound plan to the pool; if the idle ones exceed ``IDLE_BYTES``, its arrays are dropped."""
        with locks.lock:
            if self.idle and bound.idle() * (len(self.idle) + 1) > IDLE_BYTES:
                bound.drop()
            self.idle.append(bound)


class Binder:
    """Infers shapes, creates weights and binds the plan of one graph.

    Parameters
    ----------
    graph : Graph
    plan : Plan
    arrays : LayerArrays
    backend : ChosenBackend
    passes : frozenset of str or None
        The compiler's passes to apply; None: all.

    Attributes
    ----------
    bindings : OrderedDict of key to Binding
        The least recently used first.
    seen : dict of input name to Shape
        The last shape of each input.
    """

    def __init__(
        self, graph: Graph, plan: Plan, arrays: LayerArrays, backend: ChosenBackend, passes: frozenset[str] | None
    ) -> None:
        self.graph, self.plan, self.arrays, self.backend, self.passes = graph, plan, arrays, backend, passes
        self.bindings: OrderedDict[Any, Binding] = OrderedDict()
        self.seen: dict[str, Shape] = {}
        self._programs: dict[Any, Program] = {}
        self._executables: dict[Any, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles: what is bound belongs to the arrays of this one, so a copy binds again."""
        return {**self.__dict__, "bindings": OrderedDict(), "_programs": {}, "_executables": {}}

    def binding(self, batch: Batch, phase: Phase, input_errors: bool, keep: bool) -> Binding:
        """The binding for a batch, made at its first use."""
        key = (batch.shapes, batch.dtype, phase is Phase.train, input_errors, keep)
        binding = self.bindings.get(key)
        if binding is None:
            self.backend.resolve()
            with locks.building, gc_paused():
                return self.bindings.get(key) or self._bind(key, batch, phase, input_errors)
        try:  # noqa: SIM105  # suppress would cost every pass two calls
            self.bindings.move_to_end(key)
        except KeyError:  # another thread has dropped it meanwhile
            pass
        return binding

    def _bind(self, key: Any, batch: Batch, phase: Phase, input_errors: bool) -> Binding:
        """Infer all shapes and create the weights whose sizes follow from them."""
        shapes = self.inferred([self._shape(n, a) for n, a in zip(self.graph.inputs, batch.arrays, strict=True)])
        seen = {n: s for n, s in zip(self.graph.inputs, shapes.slots, strict=False) if s is not None}
        self.seen = {**self.seen, **seen}
        self.graph.seen.update(seen)
        wanted = [input_errors and not spec.integer for spec in self.graph.inputs.values()]
        options = BindOptions(
            self.arrays.layers,
            phase,
            batch.dtype,
            passes=self.passes,
            programs=self._programs,
            executables=self._executables,
        )
        binding = Binding(shapes, options, wanted, input_errors, [None] * (self.plan.slot_count - len(batch.arrays)))
        with locks.lock:
            self.bindings[key] = binding
            if len(self.bindings) > MAX_BINDINGS:
                self.bindings.popitem(last=False)
        return binding

    def inferred(self, inputs: Any) -> Shapes:
        """All shapes, from those of the inputs; creates the weights whose sizes follow from them."""
        shapes = infer(self.plan, self.arrays.layers, inputs)
        self.arrays.create(self.plan, shapes)
        return shapes

    def recreated_arrays(self, binding: Binding) -> dict[str, dict[str, Array]]:
        """The arrays of a pass, after creating those that a restored snapshot of a layer has dropped."""
        with locks.building:
            self.arrays.create(self.plan, binding.shapes)
            arrays = self.arrays.read(binding.options.dtype)
        assert arrays is not None
        return arrays

    def _shape(self, name: str, array: Array | None) -> Shape | None:
        if array is None:
            return None
        declared = self.graph.inputs[name].shape
        return Shape.of(array.shape, None if declared is None else declared.names)

    def acquire(self, binding: Binding, run: RunContext) -> Bound:
        """A bound plan that belongs to this pass alone, started: an idle one, or a new one."""
        bound = binding.acquire()
        if bound is not None:
            bound.start(run)
            return bound
        with locks.building, gc_paused():
            bound = binding.acquire()  # another thread may have released one meanwhile
            if bound is None:
                bound = self.backend.bind(self.plan, binding.shapes, binding.options, binding.wanted)
                self._trim()
            bound.start(run)  # the first start compiles
            if binding.slow < SLOW_PASSES and hasattr(bound, "lock"):  # the plan of a plugin's backend may have none
                binding.lock = bound.lock(run.keep)
        return bound

    def _trim(self) -> None:
        """Drop arrays of idle bound plans, the least recently used first, until they fit into ``IDLE_BYTES``."""
        with locks.lock:
            total = 0
            for binding in reversed(self.bindings.values()):
                for bound in reversed(binding.idle):
                    size = bound.idle()
                    total += size
                    if size and total > IDLE_BYTES:
                        bound.drop()
