"""Layers that break what every layer inherits: weights in and out, optimizers, configuration, copies; and infer."""

from __future__ import annotations

import threading

import numpy as np
from faults_base import ROWS, SEQUENCE, Blend, Dense, Fault, Gain, Polar, Square, Squash

from graphnet import Layer, ShapeError, Weight
from graphnet.core.describe.store import Store
from graphnet.testing import Case


class SetKeeps(Dense):
    """``y = x · weights + bias``."""

    def set_weights(self, values):
        super().set_weights(values)
        self.params["weights"].value = np.asarray(values, self.dtype)


class SetTransposes(Dense):
    """``y = x · weights + bias``, square."""

    def set_weights(self, values):
        super().set_weights(np.asarray(values).T)


class SetIgnoresShape(Gain):
    """``y = x · weights``."""

    def set_weights(self, values):
        self.params["weights"].value = np.array(values, self.dtype)


class SetReshapes(Dense):
    """``y = x · weights + bias``."""

    def set_weights(self, values):
        super().set_weights(np.resize(values, (self.size, self.units)))


class SetNothing(Dense):
    """``y = x · weights + bias``."""

    def set_weights(self, values):
        if np.shape(values) != (self.size, self.units):
            super().set_weights(values)


class SetForgetsDtype(Gain):
    """``y = x · weights``."""

    def set_weights(self, values):
        super().set_weights(values)
        self.params["weights"].value = np.array(values)


class SetWrites(Dense):
    """``y = x · weights + bias``."""

    def set_weights(self, values):
        super().set_weights(values)
        if isinstance(values, np.ndarray) and values.flags.writeable:
            values[...] = 0


class SetRawError(Dense):
    """``y = x · weights + bias``."""

    def set_weights(self, values):
        assert np.shape(values) == (self.size, self.units)
        super().set_weights(values)


class GetItself(Dense):
    """``y = x · weights + bias``."""

    def get_weights(self):
        return self.params["weights"].value


class GetTransposes(Dense):
    """``y = x · weights + bias``, square."""

    def get_weights(self):
        return super().get_weights().T


class GetRounds(Gain):
    """``y = x · weights``."""

    def get_weights(self):
        return np.round(super().get_weights(), 6)


class GradientItself(Dense):
    """``y = x · weights + bias``."""

    def get_gradient_weights(self):
        return self.params["weights"].gradient


class GradientIsWeights(Dense):
    """``y = x · weights + bias``."""

    def get_gradient_weights(self):
        super().get_gradient_weights()
        return self.get_weights()


class GradientMean(Dense):
    """``y = x · weights + bias``."""

    def get_gradient_weights(self):
        return super().get_gradient_weights() / self._rows

    def forward(self, *inputs):
        self._rows = len(inputs[0])
        return super().forward(*inputs)


class GradientEarly(Gain):
    """``y = x · weights``."""

    def get_gradient_weights(self):
        gradient = self.params["weights"].gradient
        return np.zeros(self.size) if gradient is None else gradient.copy()


class UpdatesFirst(Gain):
    """``y = x · weights``."""

    def backward(self, *errors):
        super().backward(*errors)
        return np.asarray(errors[0]) * self.params["weights"].value


class UpdatesTwice(Dense):
    """``y = x · weights + bias``."""

    def _update(self):
        super()._update()
        super()._update()


class UpdatesNever(Dense):
    """``y = x · weights + bias``."""

    def _update(self):
        pass


class UpdatesWithoutOptimizer(Gain):
    """``y = x · weights``."""

    def backward(self, *errors):
        found = super().backward(*errors)
        if self.optimizer is None:
            parameter = self.params["weights"]
            parameter.value = parameter.value - 1e-3 * parameter.gradient
        return found


class OptimizerIgnored(Dense):
    """``y = x · weights + bias``."""

    def set_optimizer(self, optimizer):
        self.store.optimizer = optimizer


class OptimizerShared(Dense):
    """``y = x · weights + bias``."""

    def set_optimizer(self, optimizer):
        super().set_optimizer(optimizer)
        self.params["bias"].optimizer = optimizer


class DeltaIgnored(Dense):
    """``y = x · weights + bias``."""

    def _update(self):
        kept, self.delta = self.delta, 1.0
        super()._update()
        self.delta = kept


