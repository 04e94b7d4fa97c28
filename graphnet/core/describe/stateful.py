"""A layer that is used alone: forward, backward, phase."""

from __future__ import annotations

from typing import Any, Self, cast

import numpy as np

from graphnet.core.arguments import explain_methods
from graphnet.core.array_types import plain
from graphnet.core.concurrency import locks
from graphnet.core.concurrency.claims import GRADIENTS, KEPT_STATE, READ, WRITE, Claim, other_threads_pass
from graphnet.core.describe import optimizer_step
from graphnet.core.describe.deltas import Steps
from graphnet.core.describe.pass_snapshot import LayerPassSnapshot
from graphnet.core.describe.phases import phase_of
from graphnet.core.describe.protocols import LayerRunner
from graphnet.core.describe.trainable import Trainable
from graphnet.core.errors import ConfigError, ShapeError, StateError
from graphnet.core.phase import Phase


class Stateful(Trainable):
    """A layer that keeps its weights, its last forward pass and its optimizer: the base of every layer.

    Everything runs through a :class:`~graphnet.core.run.runner.Runner` over the layer's graph (for a primitive layer a
    graph of one node), so a layer alone and a layer in a model compute the same numbers.
    """

    _phase: Phase
    _runner: Any  # a LayerRunner, or None
    _last_forward: tuple[int, Any] | None
    _steps: tuple[LayerRunner | None, Steps] | None

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        self = super().__new__(cls)
        self._phase = Phase.train
        self._runner = None
        self._last_forward = None
        self._steps = None
        return self

    def __getstate__(self) -> dict[str, Any]:
        with Claim(READ, frozenset([id(self)]), "copy", self):  # a copy of weights in training would be a mixture
            return {**self.__dict__, "_runner": None, "_last_forward": None, "_steps": None}

    @property
    def phase(self) -> Phase:
        """``Phase.train`` (at first) or ``Phase.test``; nested layers follow."""
        return phase_of(self, self._phase)

    @phase.setter
    def phase(self, phase: Phase) -> None:
        if not isinstance(phase, Phase):
            raise ConfigError(
                "not a phase", where=type(self).__name__, expected="Phase.train or Phase.test", received=phase
            )
        self._check_unchanged("phase")
        self._phase = phase

    @property
    def testing_phase(self) -> bool:
        """Whether ``phase`` is ``Phase.test``; assigning True or False sets the phase."""
        return self.phase is Phase.test

    @testing_phase.setter
    def testing_phase(self, testing: bool) -> None:
        if not isinstance(testing, (bool, np.bool_)):
            raise ConfigError(
                "not a truth value", where=f"{type(self).__name__}.testing_phase", expected="True or False",
                received=repr(testing),
            )  # fmt: skip
        self.phase = Phase.test if testing else Phase.train

    # ------------------------------------------------------------------ running
    def _running(self, count: int) -> LayerRunner:
        """The runner over this layer's graph, for ``count`` inputs."""
        from graphnet.core.run import standalone  # the only import that goes against the order of the stages

        with locks.building:
            runner = self._runner = standalone.runner_for(cast("Any", self), count, self._runner)
            return runner

    def forward(self, *inputs: Any) -> Any:
        """The output for an input array (for layers with several inputs, one argument each).

        Parameters
        ----------
        *inputs : array_like
            float32 or float64, whose dtype is kept; integers and lists are converted to the layer's dtype. The batch is
            axis 0.

        Returns
        -------
        array, or a tuple of arrays for a layer with several outputs

        Raises
        ------
        ShapeError, DtypeError, DataError
            Before anything is computed; the layer is then as it was.
        """
        runner = self._running(len(inputs))
        arrays = {
            n: x if x is None or type(x) is np.ndarray else plain(x, f"{self!r}, {n}")
            for n, x in zip(runner.graph.inputs, inputs, strict=False)
        }
        if len(inputs) > len(runner.graph.inputs) or not self.input_ports().accepts(len(inputs)):
            raise ShapeError(
                "wrong number of inputs",
                where=repr(self),
                expected=str(self.input_ports()),
                received=len(inputs),
            )
        outputs = [*runner.forward(arrays, phase=self.phase).values()]  # in memory of their own
        self._set_last((runner, len(inputs)))
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def backward(self, *errors: Any) -> Any:
        """The error for the input from that for the output; then one update of the weights, if there is an optimizer.

        Parameters
        ----------
        *errors : array_like
            The loss's gradient with respect to the output of the last ``forward``; same shape as that output.

        Returns
        -------
        array, or a tuple of arrays if ``forward`` had several inputs (None for integers)

        Raises
        ------
        StateError
            Before the first ``forward``, or if the last one was another thread's; while another thread is running
            ``backward`` or, if there is an optimizer, ``forward``.
        ShapeError, DtypeError
            If an error does not have the output's shape; nothing has changed then.
        """
        runner, count = self._get_last()
        names = list(runner.graph.outputs)
        if len(errors) > len(names):
            raise ShapeError("too many errors", where=repr(self), expected=", ".join(names), received=len(errors))
        with self._learning(runner):
            pulled = runner.backward(dict(zip(names, errors, strict=False)))
            self._update()
        input_errors = list(pulled.values())[:count]
        return input_errors[0] if len(input_errors) == 1 else tuple(input_errors)

    def _update(self) -> None:
        """One optimizer step for each weight array that has an optimizer and a gradient."""
        if self._steps is None or self._steps[0] is not self._runner:
            self._steps = self._runner, Steps(self)
        optimizer_step.step(self._steps[1].pending())

    def pass_snapshot(self) -> LayerPassSnapshot:
        """Return what a later ``forward`` changes; to be restored or released."""
        return LayerPassSnapshot(self, self._runner)

    # ------------------------------------------------------------------ threads
    def _set_last(self, what: Any) -> None:
        """Store what ``backward`` needs of this thread's last forward pass, besides the arrays of the runner."""
        self._last_forward = locks.this_thread(), what

    def _get_last(self) -> Any:
        """Return the argument of the last ``_set_last``.

        Raises
        ------
        StateError
            If there was no forward pass, or the last one was another thread's.
        """
        last = self._last_forward
        if last is None:
            raise StateError("backward before forward", where=repr(self), remedy="Call forward with an input first.")
        if last[0] != locks.this_thread():
            raise other_threads_pass(repr(self))
        return last[1]

    def _learning(self, runner: LayerRunner) -> Claim:
        """A context for ``backward`` and the update after it: one thread at a time."""
        return Claim(WRITE if runner.trained else GRADIENTS, runner.keys, "backward", self)

    def _exclusive(self, action: str) -> Claim:
        """A context for state that a subclass keeps between calls: one thread at a time."""
        return Claim(KEPT_STATE, frozenset([("kept", id(self))]), action, self)


explain_methods(Stateful, "forward", "backward")
