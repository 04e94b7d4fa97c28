"""Faults in initialization, configuration, copies and ports."""

from __future__ import annotations

import threading

import numpy as np
from faults_base import ROWS, SEQUENCE, Blend, Dense, Fault, Gain, Polar, Squash

from graphnet import Layer, ShapeError, Weight
from graphnet.core.describe.store import Store
from graphnet.testing import Case


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


DENSE, SIZE = {"size": 4, "units": 5}, {"size": 4}
FAULTS = [
    Fault(
        "set_weights changes, then refuses", Case(ErrorInPlace, SIZE), "a refused set_weights has changed the weights"
    ),
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