class BackwardDoubles(Squash):
    """``y = tanh(x)``."""

    def backward(self, *errors):
        return 2 * super().backward(*errors)


class BackwardWritesError(Squash):
    """``y = tanh(x)``."""

    def backward(self, *errors):
        found = super().backward(*errors)
        if isinstance(errors[0], np.ndarray):
            errors[0][...] = found
        return found


class ForwardKeepsInput(Square):
    """``y = x²``."""

    def forward(self, *inputs):
        self.given = inputs[0]
        return super().forward(*inputs)

    def backward(self, *errors):
        super().backward(*errors)
        return 2 * self.given * np.asarray(errors[0])


class ForwardAlwaysTrains(Layer):
    """``y = x · 2`` in the train phase, ``y = x`` in the test phase."""

    def apply(self, x, *, phase):
        factor = 2 if phase.value == "train" else 1
        return x * factor, factor

    def pull(self, factor, error):
        return error * factor

    @property
    def phase(self):
        """Always the train phase."""
        return self._phase

    @phase.setter
    def phase(self, phase):
        pass


class InitializeIgnores(Dense):
    """``y = x · weights + bias``."""

    def initialize(self, weights_initializer, bias_initializer):
        pass


class InitializeSwaps(Dense):
    """``y = x · weights + bias``."""

    def initialize(self, weights_initializer, bias_initializer):
        super().initialize(bias_initializer, weights_initializer)


class InitializeWeightsAlone(Dense):
    """``y = x · weights + bias``."""

    def initialize(self, weights_initializer, bias_initializer):
        kept = self.params["bias"].value
        super().initialize(weights_initializer, bias_initializer)
        self.params["bias"].value = kept


class FansSwapped(Dense):
    """``y = x · weights + bias``."""

    def parameters(self, *inputs):
        weights = Weight((self.size, self.units), fan_in=self.units, fan_out=self.size)
        return {**super().parameters(*inputs), "weights": weights}


class LossDoubles(Dense):
    """``y = x · weights + bias``."""

    def calculate_regularization_loss(self):
        return 2 * super().calculate_regularization_loss()


class LossNever(Dense):
    """``y = x · weights + bias``."""

    def calculate_regularization_loss(self):
        return 0.0


class LossOfGradient(Gain):
    """``y = x · weights``."""

    def calculate_regularization_loss(self):
        regularizer = getattr(self.optimizer, "regularizer", None)
        return 0.0 if regularizer is None else float(regularizer.norm(self.params["weights"].value ** 2))


class ConfigMisses(Layer):
    """``y = scale · x + shift``."""

    scale: float = 1.0
    shift: float = 0.0

    def config(self):
        return {name: value for name, value in super().config().items() if name != "shift"}

    def apply(self, x):
        return self.scale * x + self.shift, None

    def pull(self, saved, error):
        return self.scale * error


class ConfigMangled(Layer):
    """``y = (1 - rate) · x``."""

    rate: float = 0.0

    def check(self):
        self.rate = 1 - self.rate

    def apply(self, x):
        return self.rate * x, None

    def pull(self, saved, error):
        return self.rate * error


class ConfigGrows(Dense):
    """``y = [x · weights + bias]`` with one more output for good measure."""

    def check(self):
        super().check()
        self.units += 1


class ConfigRounds(Layer):
    """``y = scale · x``."""

    scale: float = 1.0

    def config(self):
        return {name: round(value, 2) for name, value in super().config().items()}

    def apply(self, x):
        return self.scale * x, None

    def pull(self, saved, error):
        return self.scale * error


class ConfigFunction(Layer):
    """``y = x · function(1)`` of a Python function."""

    function: object = None

    def apply(self, x):
        return x if self.function is None else x * self.function(1.0), None

    def pull(self, saved, error):
        return error if self.function is None else error * self.function(1.0)


class OwnConstructor(Squash):
    """``y = scale · tanh(x)``; the scale is not a field."""

    def __init__(self, scale=1.0):
        self.scale = scale
        self.__post_init__()

    def apply(self, x):
        y = np.tanh(x)
        return self.scale * y, y

    def pull(self, y, error):
        return self.scale * error * (1 - y * y)


