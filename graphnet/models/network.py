"""A network as a list of layers, with a data layer and a loss layer."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from graphnet.core import late
from graphnet.core.arguments import explain_arguments, explain_methods
from graphnet.core.checks import integer
from graphnet.core.concurrency import locks
from graphnet.core.concurrency.claims import GRADIENTS, READ, WRITE, Claim, other_threads_pass
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.phases import in_phase
from graphnet.core.errors import ConfigError, StateError
from graphnet.core.phase import Phase
from graphnet.models.chain import Chain, LayerSegment, chain_key
from graphnet.models.foreign import (
    PhaseAttributes,
    phase_attributes,
    put_phase_attributes,
    regularization_loss,
    set_phase,
)

#: The phase of a network and those of its layers.
Phases = tuple[Phase, list[tuple[Any, PhaseAttributes]]]
#: The number of chains that a network caches (a list of layers has one in each phase); the oldest is dropped first.
CACHED_CHAINS = 4


class NeuralNetwork:
    """A sequence of layers: ``loss_layer(layers[-1](… layers[0](input)), labels)``.

    The layers form a chain graph, run by the same Runner as any other graph. Layers that keep a state, and objects that
    are not graphnet layers (anything with ``forward`` and ``backward``), run by their own methods.

    Parameters
    ----------
    optimizer : object or None
        Has ``calculate_update(individual_delta, weight_tensor, gradient_tensor) -> new weights``, or
        ``calculate_update(weight_tensor, gradient_tensor)``; each trainable layer gets a copy.
    weights_initializer, bias_initializer : object, optional
        Has ``initialize(weights_shape, fan_in, fan_out) -> array``. Without a weights initializer, layers keep the
        weights that they have; without a bias initializer, it is used for both.

    Attributes
    ----------
    layers : list
        Layers without weights are appended directly, layers with weights by ``append_trainable_layer``;
        ``append_layer`` takes both.
    data_layer : object
        ``forward()``, or ``next()``, returns the next batch: ``(input, labels)``.
    loss_layer : object
        ``forward(prediction, labels)`` returns the loss, ``backward(labels)`` the error for the prediction, and
        ``predict(output)``, which is optional, the result of ``test``.
    loss : list of float
        The loss of each iteration of ``train``.

    Examples
    --------
    >>> import numpy as np
    >>> from graphnet import FullyConnected, NeuralNetwork, seed
    >>> from graphnet.initializers import Constant, UniformRandom
    >>> from graphnet.optimizers import Sgd
    >>> class Line:
    ...     def forward(self):
    ...         return np.array([[1.0], [2.0]]), np.array([[2.0], [4.0]])
    >>> class Squares:
    ...     def forward(self, prediction, labels):
    ...         self.prediction = prediction
    ...         return float(np.sum((prediction - labels) ** 2))
    ...     def backward(self, labels):
    ...         return 2 * (self.prediction - labels)
    >>> seed(0)
    >>> network = NeuralNetwork(Sgd(0.05), UniformRandom(), Constant(0.0))
    >>> network.data_layer, network.loss_layer = Line(), Squares()
    >>> network.append_trainable_layer(FullyConnected(1, 1))
    >>> network.train(2000)
    >>> network.test(np.array([[10.0]])).round(3)
    array([[20.]])
    """

    def __init__(self, optimizer: Any, weights_initializer: Any = None, bias_initializer: Any = None) -> None:
        self.optimizer = late.named("NeuralNetwork.optimizer", "optimizers", optimizer)
        self.weights_initializer = late.named("NeuralNetwork.weights_initializer", "initializers", weights_initializer)
        self.bias_initializer = late.named("NeuralNetwork.bias_initializer", "initializers", bias_initializer)
        self.layers: list[Any] = []
        self.loss: list[Any] = []
        self.data_layer: Any = None
        self.loss_layer: Any = None
        self._phase = Phase.train
        self._stays_in_test = False
        self._phases_before_test: Phases | None = None
        self._chains: dict[Any, Chain] = {}
        self._last: tuple[Chain, Any, int] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_chains": {}, "_last": None}

    def append_trainable_layer(self, layer: Any) -> None:
        """Initialize a layer, set a copy of the optimizer and append it.

        Raises
        ------
        ConfigError
            If the layer has no ``initialize``.
        """
        if not callable(getattr(layer, "initialize", None)):
            raise ConfigError(
                "not a layer with weights",
                where="NeuralNetwork",
                expected="an object with initialize",
                received=repr(layer),
                remedy="Append layers without weights to network.layers.",
            )
        if self.weights_initializer is not None:
            layer.initialize(self.weights_initializer, self.bias_initializer or self.weights_initializer)
        optimizer = copy.deepcopy(self.optimizer)
        if hasattr(layer, "set_optimizer"):
            layer.set_optimizer(optimizer)
        else:
            layer.optimizer = optimizer
        self._append(layer)

    def append_layer(self, layer: Any) -> None:
        """Append any layer: one with weights as by ``append_trainable_layer``, any other as it is.

        A layer that is not a graphnet layer has weights if its ``trainable`` is true or, without that attribute, if it
        has an ``initialize``. As the editions of the exercise with this method expect, graphnet's layers in such a
        network stay in the test phase after ``test``, until its next ``forward`` or ``train``.
        """
        self._stays_in_test = True
        if getattr(layer, "trainable", callable(getattr(layer, "initialize", None))):
            self.append_trainable_layer(layer)
        else:
            self._append(layer)

    def _append(self, layer: Any) -> None:
        if self._phase is Phase.test:
            set_phase(layer, Phase.test)
        self.layers.append(layer)

    # ------------------------------------------------------------------ phase
    @property
    def phase(self) -> Phase:
        """``Phase.train`` (initially) or ``Phase.test``; setting it sets the phase of every layer."""
        return self._phase

    @phase.setter
    def phase(self, phase: Phase) -> None:
        if not isinstance(phase, Phase):
            raise ConfigError(
                "not a phase", where="NeuralNetwork", expected="Phase.train or Phase.test", received=repr(phase)
            )
        self._phases_before_test = None
        self._phase = phase
        for layer in self.layers:
            set_phase(layer, phase)

    @property
    def testing_phase(self) -> bool:
        """Whether ``phase`` is ``Phase.test``; assigning True or False sets it."""
        return self._phase is Phase.test

    @testing_phase.setter
    def testing_phase(self, testing: bool) -> None:
        self.phase = Phase.test if testing else Phase.train

    # ------------------------------------------------------------------ running
    def forward(self) -> Any:
        """The loss of one new batch: that of the loss layer plus the regularization loss of every layer.

        Raises
        ------
        StateError
            Without a data layer or a loss layer; if another thread is training the network, or running ``forward``.
        """
        self._require("data_layer", "loss_layer")
        self._end_test()
        chain = self._chain()
        with self._claim(GRADIENTS, "forward", chain):
            x, labels = self._batch()
            snapshot = chain.snapshot()
            try:
                loss = self.loss_layer.forward(chain.forward(x), labels)
            except BaseException:
                snapshot.restore()
                raise
            snapshot.release()
            self._last = chain, labels, locks.this_thread()
            return loss + self._regularization_loss()

    def _batch(self) -> tuple[Any, Any]:
        layer = self.data_layer
        batch = layer.forward() if callable(getattr(layer, "forward", None)) else layer.next()
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            raise ConfigError(
                "forward of the data layer did not return a batch",
                where="NeuralNetwork",
                expected="(input, labels)",
                received=type(batch).__name__,
            )
        return batch[0], batch[1]

    def backward(self) -> None:
        """Compute the gradients of the last loss, and update every layer that has an optimizer.

        Raises
        ------
        StateError
            Before the first ``forward``, or if the last one ran in another thread; if another thread is using the
            weights.
        """
        if self._last is None:
            raise StateError("backward before forward", where="NeuralNetwork", remedy="Call forward first.")
        chain, labels, thread = self._last
        if thread != locks.this_thread():
            raise other_threads_pass("NeuralNetwork")
        with self._claim(WRITE, "backward", chain):
            chain.backward(self.loss_layer.backward(labels))

    def train(self, iterations: int) -> None:
        """Train in the train phase: each iteration runs one new batch, appends its loss to ``loss``, and updates.

        Raises
        ------
        ConfigError
            If ``iterations`` is not a non-negative integer.
        StateError
            Without a data layer or a loss layer; if another thread is using the network.
        """
        integer("NeuralNetwork", "iterations", iterations, 0)
        self._require("data_layer", "loss_layer")
        self._end_test()
        with self._claim(WRITE, "train", self._chain()):
            phases = self._phases()
            if self._phase is not Phase.train:
                self.phase = Phase.train
            try:
                for _ in range(iterations):
                    self.loss.append(self.forward())
                    self.backward()
            finally:
                self._restore_phases(phases)

    def test(self, input_tensor: Any) -> Any:
        """The predictions for an input, in the test phase; afterwards all phases are as before (but: ``append_layer``).

        Any number of threads may test at the same time. Layers that are not graphnet layers are set to the test phase
        and back, so a network with such layers is tested by one thread at a time.

        Raises
        ------
        StateError
            If another thread is training the network.
        """
        before = self._phases() if self._stays_in_test else None
        with in_phase(Phase.test, [layer for layer in self.layers if isinstance(layer, Layer)]):
            chain = self._chain()
            with self._claim(READ, "test", chain):
                with self._foreign_layers_in_test(chain):
                    output = chain.forward(input_tensor, keep=False)
                if before is not None:
                    self._stay_in_test(before)
        predict = getattr(self.loss_layer, "predict", None)
        return output if predict is None else predict(output)

    # ------------------------------------------------------------------ inside
    def _claim(self, level: int, action: str, chain: Chain) -> Claim:
        return Claim(level, chain.keys | {id(self)}, action, "NeuralNetwork")

    @contextmanager
    def _foreign_layers_in_test(self, chain: Chain) -> Iterator[None]:
        """Set layers that are not graphnet layers to the test phase and back; one thread at a time."""
        single = [segment.layers[0] for segment in chain.segments if isinstance(segment, LayerSegment)]
        foreign = [layer for layer in single if not isinstance(layer, Layer)]
        if not foreign:
            yield
            return
        with locks.foreign_layers:
            before = [(layer, phase_attributes(layer)) for layer in foreign]
            for layer in foreign:
                set_phase(layer, Phase.test)
            try:
                yield
            finally:
                for layer, attributes in before:
                    put_phase_attributes(layer, attributes)

    def _stay_in_test(self, before: Phases) -> None:
        """Leave the layers in the test phase; ``before`` are the phases to which ``_end_test`` puts them back."""
        with locks.foreign_layers:
            first = self._phases_before_test or before  # those of the first of several tests
            self._phase = Phase.test
            for layer in self.layers:
                if isinstance(layer, Layer):  # others get back the attributes that they had
                    layer.phase = Phase.test
            self._phases_before_test = first

    def _end_test(self) -> None:
        """Put the layers back into the phases in which ``test`` found them."""
        if self._phases_before_test is not None:
            with locks.foreign_layers:
                before, self._phases_before_test = self._phases_before_test, None
                if before is not None:
                    self._restore_phases(before)

    def _chain(self) -> Chain:
        """The chain of the present layers and phases; the last few are cached."""
        key = chain_key(self.layers)
        chain = self._chains.get(key)
        if chain is None:
            with locks.building:
                chain = self._chains.get(key)
                if chain is None:
                    chain = Chain(self.layers)
                    self._chains = {**dict(list(self._chains.items())[1 - CACHED_CHAINS :]), key: chain}
        return chain

    def _require(self, *names: str) -> None:
        for name in names:
            if getattr(self, name) is None:
                raise StateError(f"{name} is not set", where="NeuralNetwork", remedy=f"Assign it: network.{name} = …")

    def _regularization_loss(self) -> float:
        layers = {id(layer): layer for layer in self.layers}
        return sum(regularization_loss(layer) for layer in layers.values())

    def _phases(self) -> Phases:
        return self._phase, [(layer, phase_attributes(layer)) for layer in self.layers]

    def _restore_phases(self, phases_before: Phases) -> None:
        self._phase, phases = phases_before
        for layer, attributes in phases:
            put_phase_attributes(layer, attributes)


explain_arguments(NeuralNetwork)
explain_methods(NeuralNetwork, "append_trainable_layer", "append_layer", "train", "test", "forward", "backward")
