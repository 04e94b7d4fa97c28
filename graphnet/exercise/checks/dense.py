"""FullyConnected."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.exercise.matching import Variant, as_numbers, near, wrong_errors
from graphnet.exercise.probe import Probe, Stop
from graphnet.exercise.tools import (
    RATE,
    RecordingInitializer,
    RecordingOptimizer,
    SquareNorm,
    check_updates,
    get_gradient,
    get_weights,
    put_weights,
    set_optimizer,
)

Array = npt.NDArray[Any]
ROWS, INPUTS, OUTPUTS = 6, 4, 3


def fully_connected(probe: Probe, cls: Any) -> None:
    """Check FullyConnected."""
    dense = _Dense(probe, cls)
    probe.stages(dense.fresh, dense.forward, dense.backward, dense.update, dense.initialize, dense.regularization)


class _Dense:
    def __init__(self, probe: Probe, cls: Any) -> None:
        self.probe, self.cls = probe, cls
        self.bias_first = False

    def make(self) -> tuple[Any, Array]:
        """A layer and its weights: as set, or as it has them where they cannot be set."""
        layer = self.probe.call("__init__", self.cls, INPUTS, OUTPUTS)
        wanted = self.probe.rng.normal(size=(INPUTS + 1, OUTPUTS))
        given = as_numbers(get_weights(self.probe, layer))
        if given is None or given.shape != wanted.shape:
            shape = None if given is None else given.shape
            words = f"the weights have shape {shape}, expected (input_size + 1, output_size) = {wanted.shape}"
            if shape == (INPUTS, OUTPUTS):
                self.probe.fault("bias-missing", f"{words}: the bias is missing", "weights")
            elif shape == (OUTPUTS, INPUTS + 1):
                self.probe.fault("transposed", f"{words}: they are transposed", "weights")
            else:
                self.probe.fault("wrong-shape", words, "weights")
            raise Stop
        put_weights(self.probe, layer, wanted)
        if not near(get_weights(self.probe, layer), wanted):
            self.probe.fault("weights-not-set", "the weights are not those that have been set", "set_weights")
            wanted = np.array(get_weights(self.probe, layer), dtype=float)
        return layer, wanted

    def fresh(self) -> None:
        """Weights start uniform in [0, 1)."""
        layer = self.probe.call("__init__", self.cls, 60, 50)
        weights = as_numbers(get_weights(self.probe, layer))
        if weights is None or weights.size < 3000:
            return
        if not np.any(weights):
            self.probe.fault("initial-weights", "the weights start with zeros; they are uniform in [0, 1)", "__init__")
        elif weights.min() < 0 or weights.max() > 1 or abs(weights[:60].mean() - 0.5) > 0.05:
            self.probe.fault("initial-weights", "the weights do not start uniform in [0, 1)", "__init__")
        if getattr(layer, "trainable", True) is False and not self.probe.contract:
            self.probe.fault("trainable", "trainable is False for a layer with weights", "__init__")

    def split(self, weights: Array) -> tuple[Array, Array]:
        """Kernel and bias."""
        return (weights[1:], weights[0]) if self.bias_first else (weights[:-1], weights[-1])

    def forward(self) -> None:
        """x · W + b."""
        layer, w = self.make()
        x = self.probe.rng.normal(size=(ROWS, INPUTS))
        y = self.probe.do(layer, "forward", x)
        right = x @ w[:-1] + w[-1]
        if near(y, x @ w[1:] + w[0]):
            self.bias_first = True
            words = "the bias is the first row of the weights; it is the last one"
            (self.probe.fault if self.probe.contract else self.probe.note)("bias-row", words, "forward")
            return
        variants = (
            Variant("bias-missing", "the bias is not added", x @ w[:-1]),
            Variant("bias-missing", "the bias is not added", x @ w[1:]),
            Variant("sign", "the bias is subtracted", x @ w[:-1] - w[-1]),
            Variant("bias-twice", "the bias is added twice", x @ w[:-1] + 2 * w[-1]),
            Variant("bias-wrong", "the bias of the first output is added to all", x @ w[:-1] + w[-1, 0]),
            Variant("bias-wrong", "the bias is divided by the batch size", x @ w[:-1] + w[-1] / ROWS),
            Variant("activation", "a ReLU is applied; a FullyConnected has no activation", np.maximum(right, 0)),
            Variant("activation", "a Sigmoid is applied; a FullyConnected has no activation", 1 / (1 + np.exp(-right))),
            Variant("activation", "TanH is applied; a FullyConnected has no activation", np.tanh(right)),
        )
        if not self.probe.compare("forward", y, right, variants, {"batch": ROWS}, "the output"):
            self.forward_wrong = True

    def backward(self) -> None:
        """The error for the input, and the gradient."""
        layer, w = self.make()
        x0, x = self.probe.rng.normal(size=(2, ROWS, INPUTS))
        e0, e = self.probe.rng.normal(size=(2, ROWS, OUTPUTS))
        self.probe.do(layer, "forward", x0)
        self.probe.do(layer, "backward", e0)
        self.probe.do(layer, "forward", x)
        actual = self.probe.do(layer, "backward", e)
        kernel, _ = self.split(w)
        variants = (
            Variant("bias-not-removed", "the error has a column for the bias: the bias row must be left out", e @ w.T),
            Variant("bias-wrong", "the bias row is multiplied instead of the first one", e @ w[1:].T),
            Variant("bias-wrong", "the bias row is left in and another one left out", e @ w[:-1].T),
            Variant("derivative-missing", "returns the error unchanged", e),
            *wrong_errors(e, lambda e: e @ kernel.T),
        )  # fmt: skip
        self.probe.compare("backward", actual, e @ kernel.T, variants, {"batch": ROWS}, "the error for the input")
        gradient = get_gradient(self.probe, layer)
        self.gradient(gradient, x, e, x0, e0)

    def gradient(self, actual: Any, x: Array, e: Array, x0: Array, e0: Array) -> None:
        """Compare the gradient of the weights."""

        def join(kernel: Array, bias: Array) -> Array:
            return np.vstack([bias, kernel] if self.bias_first else [kernel, bias])

        right, first = join(x.T @ e, e.sum(0)), join(x0.T @ e0, e0.sum(0))
        variants = (
            Variant("gradient-not-reset", "is added to the gradient of the backward before: it must start from zero", right + first),
            Variant("state-not-stored", "is that of an earlier forward and backward", first),
            Variant("state-not-stored", "uses the input of an earlier forward", join(x0.T @ e, e.sum(0))),
            Variant("bias-missing", "has no gradient of the bias: its row is zero", join(x.T @ e, 0 * e.sum(0))),
            Variant("bias-missing", "has no row for the bias", x.T @ e),
            Variant("mean", "the bias's gradient is a mean over the batch; it is a sum", join(x.T @ e, e.mean(0))),
            Variant("mean", "the kernel's gradient is a mean over the batch; it is a sum", join(x.T @ e / ROWS, e.sum(0))),
            Variant("bias-wrong", "the bias's gradient is 1; it is the sum of the errors", join(x.T @ e, np.ones(OUTPUTS))),
            Variant("bias-wrong", "the bias's gradient is the error of the last row only", join(x.T @ e, e[-1])),
            Variant("bias-wrong", "the bias's gradient is the error of the first row only", join(x.T @ e, e[0])),
            Variant("missing-sum", "is that of the last row of the batch only", join(np.outer(x[-1], e[-1]), e[-1])),
            Variant("missing-sum", "is that of the first row of the batch only", join(np.outer(x[0], e[0]), e[0])),
            Variant("bias-row", "the bias's row is first; in the weights it is last", np.vstack([e.sum(0), x.T @ e])),
            Variant("transposed", "is transposed", join(x.T @ e, e.sum(0)).T),
        )  # fmt: skip
        name = "gradient of the weights"
        self.probe.compare(name, actual, right, variants, {"batch": ROWS}, "the gradient of the weights")

    def update(self) -> None:
        """Without an optimizer backward only computes; with one it also updates, after it has used the weights."""
        layer, w = self.make()
        x, e = self.probe.rng.normal(size=(ROWS, INPUTS)), self.probe.rng.normal(size=(ROWS, OUTPUTS))
        self.probe.do(layer, "forward", x)
        self.probe.do(layer, "backward", e)
        if not near(get_weights(self.probe, layer), w):
            words = "backward changes the weights although no optimizer is set"
            self.probe.fault("optimizer-ignored", words, "update")
            return
        optimizer = RecordingOptimizer()
        set_optimizer(self.probe, layer, optimizer)
        self.probe.do(layer, "forward", x)
        actual = self.probe.do(layer, "backward", e)
        after = get_weights(self.probe, layer)
        kernel, _ = self.split(w)
        if not optimizer.log and not near(after, w):
            words = "backward changes the weights itself; it must call the optimizer's calculate_update"
            self.probe.fault("optimizer-not-called", words, "update")
            return
        if not check_updates(self.probe, optimizer.log):
            return
        wrong_error = any(f.method == "backward" for f in self.probe.faults)
        if not wrong_error and not near(actual, e @ kernel.T):
            words = "with an optimizer, backward returns another error: the weights are updated before it is computed"
            self.probe.fault("updated-too-early", words, "backward")
        self.new_weights(optimizer, w, after)

    def new_weights(self, optimizer: RecordingOptimizer, w: Array, after: Any) -> None:
        """What one step made of the weights."""
        gradient = optimizer.log[-1].gradient
        if near(after, w):
            self.probe.fault(
                "update-not-stored", "the optimizer's result is not stored: the weights do not change", "update"
            )
            return
        if near(gradient, w) or (gradient.shape == w.shape and near(optimizer.log[-1].weights, w) is False):
            words = "weights and gradient are exchanged in the call of calculate_update"
            if near(gradient, w):
                self.probe.fault("arguments-swapped", words, "update")
                return
        if any(f.method == "gradient of the weights" for f in self.probe.faults):
            return
        step = RATE * gradient
        variants = (
            Variant("sign", "the weights go up the gradient", w + step),
            Variant("updated-repeatedly", "the weights are updated twice", w - 2 * step),
            Variant("bias-not-updated", "the bias is not updated", np.vstack([(w - step)[:-1], w[-1]])),
            Variant(
                "update-wrong", "the result of calculate_update is subtracted from the weights again", w - (w - step)
            ),
            Variant("update-wrong", "the result of calculate_update is added to the weights", w + (w - step)),
        )
        self.probe.compare("update", after, w - step, variants, what="the new weights")

    def initialize(self) -> None:
        """The kernel from the weights initializer, the bias from the bias initializer."""
        layer, _ = self.make()
        kernels, biases = RecordingInitializer(-0.9, -0.1, 1), RecordingInitializer(0.2, 0.7, 2)
        self.probe.do(layer, "initialize", kernels, biases)
        kernel, bias = self.split(np.array(get_weights(self.probe, layer), dtype=float))
        method = "initialize"
        if not kernels.calls:
            self.probe.fault("initializer-not-used", "the weights_initializer is not used", method)
        if not biases.calls:
            self.probe.fault("initializer-not-used", "the bias_initializer is not used", method)
        elif (bias < 0).all():
            self.probe.fault("initializer-not-used", "the bias's row has the values of the weights_initializer", method)
        if kernels.calls:
            _, fan_in, fan_out, _ = kernels.calls[0]
            if (fan_in, fan_out) == (OUTPUTS, INPUTS):
                self.probe.fault("fans-swapped", "fan_in and fan_out are exchanged", method)
            elif fan_in not in (INPUTS, None) or fan_out not in (OUTPUTS, None):
                words = (
                    f"fan_in, fan_out are {fan_in}, {fan_out}; expected input_size, output_size = {INPUTS}, {OUTPUTS}"
                )
                self.probe.fault("fans", words, method)
            if (kernel > 0).any() and biases.calls and (bias > 0).all():
                self.probe.fault("initializer-not-used", "not all weights come from the weights_initializer", method)

    def regularization(self) -> None:
        """``calculate_regularization_loss``."""
        layer, w = self.make()
        regularization_loss(self.probe, layer, SquareNorm().norm(w), SquareNorm().norm(w[:-1]))


def regularization_loss(probe: Probe, layer: Any, right: float, without_bias: float | None = None) -> None:
    """Check ``calculate_regularization_loss`` of a layer; later editions need none."""
    name = "calculate_regularization_loss"
    function = probe.method(layer, name, required=probe.contract)
    if function is None:
        return
    set_optimizer(probe, layer, RecordingOptimizer())
    if not near(probe.call(name, function), 0.0):
        probe.fault("regularization", "without a regularizer the regularization loss is not 0", name)
    optimizer = RecordingOptimizer()
    optimizer.add_regularizer(SquareNorm())
    set_optimizer(probe, layer, optimizer)
    loss = probe.call(name, function)
    if not optimizer.regularizer.calls and not near(loss, 0.0):
        probe.fault("regularization", "does not call the regularizer's norm", name)
        return
    variants = [Variant("regularization-missing", "the regularization loss is always 0", 0.0)]
    if without_bias is not None:
        variants.append(Variant("regularization", "the regularization loss leaves out the bias", without_bias))
    if probe.compare(name, loss, right, variants, what="the regularization loss"):
        repeated(probe, name, function, loss)


def repeated(probe: Probe, name: str, function: Any, loss: Any) -> None:
    """A second call must give the same loss."""
    again = probe.call(name, function)
    if near(again, 2 * np.asarray(loss)):
        probe.fault("not-reset", "a second call adds to the loss of the first: it must start from 0", name)
    elif not near(again, loss):
        probe.fault("not-reset", "a second call gives another loss for the same weights", name)
