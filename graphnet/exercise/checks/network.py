"""NeuralNetwork: what it does with layers, batches, phases and optimizers, seen by layers that record."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.exercise.matching import near
from graphnet.exercise.probe import Probe, Stop
from graphnet.exercise.tools import RecordingInitializer, RecordingOptimizer


class _Layer:
    """Multiplies by a number, and records; has the attributes of both editions."""

    def __init__(self, factor: float, log: list[Any], trainable: bool) -> None:
        self.factor, self.log, self.trainable = factor, log, trainable
        self.testing_phase = False
        self.phase: Any = None
        self.optimizer: Any = None
        self.weights = np.full((2, 2), factor)
        self.initialized = 0

    def initialize(self, *_: Any) -> None:
        self.initialized += 1

    def set_optimizer(self, optimizer: Any) -> None:
        self.optimizer = optimizer

    def calculate_regularization_loss(self) -> float:
        return self._penalty() if self.trainable else 0.0

    def _penalty(self) -> float:
        return 100.0 * self.factor

    def forward(self, x: Any) -> Any:
        self.log.append(
            ("forward", self.factor, self.testing_phase or getattr(self.phase, "name", self.phase) == "test")
        )
        return x * self.factor

    def backward(self, error: Any) -> Any:
        self.log.append(("backward", self.factor, False))
        return error * self.factor


class _Penalty:
    def norm(self, weights: Any) -> float:
        return 100.0 * float(weights[0, 0])

    def calculate(self, weights: Any) -> Any:
        return 0 * weights

    calculate_gradient = calculate


class _Data:
    def __init__(self) -> None:
        self.count = 0

    def next(self) -> Any:
        self.count += 1
        return np.full((3, 2), float(self.count)), np.full((3, 2), 10.0 * self.count)

    forward = next


class _Loss:
    def __init__(self, log: list[Any]) -> None:
        self.log = log

    def forward(self, prediction: Any, labels: Any) -> float:
        self.log.append(("loss", float(prediction[0, 0]), float(np.ravel(labels)[0])))
        return float(prediction[0, 0])

    def backward(self, labels: Any) -> Any:
        self.log.append(("loss back", 0.0, float(np.ravel(labels)[0])))
        return np.ones((3, 2))

    def predict(self, x: Any) -> Any:
        self.log.append(("predict", 0.0, 0.0))
        return x


def network(probe: Probe, cls: Any) -> None:
    """Check NeuralNetwork."""
    check = _Network(probe, cls)
    probe.stages(check.forward, check.backward, check.optimizers, check.train, check.test)


class _Network:
    def __init__(self, probe: Probe, cls: Any) -> None:
        self.probe, self.cls = probe, cls

    def make(self) -> Any:
        self.log: list[Any] = []
        self.optimizer = RecordingOptimizer()
        self.optimizer.add_regularizer(_Penalty())
        initializers = RecordingInitializer(0, 1, 1), RecordingInitializer(0, 1, 2)
        try:
            net = self.cls(self.optimizer, *initializers)
        except TypeError:
            net = self.probe.call("__init__", self.cls, self.optimizer)
        self.first, self.plain = _Layer(2.0, self.log, True), _Layer(3.0, self.log, False)
        self.second = _Layer(5.0, self.log, True)
        append = (
            getattr(net, "append_trainable_layer", None) if self.probe.contract else getattr(net, "append_layer", None)
        )
        name = "append_trainable_layer" if self.probe.contract else "append_layer"
        if append is None:
            append = getattr(net, "append_layer", None) or getattr(net, "append_trainable_layer", None)
            self.probe.fault("missing-method", f"has no method {name}", name)
            if append is None:
                raise Stop
        self.by_append = append.__name__ == "append_layer"
        self.probe.call(name, append, self.first)
        if self.by_append:
            self.probe.call(name, append, self.plain)
        else:
            net.layers.append(self.plain)
        self.probe.call(name, append, self.second)
        if list(getattr(net, "layers", [])) != [self.first, self.plain, self.second]:
            self.probe.fault("layers", f"{name} does not append each layer to layers, in order", name)
            raise Stop
        self.data, self.loss = _Data(), _Loss(self.log)
        net.data_layer, net.loss_layer = self.data, self.loss
        return net

    def forward(self) -> None:
        """One batch through all layers; data loss plus regularization loss."""
        net = self.make()
        value = self.probe.do(net, "forward")
        factors = [entry[1] for entry in self.log if entry[0] == "forward"]
        if factors != [2.0, 3.0, 5.0]:
            words = (
                "runs the layers in the wrong order"
                if sorted(factors) == [2.0, 3.0, 5.0]
                else "does not run every layer once"
            )
            self.probe.fault("layer-order", words, "forward")
            return
        if not any(entry[0] == "loss" for entry in self.log):
            self.probe.fault("loss-missing", "does not call the loss layer", "forward")
            return
        if self.data.count != 1:
            self.probe.fault("batch", f"fetches {self.data.count} batches; one is right", "forward")
        if near(value, 730.0) or near(value, 30.0):
            if near(value, 30.0):
                words = "the regularization loss of the layers is missing in the loss"
                (self.probe.fault if self._regularizes() else self.probe.note)(
                    "regularization-missing", words, "forward"
                )
        elif near(value, 30.0 + 500.0) or near(value, 30.0 + 200.0):
            self.probe.fault(
                "missing-sum", "the regularization loss is that of one layer; all must be summed", "forward"
            )
        elif near(value, 700.0):
            self.probe.fault("loss-missing", "returns the regularization loss alone", "forward")
        else:
            got = "None: a return statement is missing" if value is None else "something else"
            self.probe.fault("loss", f"forward must return the loss; it returns {got}", "forward")

    def _regularizes(self) -> bool:
        return self.probe.contract or self._has("Constraints.py")

    def _has(self, *names: str) -> bool:
        """Whether the solution has one of these files, so that its exercise is one that asks for them."""
        return any(list(self.probe.root.glob(f"{folder}{name}")) for name in names for folder in ("", "*/"))

    def backward(self) -> None:
        """From the loss layer back, with the labels of the same batch."""
        net = self.make()
        self.probe.do(net, "forward")
        del self.log[:]
        self.probe.do(net, "backward")
        if self.data.count != 1:
            self.probe.fault("batch", "backward fetches a new batch; it must use the labels of forward", "backward")
        back = [entry for entry in self.log if entry[0] == "loss back"]
        if not back:
            self.probe.fault("loss-missing", "does not call the loss layer's backward", "backward")
        elif back[0][2] != 10.0:
            self.probe.fault("labels", "the loss layer gets other labels than in forward", "backward")
        factors = [entry[1] for entry in self.log if entry[0] == "backward"]
        if factors == [2.0, 3.0, 5.0]:
            self.probe.fault(
                "layer-order",
                "runs from the first layer to the last; the error goes from the last to the first",
                "backward",
            )
        elif factors != [5.0, 3.0, 2.0]:
            self.probe.fault("layer-order", "does not run every layer once, from the last to the first", "backward")

    def optimizers(self) -> None:
        """Copies of the optimizer, and initialized weights."""
        self.make()
        made = [layer.optimizer for layer in (self.first, self.second)]
        name = "append_layer" if self.by_append else "append_trainable_layer"
        if any(optimizer is None for optimizer in made):
            self.probe.fault("optimizer-missing", "layers with weights get no optimizer", name)
        elif made[0] is made[1]:
            self.probe.fault("optimizer-shared", "all layers share one optimizer: each needs a deep copy", name)
        if self.plain.optimizer is not None and self.by_append:
            self.probe.note("optimizer", "a layer without weights gets an optimizer", name)
        if self.first.initialized == 0:
            words = "the layer is not initialized with the two initializers"
            (self.probe.fault if self._takes_initializers() else self.probe.note)("initializer-not-used", words, name)

    def _takes_initializers(self) -> bool:
        try:
            self.cls(self.optimizer, None, None)
        except TypeError:
            return False
        except Exception:
            return True
        return True

    def train(self) -> None:
        """As many iterations as asked for, each with its loss."""
        net = self.make()
        self.probe.do(net, "train", 3)
        if self.data.count != 3:
            self.probe.fault("iterations", f"train(3) uses {self.data.count} batches", "train")
        losses = getattr(net, "loss", None)
        if not isinstance(losses, list) or len(losses) != 3:
            self.probe.fault("loss-not-stored", "train does not append the loss of each iteration to loss", "train")
        backs = sum(entry[0] == "loss back" for entry in self.log)
        if backs != 3:
            self.probe.fault("backward-missing", f"train(3) calls backward {backs} times", "train")

    def test(self) -> None:
        """The prediction, in the test phase, which ends with it."""
        net = self.make()
        for layer in net.layers:
            layer.phase = None
        x = np.ones((3, 2))
        y = self.probe.do(net, "test", x)
        seen = [entry[2] for entry in self.log if entry[0] == "forward"]
        if not near(y, 30.0 * x):
            words = (
                "returns None: a return statement is missing"
                if y is None
                else "does not return the last layer's output"
            )
            self.probe.fault("output", words, "test")
        elif self.probe.contract and not any(entry[0] == "predict" for entry in self.log):
            words = "returns the last layer's output; the loss layer's predict makes the prediction of it"
            self.probe.fault("predict-missing", words, "test")
        if self.data.count:
            self.probe.fault("batch", "fetches a batch; it must use its argument", "test")
        if self._knows_phases() and not all(seen):
            self.probe.fault("test-phase", "the layers are not in the test phase", "test")
        elif all(seen):
            del self.log[:]
            self.probe.do(net, "train", 1)
            if any(entry[2] for entry in self.log if entry[0] == "forward"):
                self.probe.fault("test-phase", "after test the layers stay in the test phase, in training too", "train")

    def _knows_phases(self) -> bool:
        return self.probe.contract or hasattr(self.cls, "phase") or self._has("Dropout.py", "BatchNormalization.py")