class NoCopy(Squash):
    """``y = tanh(x)``."""

    def check(self):
        self.lock = threading.Lock()


class CopyShares(Gain):
    """``y = x · weights``."""

    def __deepcopy__(self, memo):
        return self


class CopyForgets(Gain):
    """``y = x · weights``."""

    def __deepcopy__(self, memo):
        return type(self)(**self.config())


class AnythingGoes(Dense):
    """``y = x · weights + bias``."""

    def check(self):
        pass


class RefusesRawly(Dense):
    """``y = x · weights + bias``."""

    def check(self):
        assert self.size >= 1 and self.units >= 1


class Undocumented(Squash):
    elementwise = True


class Helpless(Squash):
    """A layer."""


class LossyPickle(Gain):
    """``y = x · weights``."""

    def __getstate__(self):
        return {**super().__getstate__(), "store": Store()}


class Unsized(Dense):
    """``y = x · weights + bias``; its weights exist only after the first input."""

    def parameters(self, *inputs):
        return super().parameters() if inputs else {}


class TrainableNot(Gain):
    """``y = x · weights``."""

    @property
    def trainable(self):
        """Never."""
        return False


class TwoNames(Blend):
    """``y = a · tanh(b)``, its inputs named otherwise."""

    def input_ports(self):
        from graphnet.core.describe.signatures import Ports

        return Ports(("b", "a", "c"))


class OnePort(Polar):
    """``exp(x / 2)`` and ``sin(x)``."""

    def output_ports(self):
        return ("power",)


class SamePorts(Polar):
    """``exp(x / 2)`` and ``sin(x)``."""

    def output_ports(self):
        return ("power", "power")


class RefusesLate(Gain):
    """``y = x · weights``; refuses wrong sizes only in apply, by numpy's own error."""

    def infer(self, x):
        return x.resized(-1, self.size)


class ErrorInPlace(Gain):
    """``y = x · weights``."""

    def set_weights(self, values):
        array = np.asarray(values, float)
        self.params["weights"].value[: array.size] = array.reshape(-1)[: self.size]
        if array.shape != (self.size,):
            raise ShapeError("another shape", where=repr(self), expected=(self.size,), received=array.shape)


