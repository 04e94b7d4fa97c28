"""A network as a list of layers, with data in front and a loss behind."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from graphnet.core.concurrency import locks
from graphnet.core.concurrency.claims import GRADIENTS, READ, WRITE, Claim, other_threads_pass
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.phases import in_phase
from graphnet.core.errors import ConfigError, StateError
from graphnet.core.phase import Phase
from graphnet.models.chain import Chain, Own, chain_key

#: Chains that a network keeps (a list of layers has one in each phase); the oldest goes first.
KEPT_CHAINS = 4


class NeuralNetwork:
    """Layers one after the other: ``loss_layer(layers[-1](… layers[0](input)), labels)``.

    It is a chain graph run by the same Runner as every other graph; layers that keep a state, or that are not layers of
    graphnet at all (anything with ``forward`` and ``backward``), are called by their own methods in between.

    Parameters
    ----------
    optimizer : object or None
        With ``calculate_update(individual_delta, weight_tensor, gradient_tensor) -> new weights``; each trainable layer
        gets a copy.
    weights_initializer, bias_initializer : object
        With ``initialize(weights_shape, fan_in, fan_out) -> array``.

    Attributes
    ----------
    layers : list
        Append layers without weights directly, those with weights by ``append_trainable_layer``.
    data_layer : object
        ``forward()`` returns the next batch: ``(input, labels)``.
    loss_layer : object
        ``forward(prediction, labels)`` returns the loss, ``backward(labels)`` the error for the prediction, and
        ``predict(output)``, which it need not have, what ``test`` returns.
    loss : list of float
        One value an iteration of ``train``.

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

    def __init__(self, optimizer: Any, weights_initializer: Any, bias_initializer: Any) -> None:
        self.optimizer = optimizer
        self.weights_initializer = weights_initializer
        self.bias_initializer = bias_initializer
        self.layers: list[Any] = []
        self.loss: list[Any] = []
        self.data_layer: Any = None
        self.loss_layer: Any = None
        self._phase = Phase.train
        self._chains: dict[Any, Chain] = {}
        self._last: tuple[Chain, Any, int] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_chains": {}, "_last": None}

    def append_trainable_layer(self, layer: Any) -> None:
        """Initialize a layer, give it a copy of the optimizer and append it.

        Raises
        ------
        ConfigError
            If it has no ``initialize``.
        """
        if not callable(getattr(layer, "initialize", None)):
            raise ConfigError(
                "not a layer with weights",
                where="NeuralNetwork",
                expected="an object with initialize",
                received=repr(layer),
                remedy="Append layers without weights to network.layers.",
            )
        layer.initialize(self.weights_initializer, self.bias_initializer)
        optimizer = copy.deepcopy(self.optimizer)
        if hasattr(layer, "set_optimizer"):
            layer.set_optimizer(optimizer)
        else:
            layer.optimizer = optimizer
        if self._phase is Phase.test:
            _set_phase(layer, Phase.test)
        self.layers.append(layer)

    # ------------------------------------------------------------------ phase
    @property
    def phase(self) -> Phase:
        """``Phase.train`` (at first) or ``Phase.test``; setting it sets that of every layer."""
        return self._phase

    @phase.setter
    def phase(self, phase: Phase) -> None:
        if not isinstance(phase, Phase):
            raise ConfigError(
                "not a phase", where="NeuralNetwork", expected="Phase.train or Phase.test", received=repr(phase)
            )
        self._phase = phase
        for layer in self.layers:
            _set_phase(layer, phase)

    # ------------------------------------------------------------------ running
    def forward(self) -> Any:
        """The loss of one new batch: that of the loss layer plus every layer's regularization loss.

        Raises
        ------
        StateError
            Without a data layer or a loss layer; if another thread is training the network, or running ``forward``.
        """
        self._require("data_layer", "loss_layer")
        chain = self._chain()
        with self._claim(GRADIENTS, "forward", chain):
            x, labels = self._batch()
            before = chain.remember()
            try:
                loss = self.loss_layer.forward(chain.forward(x), labels)
            except BaseException:
                before()
                raise
            before.release()
            self._last = chain, labels, locks.this_thread()
            return loss + self._regularization_loss()

    def _batch(self) -> tuple[Any, Any]:
        batch = self.data_layer.forward()
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            raise ConfigError(
                "the data layer's forward gives no batch",
                where="NeuralNetwork",
                expected="(input, labels)",
                received=type(batch).__name__,
            )
        return batch[0], batch[1]

    def backward(self) -> None:
        """Every gradient of the last ``forward``'s loss, and one update of every layer that has an optimizer.

        Raises
        ------
        StateError
            Before the first ``forward``, or if the last one was another thread's; if another thread is using the
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
        """Train, in the train phase: in each iteration one new batch forward (its loss goes to ``loss``) and backward.

        Raises
        ------
        ConfigError
            If ``iterations`` is not a whole number from 0.
        StateError
            Without a data layer or a loss layer; if another thread is using the network.
        """
        if isinstance(iterations, bool) or not hasattr(iterations, "__index__") or iterations < 0:
            raise ConfigError(
                "iterations is no count", where="NeuralNetwork", expected="a whole number", received=repr(iterations)
            )
        self._require("data_layer", "loss_layer")
        with self._claim(WRITE, "train", self._chain()):
            before = self._phases()
            if self._phase is not Phase.train:
                self.phase = Phase.train
            try:
                for _ in range(iterations):
                    self.loss.append(self.forward())
                    self.backward()
            finally:
                self._restore(before)

    def test(self, input_tensor: Any) -> Any:
        """The predictions for an input, in the test phase; no phase is changed afterwards.

        Any number of threads may test at the same time. Layers that are not graphnet's are set to the test phase and
        back, so a network with such layers tests in one thread after the other.

        Raises
        ------
        StateError
            If another thread is training the network.
        """
        with in_phase(Phase.test, [layer for layer in self.layers if isinstance(layer, Layer)]):
            chain = self._chain()
            with self._claim(READ, "test", chain), self._strangers_in_test(chain):
                output = chain.forward(input_tensor, keep=False)
        predict = getattr(self.loss_layer, "predict", None)
        return output if predict is None else predict(output)

    # ------------------------------------------------------------------ inside
    def _claim(self, level: int, action: str, chain: Chain) -> Claim:
        return Claim(level, chain.keys | {id(self)}, action, "NeuralNetwork")

    @contextmanager
    def _strangers_in_test(self, chain: Chain) -> Iterator[None]:
        """Set layers that are not graphnet's to the test phase and back; one thread at a time, if there are any."""
        strangers = [s.layers[0] for s in chain.segments if isinstance(s, Own) and not isinstance(s.layers[0], Layer)]
        if not strangers:
            yield
            return
        with locks.foreign_layers:
            before = [(layer, getattr(layer, "phase", self._phase)) for layer in strangers]
            for layer in strangers:
                _set_phase(layer, Phase.test)
            try:
                yield
            finally:
                for layer, phase in before:
                    _set_phase(layer, phase)

    def _chain(self) -> Chain:
        """The chain of the layers as they are now; one is kept for each way in which the list was run lately."""
        key = chain_key(self.layers)
        found = self._chains.get(key)
        if found is None:
            with locks.building:
                found = self._chains.get(key)
                if found is None:
                    found = Chain(self.layers)
                    self._chains = {**dict(list(self._chains.items())[1 - KEPT_CHAINS :]), key: found}
        return found

    def _require(self, *names: str) -> None:
        for name in names:
            if getattr(self, name) is None:
                raise StateError(f"{name} is not set", where="NeuralNetwork", remedy=f"Assign it: network.{name} = …")

    def _regularization_loss(self) -> float:
        found = {id(layer): layer for layer in self.layers if hasattr(layer, "calculate_regularization_loss")}
        return sum(layer.calculate_regularization_loss() for layer in found.values())

    def _phases(self) -> tuple[Phase, list[tuple[Any, Any]]]:
        return self._phase, [(layer, getattr(layer, "phase", self._phase)) for layer in self.layers]

    def _restore(self, before: tuple[Phase, list[tuple[Any, Any]]]) -> None:
        self._phase, phases = before
        for layer, phase in phases:
            _set_phase(layer, phase)


def _set_phase(layer: Any, phase: Phase) -> None:
    """Set a layer's phase; a stranger that cannot hold one has none."""
    try:
        layer.phase = phase
    except AttributeError:
        return
