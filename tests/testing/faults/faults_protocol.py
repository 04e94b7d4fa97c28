"""Faults in the weight protocol: get, set, gradients, updates."""

from __future__ import annotations

import numpy as np
from faults_base import Dense, Fault, Gain, Square, Squash

from graphnet import Layer
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
]
