"""The passes of a graph: runs them, keeps the last one for ``backward``, and lets further ones do without checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphnet.core.compile import Shapes
from graphnet.core.compile.analysis.scan_slots import scan_only_slots
from graphnet.core.concurrency.claims import GRADIENTS, READ, WRITE, Claim, Keys
from graphnet.core.concurrency.time_slices import NO_LOCK
from graphnet.core.describe import weights
from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ConfigError
from graphnet.core.phase import Phase
from graphnet.core.run.backends import Bound
from graphnet.core.run.binder import Binder, Binding
from graphnet.core.run.context import RunContext
from graphnet.core.run.forward_backward import LastPass, Pass
from graphnet.core.run.inputs import Batch, InputReader
from graphnet.core.run.kept import keep_for_repetition
from graphnet.core.run.output_errors import input_errors as errors_of_inputs
from graphnet.core.run.output_errors import read_errors
from graphnet.core.run.outputs import kept_batch, masked, unread_sequences, unshared
from graphnet.core.run.repeat import Repeat, Results
from graphnet.core.run.state import State
from graphnet.core.run.state_checks import carried_by


class Passes:
    """Runs the passes of one graph; see :class:`graphnet.core.run.runner.Runner`.

    Parameters
    ----------
    binder : Binder

    Attributes
    ----------
    last : LastPass
    recent : Binding or None
        The binding of the last pass, if passes like it can be repeated without checks.
    """

    def __init__(self, binder: Binder) -> None:
        self._binder, self._graph, self._plan, self._arrays = binder, binder.graph, binder.plan, binder.arrays
        self._reader = InputReader(self._graph, self._arrays.layers.values())
        self.last = LastPass()
        self.recent: Binding | None = None
        self._keys: Keys | None = None
        self._updates_buffers = any(layer.declares_buffers for layer in self._arrays.layers.values())
        self._from_scans, self._into_scans = scan_only_slots(self._plan)
        self._unread = unread_sequences(self._plan)

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles, which have passes of their own."""
        return {**self.__dict__, "last": LastPass(), "recent": None, "_keys": None}

    @property
    def keys(self) -> Keys:
        """The keys of a claim on the arrays of the graph."""
        if self._keys is None:
            self._keys = weights.keys(self._arrays.layers.values(), self._graph)
        return self._keys

    # ------------------------------------------------------------------ forward
    def forward(
        self, inputs: Mapping[str, Any], phase: Phase, lengths: Any, keep: bool, input_errors: bool, state: Any
    ) -> Results:
        """Run one pass: the outputs, and the final states if it was given a state."""
        recent = self.recent
        repeat = None if recent is None else recent.repeat
        if (
            recent is not None
            and repeat is not None
            and lengths is None
            and phase is repeat.phase
            and keep is repeat.keep
            and input_errors is repeat.input_errors
        ):
            arrays = repeat.read(inputs)
            results: Results | None = None if arrays is None else repeat.forward(self.last, recent, arrays, state)
            if results is not None:
                return results
        return self._checked(inputs, phase, lengths, keep, input_errors, state, self.last)

    def beside(self, inputs: Mapping[str, Any], state: State, phase: Phase) -> tuple[dict[str, Array], State, Binding]:
        """Run a pass beside the last one, with all checks: its outputs, the final states and its binding."""
        outputs, ended = self._checked(inputs, phase, None, False, True, state, None)
        assert ended is not None
        return outputs, ended, self._binder.binding(self._reader.read(inputs, None), phase, True, False)

    def _checked(
        self,
        inputs: Mapping[str, Any],
        phase: Phase,
        lengths: Any,
        keep: bool,
        input_errors: bool,
        state: Any,
        last: LastPass | None,
    ) -> Results:
        """Run one pass with all checks. ``last`` is None for one beside the last one, which must not be kept."""
        if not isinstance(phase, Phase):
            expected = "Phase.train or Phase.test"
            raise ConfigError("not a phase", where=repr(self._graph), expected=expected, received=repr(phase))
        batch = self._reader.read(inputs, lengths)
        level = WRITE if self._updates_buffers and phase is Phase.train else READ
        with Claim(level, self._keys or self.keys, "forward", self._graph):
            binding = self._binder.binding(batch, phase, input_errors, keep)
            if binding.repeat is not None and not batch.ragged and binding.repeat.fits(batch.arrays):
                results: Results | None = binding.repeat.forward(last, binding, batch.arrays, state)
                if results is not None:
                    if binding.repeat.decides_dtype and last is not None:
                        self.recent = binding
                    return results
            carried = None if state is None else carried_by(self._plan, state, binding.shapes, self._graph)
            arrays = self._arrays.read(batch.dtype)
            if arrays is None:
                arrays = self._binder.recreated_arrays(binding)
            run = RunContext(arrays, batch.lengths, keep, carried=carried, ends=batch.ends)
            lock = binding.lock
            run.holds_lock = lock is not NO_LOCK
            with lock:
                outputs = self._run(binding, batch, run, last)
        return outputs, None if carried is None else carried.final_state

    def _run(self, binding: Binding, batch: Batch, run: RunContext, last: LastPass | None) -> dict[str, Array]:
        """Run one pass forward in a bound plan of its own; the outputs by name."""
        if run.keep:
            batch.arrays = kept_batch(batch.arrays, batch.lengths)
        current = Pass(binding, self._acquire(binding, run), run, batch)
        try:
            values = current.forward(batch)
            if self._updates_buffers and binding.options.phase is Phase.train:
                self._arrays.store_buffers(run.arrays)
            outputs = self._outputs(values, batch, binding.shapes)
        except BaseException:
            current.release()
            raise
        if not batch.ragged and self._keep_for_repetition(current, batch) and last is not None:
            self.recent = binding
        if run.keep:
            self.last.replace(current)
            return outputs
        current.release()
        if last is not None and last.current is not None:
            last.drop_own()
        return outputs

    def _keep_for_repetition(self, current: Pass, batch: Batch) -> bool:
        """Let further passes of the same inputs do without the checks, where what runs them allows it.

        Whether the inputs alone show that a pass is like this one.
        """
        binding, options = current.binding, current.binding.options
        if self._updates_buffers and options.phase is Phase.train:
            return False
        if not keep_for_repetition(current.bound, current.run, self._arrays):
            return False
        repeat = binding.repeat
        if repeat is None or not repeat.fits(batch.arrays):
            kinds = (options.phase, current.run.keep, binding.input_errors)
            repeat = Repeat(self._graph, self._plan, self.keys, self._arrays, current, batch.arrays, kinds)
            binding.repeat = repeat
        current.repeat, current.claims = repeat, repeat.claims()
        return bool(repeat.decides_dtype)

    def _acquire(self, binding: Binding, run: RunContext) -> Bound:
        """A bound plan for a pass, started: that of the pass which it replaces, or one from the pool."""
        bound = self.last.reclaim(binding)
        if bound is None:
            return self._binder.acquire(binding, run)
        bound.start(run)
        return bound

    def _outputs(self, values: list[Any], batch: Batch, shapes: Shapes) -> dict[str, Array]:
        """The outputs by name, in memory of their own, with zeros beyond each row's end."""
        outputs = {}
        for name, slot in self._plan.outputs:
            array = values[slot]
            if batch.ragged and slot not in self._from_scans:
                array = masked(array, shapes.lengths[slot], batch.lengths)
            outputs[name] = array if slot in self._unread else array.copy("K")
        return outputs

    # ------------------------------------------------------------------ backward
    def backward(self, errors: Mapping[str, Any]) -> dict[str, Array | None]:
        """Run the last pass backward: the errors of the inputs; sets all gradients."""
        current = self.last.current
        if current is not None and current.repeat is not None:
            repeated: dict[str, Array | None] | None = current.repeat.backward(self.last, errors)
            if repeated is not None:
                return repeated
        last = self.last.hold(self._graph)
        try:
            with Claim(GRADIENTS, self.keys, "backward", self._graph), last.binding.lock:
                by_slot = read_errors(self._graph, self._plan, errors, last, self._from_scans)
                given = list(by_slot)
                last.backward(by_slot)
                self._arrays.set_gradients(last.run.gradients)
                returned = errors_of_inputs(self._plan, by_slot, last, self._into_scans)
                return dict(zip(self._graph.inputs, unshared(returned, given), strict=True))
        finally:
            last.release()
