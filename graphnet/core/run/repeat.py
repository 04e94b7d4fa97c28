"""Passes that repeat an earlier one: the same shapes, dtypes and options, so the same checks would succeed again.

What could differ from the earlier pass is compared; everything else was decided when that pass was bound. Whenever
anything is unusual, nothing is done, and the Runner runs the pass as a first one, which also raises the errors.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from graphnet.core.compile.plan import Loop, Plan
from graphnet.core.concurrency.claims import GRADIENTS, READ, Claim, Keys
from graphnet.core.concurrency.time_slices import NO_LOCK
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.parameter import Array
from graphnet.core.run.binder import SLOW, Binding
from graphnet.core.run.forward_backward import LastPass, Pass
from graphnet.core.run.kept import Kept
from graphnet.core.run.layer_arrays import LayerArrays
from graphnet.core.run.numpy_backend.direct import DirectPlan
from graphnet.core.run.outputs import kept_inputs, unread_sequences, unshared
from graphnet.core.run.state import Carried, State

#: A pass's outputs by name, and the final states if it was given a state.
Results = tuple[dict[str, Array], State | None]


class Repeat:
    """Runs passes like one that has run: see the module.

    Parameters
    ----------
    graph : Graph
    plan : Plan
    keys : frozenset
        Of the claims on the arrays of the graph.
    layer_arrays : LayerArrays
    first : Pass
        The pass that has run.
    arrays : list of array or None
        Its inputs.
    options : (Phase, bool, bool)
        The arguments ``phase``, ``keep`` and ``input_errors`` of ``forward``.

    Attributes
    ----------
    phase, keep, input_errors
        The options.
    decides_dtype : bool
        Whether arrays of these dtypes decide the dtype of the pass, without the layers.
    """

    __slots__ = (
        "_apart", "_dtype", "_errors", "_given", "_graph", "_input_errors", "_inputs", "_keys", "_layer_arrays",
        "_outputs", "_slots", "_states", "decides_dtype", "input_errors", "keep", "phase",
    )  # fmt: skip

    def __init__(
        self,
        graph: Graph,
        plan: Plan,
        keys: Keys,
        layer_arrays: LayerArrays,
        first: Pass,
        arrays: list[Array | None],
        options: tuple[Any, bool, bool],
    ) -> None:
        self._graph, self._keys, self._layer_arrays = graph, keys, layer_arrays
        self._dtype = np.dtype(first.dtype)
        self.phase, self.keep, self.input_errors = options
        shapes, inputs = first.shapes.slots, len(arrays)
        self._inputs = [
            (name, None, None) if array is None else (name, array.shape, array.dtype)
            for name, array in zip(graph.inputs, arrays, strict=True)
        ]
        self.decides_dtype = any(array is not None and array.dtype.kind == "f" for array in arrays)
        self._given = sum(array is not None for array in arrays)
        self._slots = plan.slot_count
        unread = unread_sequences(plan)
        self._outputs = [(name, slot, slot not in unread) for name, slot in plan.outputs]
        #: Whether no input is an output, whose error is the caller's array.
        self._apart = all(slot >= inputs for _, slot in plan.outputs)
        self._errors = {n: (slot, _sizes(shapes[slot])) for n, slot in plan.outputs}
        self._input_errors = [
            (name, slot, _sizes(shapes[slot]) if first.wanted[slot] else None)
            for name, slot in zip(graph.inputs, range(inputs), strict=True)
        ]
        self._states: dict[str, Any] = {
            f"{step.path}/{name}": _sizes(shapes[slot])
            for step in plan.steps
            if isinstance(step, Loop) and not step.reverse
            for name, slot in zip(step.states, step.finals, strict=True)
        }

    # ------------------------------------------------------------------ whether a call is like the first one
    def read(self, inputs: Any) -> list[Any] | None:
        """The arrays of a call, if they are like those of the first one; else None."""
        if type(inputs) is not dict or len(inputs) != self._given:
            return None
        arrays = []
        for name, shape, dtype in self._inputs:
            array = inputs.get(name)
            if array is None:
                if shape is not None:
                    return None
            elif type(array) is not np.ndarray or array.shape != shape or array.dtype is not dtype:
                return None
            arrays.append(array)
        return arrays

    def claims(self) -> tuple[Claim, Claim]:
        """The claims of passes of the calling thread, forward and backward."""
        return Claim(READ, self._keys, "forward", self._graph), Claim(GRADIENTS, self._keys, "backward", self._graph)

    def fits(self, arrays: list[Any]) -> bool:
        """Whether arrays that were checked have the dtypes of those of the first call."""
        for (_, shape, dtype), array in zip(self._inputs, arrays, strict=True):
            if (array is None) != (shape is None) or (array is not None and array.dtype != dtype):
                return False
        return True

    def _fitting(self, state: Any) -> Carried | None:
        """The states of a pass, if each is an array of the shape and dtype of the graph's; else None."""
        if type(state) is not State or state.fresh is not None:
            return None
        for name, array in state.arrays.items():
            shape = self._states.get(name)
            if shape is None or type(array) is not np.ndarray or array.shape != shape or array.dtype != self._dtype:
                return None
        return Carried(state)

    # ------------------------------------------------------------------ forward
    def forward(self, last: LastPass | None, binding: Binding, arrays: list[Any], state: Any) -> Results | None:
        """Run a pass, in place of the last one of a runner; None if it has to be run as a first one.

        ``last`` is None for a pass beside it, which must not be kept.
        """
        carried = None
        if state is not None:
            carried = self._fitting(state)
            if carried is None:
                return None
        if last is not None and self.keep:
            outputs = self._kept(last, binding, arrays, carried)
        else:
            outputs = self._dropped(last, binding, arrays, carried)
        return None if outputs is None else (outputs, None if carried is None else carried.final_state)

    def _kept(
        self, last: LastPass, binding: Binding, arrays: list[Any], carried: Carried | None
    ) -> dict[str, Array] | None:
        """A pass for ``backward``, in place of the last one, whose memory it takes."""
        current = last.take(binding)
        if current is None:
            return None
        ran, bound = None, current.bound
        try:
            if current.repeat is self and current.owners == 1 and current.claims[0].entered():
                try:
                    current.tape = []
                    ran = self._run(binding, bound, kept_inputs(arrays), carried)
                finally:
                    current.claims[0].leave()
                if ran is not None:
                    outputs, current.tape, current.direct = ran
        except BaseException:
            bound.kept = None  # type: ignore[attr-defined]  # a BoundPlan
            current.release()
            raise
        last.put(current)
        return None if ran is None else outputs

    def _dropped(
        self, last: LastPass | None, binding: Binding, arrays: list[Any], carried: Carried | None
    ) -> dict[str, Array] | None:
        """A pass without ``backward``, in an idle bound plan."""
        claim = Claim(READ, self._keys, "forward", self._graph)
        if not claim.entered():
            return None
        ran, bound = None, None
        try:
            bound = binding.acquire()
            if bound is not None:
                ran = self._run(binding, bound, arrays, carried)
        except BaseException:
            if bound is not None:
                bound.kept = None  # type: ignore[attr-defined]  # a BoundPlan
            raise
        finally:
            if bound is not None:
                binding.release(bound)
            claim.leave()
        if ran is None:
            return None
        if last is not None and last.current is not None:
            last.drop_own()
        return ran[0]

    def _run(
        self, binding: Binding, bound: Any, arrays: list[Any], carried: Carried | None
    ) -> tuple[dict[str, Array], list[Any], DirectPlan | None] | None:
        """The outputs of a pass in a bound plan, its tape and what runs it backward; None if it cannot go on."""
        kept: Kept | None = bound.kept
        if kept is None or not kept.use_weights(bound):
            return None
        run, values, direct = kept.run, [*arrays, *binding.unfilled], kept.direct
        run.begin_again(carried)
        if direct is not None:
            tape = direct.forward(values, run)
        elif binding.lock is NO_LOCK:
            tape = bound.forward(values, run)
        else:
            run.holds_lock = True
            with binding.lock:
                began = time.perf_counter()
                tape = bound.forward(values, run)
                seconds = time.perf_counter() - began
                if seconds > SLOW or binding.slow:
                    binding.timed(seconds)
        outputs = {}
        for name, slot, shared in self._outputs:
            outputs[name] = values[slot].copy("K") if shared else values[slot]
        return outputs, tape, direct

    # ------------------------------------------------------------------ backward
    def backward(self, last: LastPass, errors: Any) -> dict[str, Array | None] | None:
        """Run the last pass backward; None if the errors, or the pass, have to be checked."""
        by_slot = self._by_slot(errors)
        current = None if by_slot is None else last.take()
        if current is None or by_slot is None:
            return None
        ran = False
        # Direct passes bring new arrays to the inputs.
        given = None if self._apart and current.direct is not None else list(by_slot)
        try:
            if current.repeat is self and current.claims[1].entered():
                try:
                    self._pull(current, by_slot)
                    ran = True
                finally:
                    current.claims[1].leave()
        finally:
            last.put(current)
        if not ran:
            return None
        returned: dict[str, Array | None] = {}
        for name, slot, shape in self._input_errors:
            error = None if shape is None else by_slot[slot]
            returned[name] = np.zeros(shape, self._dtype) if error is None and shape is not None else error
        if given is None:
            return returned
        return dict(zip(returned, unshared(returned.values(), given), strict=True))

    def _pull(self, current: Pass, by_slot: list[Any]) -> None:
        """Fill the errors of all slots, and set the gradients."""
        direct, kept = current.direct, current.bound.kept  # type: ignore[attr-defined]  # a BoundPlan
        if direct is not None and kept is not None and kept.arrays.same_parameters():
            kept.set_gradients(direct.pull(current.tape, by_slot))
            return
        with current.binding.lock:
            current.backward(by_slot)
        self._layer_arrays.set_gradients(current.run.gradients)

    def _by_slot(self, errors: Any) -> list[Any] | None:
        """The errors by slot, if each is an array of its output's shape and of the dtype of the pass; else None."""
        if type(errors) is not dict:
            return None
        by_slot: list[Any] = [None] * self._slots
        for name, error in errors.items():
            slot, shape = self._errors.get(name, (0, None))
            if (
                shape is None
                or type(error) is not np.ndarray
                or error.shape != shape
                or error.dtype is not self._dtype
                or by_slot[slot] is not None
            ):
                return None
            by_slot[slot] = error
        return by_slot


def _sizes(shape: Any) -> tuple[int, ...] | None:
    """The sizes of a shape; None where it is unknown."""
    return None if shape is None or not shape.known else tuple(shape.sizes)
