"""The protocol of a layer that is used by itself: forward, backward, weights, optimizer, phase."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from graphnet.core.array_types import plain
from graphnet.core.concurrency import locks
from graphnet.core.concurrency.claims import GRADIENTS, READ, WRITE, Claim, other_threads_pass
from graphnet.core.describe import deltas, weights
from graphnet.core.describe.parameter import Array, Parameter
from graphnet.core.errors import ConfigError, ShapeError, StateError
from graphnet.core.phase import Phase

if TYPE_CHECKING:
    from graphnet.core.describe.layer import Layer
    from graphnet.core.run.runner import Runner

#: A phase that some layers, by id, are in for the present block, whatever they are set to.
_forced: ContextVar[tuple[Phase, frozenset[int]] | None] = ContextVar("graphnet phase", default=None)


@contextmanager
def in_phase(phase: Phase, layers: Iterable[object]) -> Iterator[None]:
    """Let some layers be in a phase inside the block, in this thread alone; their attribute is not touched.

    Examples
    --------
    >>> from graphnet import Dropout
    >>> layer = Dropout(0.5)
    >>> with in_phase(Phase.test, [layer]):
    ...     print(layer.phase.name)
    test
    >>> print(layer.phase.name)
    train
    """
    token = _forced.set((phase, frozenset(id(layer) for layer in layers)))
    try:
        yield
    finally:
        _forced.reset(token)


class Stateful:
    """What every layer inherits: it keeps its weights, its last forward pass and its optimizer.

    Everything runs through a :class:`~graphnet.core.run.runner.Runner` over the layer's graph (for a primitive layer a
    graph of one node), so a layer alone and a layer in a model compute the same numbers.

    Attributes
    ----------
    delta : float
        ``individual_delta`` of this layer: scales the learning rate, 1 at first. That of a composite layer holds for
        every layer inside, times the inner one's own. 0 freezes the weights: they and the optimizer's moments stay bit
        for bit as they are. Assigning anything but a finite number of at least 0 is a ConfigError.
    """

    _delta: float
    _optimizer: Any
    _parameters: dict[str, Parameter]
    _buffers: dict[str, Array]
    _phase: Phase
    _runner: Runner | None
    _waiting: tuple[Any, Any] | None
    _last_forward: tuple[int, Any] | None

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        self = super().__new__(cls)
        self._delta = 1.0
        self._optimizer = None
        self._parameters = {}
        self._buffers = {}
        self._phase = Phase.train
        self._runner = None
        self._waiting = None
        self._last_forward = None
        return self

    def __getstate__(self) -> dict[str, Any]:
        with Claim(READ, frozenset([id(self)]), "copy", self):  # a copy of weights in training would be a mixture
            return {**self.__dict__, "_runner": None, "_last_forward": None}

    @property
    def delta(self) -> float:
        """The factor of this layer's learning rate; 0 freezes it."""
        return self._delta

    @delta.setter
    def delta(self, delta: float) -> None:
        self._delta = deltas.checked(delta, type(self).__name__)

    # ------------------------------------------------------------------ running
    @property
    def phase(self) -> Phase:
        """``Phase.train`` (at first) or ``Phase.test``; nested layers follow."""
        forced = _forced.get()
        return forced[0] if forced is not None and id(self) in forced[1] else self._phase

    @phase.setter
    def phase(self, phase: Phase) -> None:
        if not isinstance(phase, Phase):
            raise ConfigError(
                "not a phase", where=type(self).__name__, expected="Phase.train or Phase.test", received=phase
            )
        self._phase = phase

    def _running(self, count: int) -> Runner:
        """The runner over this layer's graph, for so many inputs."""
        from graphnet.core.run.runner import Runner
        from graphnet.core.run.standalone import graph_of

        with locks.building:
            runner = self._runner
            known = 0 if runner is None else len(runner.graph.inputs)
            if runner is None or known < count or (known > count and self._layer.input_ports().variadic):
                runner = self._runner = Runner(graph_of(self._layer, count))
        return runner

    @property
    def _layer(self) -> Layer:
        return self  # type: ignore[return-value]

    def forward(self, *inputs: Any) -> Any:
        """The output for an input array (for layers with several inputs, one argument each).

        Parameters
        ----------
        *inputs : array_like
            float32 or float64, kept; whole numbers and lists are converted to the layer's dtype. The batch is axis 0.

        Returns
        -------
        array, or a tuple of arrays for a layer with several outputs

        Raises
        ------
        ShapeError, DtypeError, DataError
            Before anything is computed; the layer is then as it was.
        """
        runner = self._running(len(inputs))
        # Copies, because the caller may write to an array before backward has read it.
        given = {
            n: np.array(x) if type(x) is np.ndarray else None if x is None else np.array(plain(x, f"{self!r}, {n}"))
            for n, x in zip(runner.graph.inputs, inputs, strict=False)
        }
        if len(inputs) > len(runner.graph.inputs) or not self._layer.input_ports().accepts(len(inputs)):
            raise ShapeError(
                "wrong number of inputs",
                where=repr(self),
                expected=str(self._layer.input_ports()),
                received=len(inputs),
            )
        outputs = [_own(array) for array in runner.forward(given, phase=self.phase).values()]
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
        array, or a tuple of arrays where ``forward`` was given several inputs (None for whole numbers)

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
        found = [None if array is None else _own(array) for array in list(pulled.values())[:count]]
        return found[0] if len(found) == 1 else tuple(found)

    # ------------------------------------------------------------------ threads
    def _set_last(self, what: Any) -> None:
        """Keep what ``backward`` needs of the forward pass that this thread has just run, besides the runner's."""
        self._last_forward = locks.this_thread(), what

    def _get_last(self) -> Any:
        """What ``_set_last`` was given.

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

    def _learning(self, runner: Runner) -> Claim:
        """A context for ``backward`` and the update after it: one thread at a time."""
        return Claim(WRITE if runner.trained else GRADIENTS, runner.keys, "backward", self)

    def _writing(self, action: str) -> Claim:
        """A context for changes of the weights: no other thread uses them in the meantime."""
        return Claim(WRITE, weights.keys(weights.owners(self._layer).values()), action, self)

    def _exclusive(self, action: str) -> Claim:
        """A context for what a subclass keeps from one call to the next: one thread at a time."""
        return Claim(WRITE, frozenset([("kept", id(self))]), action, self)

    def _update(self) -> None:
        """One optimizer step for each weight array that has an optimizer and a gradient."""
        weights.step(deltas.pending(self._layer))

    # ------------------------------------------------------------------ weights
    @property
    def trainable(self) -> bool:
        """Whether this layer has weights (or will have them, once it has seen an input)."""
        return weights.has_weights(self._layer)

    def initialize(self, weights_initializer: Any, bias_initializer: Any) -> None:
        """Fill the weights anew.

        Parameters
        ----------
        weights_initializer, bias_initializer : object
            With ``initialize(weights_shape, fan_in, fan_out) -> array``. Sizes not known yet are filled when they are.

        Raises
        ------
        ConfigError
            If one has no ``initialize``.
        RuleError
            If an initializer returns another shape; nothing has changed then.
        StateError
            If another thread is using the weights.
        """
        for given in (weights_initializer, bias_initializer):
            self._check_has(given, "initialize", "an initializer")
        with self._writing("initialize"):
            weights.initialize(weights.owners(self._layer).values(), weights_initializer, bias_initializer)

    def _draw_known_weights(self) -> None:
        """Fresh weights, uniform in [0, 1), as far as the configuration tells their shapes."""
        try:
            specs = self._layer.parameters()
        except ShapeError:
            return
        weights.create(self._layer, specs)

    def get_weights(self) -> Any:
        """A copy of the weights: one array, or a dictionary by path where a composite layer has several.

        Raises
        ------
        StateError
            If the layer has no weights, or their sizes are not known yet.
        """
        return weights.get(self._layer, lambda parameter: parameter.value)

    def get_gradient_weights(self) -> Any:
        """The gradient of the last ``backward``, summed over the batch; shaped like ``get_weights()``.

        Raises
        ------
        StateError
            Before the first ``backward``.
        """
        return weights.get(self._layer, weights.gradient)

    def set_weights(self, values: Any) -> None:
        """Copy ``values`` into the weights; they keep their dtype.

        Raises
        ------
        ShapeError
            If the shape differs; the message has both.
        StateError
            If another thread is using the weights.
        """
        with self._writing("set_weights"):
            weights.put(self._layer, values)

    def set_optimizer(self, optimizer: Any) -> None:
        """From now on ``backward`` also updates the weights.

        The first weight array uses ``optimizer`` itself, every further one a copy of its own; biases that are arrays of
        their own are not regularized.

        Parameters
        ----------
        optimizer : object or None
            With ``calculate_update(individual_delta, weight_tensor, gradient_tensor) -> new weights``; None: none.

        Raises
        ------
        ConfigError
            If it has no ``calculate_update``.
        """
        if optimizer is not None:
            self._check_has(optimizer, "calculate_update", "an optimizer")
        weights.set_optimizer(self._layer, optimizer)

    def _check_has(self, thing: Any, method: str, what: str) -> None:
        if not callable(getattr(thing, method, None)) or isinstance(thing, type):
            expected = f"an object with {method}"
            raise ConfigError(f"not {what}", where=repr(self), expected=expected, received=repr(thing))

    @property
    def optimizer(self) -> Any:
        """What ``set_optimizer`` was given; assigning does the same."""
        return self._optimizer

    @optimizer.setter
    def optimizer(self, optimizer: Any) -> None:
        self.set_optimizer(optimizer)

    def calculate_regularization_loss(self) -> float:
        """The optimizer's regularizer's norm of the weights; 0 without one."""
        return weights.regularization_loss(self._layer)


def _own(array: Array) -> Array:
    """A copy that the caller may write to: the runner may still need the array, or it may be the caller's input."""
    return np.array(array)