DENSE, SQUARE, SIZE = {"size": 4, "units": 5}, {"size": 4, "units": 4}, {"size": 4}
FAULTS = [
    Fault("set_weights keeps", Case(SetKeeps, DENSE), "set_weights keeps the caller's array"),
    Fault("set_weights transposes", Case(SetTransposes, SQUARE), "set_weights transposes square weights"),
    Fault("set_weights ignores the shape", Case(SetIgnoresShape, SIZE), "set_weights takes any shape"),
    Fault("set_weights reshapes", Case(SetReshapes, DENSE), "set_weights repeats or cuts what does not fit"),
    Fault("set_weights does nothing", Case(SetNothing, DENSE), "set_weights changes nothing"),
    Fault(
        "set_weights forgets the dtype",
        Case(SetForgetsDtype, {"size": 4, "dtype": "float32"}),
        "set_weights makes float32 weights float64",
    ),
    Fault("set_weights writes", Case(SetWrites, DENSE), "set_weights clears the caller's array"),
    Fault("set_weights raw error", Case(SetRawError, DENSE), "set_weights refuses another shape by an assertion"),
    Fault(
        "set_weights changes, then refuses", Case(ErrorInPlace, SIZE), "a refused set_weights has changed the weights"
    ),
    Fault("get_weights hands out", Case(GetItself, DENSE), "get_weights hands out the array itself"),
    Fault("get_weights transposes", Case(GetTransposes, SQUARE), "get_weights transposes square weights"),
    Fault("get_weights rounds", Case(GetRounds, SIZE), "get_weights rounds to 6 places"),
    Fault("gradient handed out", Case(GradientItself, DENSE), "get_gradient_weights hands out the array itself"),
    Fault("gradient is the weights", Case(GradientIsWeights, DENSE), "get_gradient_weights returns the weights"),
    Fault("gradient is a mean", Case(GradientMean, DENSE), "get_gradient_weights divides by the rows"),
    Fault("gradient before backward", Case(GradientEarly, SIZE), "zeros, and no StateError, before the first backward"),
    Fault("updates first", Case(UpdatesFirst, SIZE), "backward computes the error with the updated weights"),
    Fault("updates twice", Case(UpdatesTwice, DENSE), "backward takes two steps of the optimizer"),
    Fault("updates never", Case(UpdatesNever, DENSE), "backward takes no step of the optimizer"),
    Fault("updates without optimizer", Case(UpdatesWithoutOptimizer, SIZE), "backward updates without an optimizer"),
    Fault("optimizer ignored", Case(OptimizerIgnored, DENSE), "set_optimizer does not reach the weights"),
    Fault("optimizer shared", Case(OptimizerShared, DENSE), "weights and bias share one optimizer's moments"),
    Fault("delta ignored", Case(DeltaIgnored, DENSE), "the layer's delta does not scale the learning rate"),
    Fault("backward doubles", Case(BackwardDoubles), "backward doubles what pull says"),
    Fault("backward writes the error", Case(BackwardWritesError), "backward writes to the caller's error"),
    Fault("forward keeps its input", Case(ForwardKeepsInput), "backward reads the caller's array, changed meanwhile"),
    Fault("phase stuck", Case(ForwardAlwaysTrains), "the phase cannot be set"),
    Fault("initialize ignores", Case(InitializeIgnores, DENSE), "initialize does nothing"),
    Fault("initialize swaps", Case(InitializeSwaps, DENSE), "the two initializers are swapped"),
    Fault("initialize forgets the bias", Case(InitializeWeightsAlone, DENSE), "initialize leaves the bias as it is"),
    Fault("fans swapped", Case(FansSwapped, DENSE), "fan_in and fan_out are swapped"),
    Fault("regularization twice", Case(LossDoubles, DENSE), "the regularization loss counts twice"),
    Fault("regularization never", Case(LossNever, DENSE), "the regularization loss is always 0"),
    Fault(
        "regularization squared", Case(LossOfGradient, SIZE), "the regularization loss is that of the squared weights"
    ),
    Fault("config misses a field", Case(ConfigMisses, {"scale": 1.7, "shift": 0.3}), "config() leaves out shift"),
    Fault("config mangled", Case(ConfigMangled, {"rate": 0.3}), "check() replaces rate by 1 - rate"),
    Fault("config grows", Case(ConfigGrows, DENSE), "check() adds 1 to units"),
    Fault("config rounds", Case(ConfigRounds, {"scale": 1.2345}), "config() rounds to 2 places"),
    Fault("config function", Case(ConfigFunction, {"function": abs}), "a field holds what no file can"),
    Fault("own constructor", Case(OwnConstructor, {"scale": 1.7}), "the constructor's argument is not a field"),
    Fault("no copy", Case(NoCopy), "a lock in self: the layer cannot be deep-copied"),
    Fault("copy shares", Case(CopyShares, SIZE), "a deep copy is the layer itself"),
    Fault("copy forgets", Case(CopyForgets, SIZE), "a deep copy has fresh weights"),
    Fault("pickle forgets", Case(LossyPickle, SIZE), "copies and pickles lose the weights"),
    Fault(
        "anything goes",
        Case(AnythingGoes, DENSE, refused=[{"size": 0, "units": 5}, {"size": 4, "units": -1}]),
        "meaningless configurations are taken",
    ),
    Fault("refuses rawly", Case(RefusesRawly, DENSE, refused=[{"size": 0, "units": 5}]), "refused by an assertion"),
    Fault("undocumented", Case(Undocumented), "the class has no docstring"),
    Fault("unhelpful docstring", Case(Helpless), "the docstring says nothing"),
    Fault(
        "weights late",
        Case(Unsized, DENSE),
        "weights whose sizes the configuration tells are made with the first input",
    ),
    Fault("trainable not", Case(TrainableNot, SIZE), "says that it has no weights"),
    Fault("three ports", Case(TwoNames, {}, [ROWS, ROWS]), "input_ports says three inputs; apply takes two"),
    Fault("one port", Case(OnePort), "output_ports says one output; there are two"),
    Fault("same ports", Case(SamePorts), "two outputs of one name"),
    Fault(
        "refuses late", Case(RefusesLate, SIZE, SEQUENCE), "an input of another size fails by numpy's error in apply"
    ),
]
