"""Layers with one fault each, in their weights or in the weight protocol."""

from __future__ import annotations

import copy

import numpy as np
from wrong import ROWS, Wrong

from graphnet import Layer, ShapeError, Weight
from graphnet.testing import Case


class Dense(Layer):
    """y = x · W + b: the correct layer."""

    size: int = 3

    def parameters(self, *inputs):
        return {
            "weights": Weight((3, self.size), 3, self.size),
            "bias": Weight((self.size,), 3, self.size, kind="bias"),
        }

    def infer(self, x):
        if x.size(-1) not in (None, 3):
            raise ShapeError("another size", where=repr(self), expected=3, received=x)
        return x.resized(-1, self.size)

    def apply(self, x, *, weights, bias):
        return x @ weights + bias, x

    def pull(self, x, error, *, weights):
        return error @ weights.T

    def grad(self, x, error):
        return {"weights": x.T @ error, "bias": error.sum(axis=0)}


class TransposedPull(Dense):
    """Multiplies the error by the weights, not by their transpose."""

    def pull(self, x, error, *, weights):
        return error @ weights


class TransposedGrad(Dense):
    """Returns the transposed gradient."""

    def grad(self, x, error):
        return {"weights": error.T @ x, "bias": error.sum(axis=0)}


class MeanGrad(Dense):
    """Averages over the batch instead of summing."""

    def grad(self, x, error):
        return {"weights": x.T @ error / len(x), "bias": error.sum(axis=0)}


class BiasMean(Dense):
    """Averages the gradient of the bias over the batch."""

    def grad(self, x, error):
        return {"weights": x.T @ error, "bias": error.mean(axis=0)}


class FirstRowGrad(Dense):
    """Counts only the first row of the batch."""

    def grad(self, x, error):
        return {"weights": x[:1].T @ error[:1], "bias": error[0]}


class LastRowLost(Dense):
    """Omits the last of many rows from the gradient."""

    def grad(self, x, error):
        kept = slice(None) if len(x) < 100 else slice(-1)
        return {"weights": x[kept].T @ error[kept], "bias": error.sum(axis=0)}


class NoBiasGrad(Dense):
    """Returns no gradient for the bias."""

    def grad(self, x, error):
        return {"weights": x.T @ error}


class UnknownGrad(Dense):
    """Returns a gradient for an unknown weight."""

    def grad(self, x, error):
        return {"weights": x.T @ error, "bias": error.sum(axis=0), "biases": error.sum(axis=0)}


class UnsummedBias(Dense):
    """Does not sum the gradient of the bias."""

    def grad(self, x, error):
        return {"weights": x.T @ error, "bias": error}


class NegatedGrad(Dense):
    """Returns a gradient of the wrong sign."""

    def grad(self, x, error):
        return {"weights": -x.T @ error, "bias": error.sum(axis=0)}


class SingleGrad(Dense):
    """Returns twice the gradient in float32."""

    def grad(self, x, error):
        return {"weights": (x.T @ error) * (1 if x.dtype == np.float64 else 2), "bias": error.sum(axis=0)}


class WrittenWeights(Dense):
    """Writes to its weights."""

    def apply(self, x, *, weights, bias):
        weights *= 1.01
        return x @ weights + bias, x


class BatchWeights(Dense):
    """Has as many biases as the batch has rows."""

    def parameters(self, *inputs):
        rows = inputs[0].size(0) if inputs else None
        if rows is None:
            raise ShapeError("not known yet", where="BatchWeights")
        return {"weights": Weight((3, 3), 3, 3), "bias": Weight((rows, 1), 3, 3, kind="bias")}

    def grad(self, x, error):
        return {"weights": x.T @ error, "bias": error.sum(axis=1, keepdims=True)}


class Unchecked(Dense):
    """Does not check the size of its input."""

    def infer(self, x):
        return x.resized(-1, self.size)


class KeptReference(Dense):
    """set_weights keeps a reference to its argument."""

    def set_weights(self, values):
        self.params["weights"].value = np.asarray(values)


class HandedOut(Dense):
    """get_weights returns its own array."""

    def get_weights(self):
        return self.params["weights"].value


class TransposedGet(Dense):
    """get_weights transposes, set_weights does not."""

    def get_weights(self):
        return super().get_weights().T


class AnyShape(Dense):
    """set_weights accepts any shape."""

    def set_weights(self, values):
        self.params["weights"].value = np.array(np.resize(values, (3, self.size)))


class HalfGradient(Dense):
    """get_gradient_weights returns the mean."""

    def get_gradient_weights(self):
        return super().get_gradient_weights() / 4


class IgnoresInitializers(Dense):
    """initialize ignores its initializers."""

    def initialize(self, weights_initializer, bias_initializer):
        for parameter in self.params.values():
            parameter.value = np.full(parameter.value.shape, 0.5)


class BiasInitialized(Dense):
    """initialize fills the bias with the weights' initializer."""

    def initialize(self, weights_initializer, bias_initializer):
        super().initialize(weights_initializer, weights_initializer)


class Unseeded(Dense):
    """Draws its initial weights from another generator."""

    def check(self):
        self._waiting_rng = np.random.default_rng()

    def __post_init__(self):
        super().__post_init__()
        self.params["weights"].value = self._waiting_rng.random((3, self.size))


class EarlyUpdate(Dense):
    """Updates the weights before computing the error."""

    def backward(self, error):
        if self.optimizer is None:
            return super().backward(error)
        optimizer, self.store.optimizer = self.store.optimizer, None
        given = {n: p.optimizer for n, p in self.params.items()}
        for p in self.params.values():
            p.optimizer = None
        back = super().backward(error)
        for name, p in self.params.items():
            p.optimizer = given[name]
        self.store.optimizer = optimizer
        self._update()
        return back + error @ (self.params["weights"].value.T - self._before)

    def forward(self, x):
        self._before = self.params["weights"].value.T.copy()
        return super().forward(x)


class TwoSteps(Dense):
    """Takes two optimizer steps instead of one."""

    def backward(self, error):
        back = super().backward(error)
        self._update()
        return back


class NoStep(Dense):
    """Takes no optimizer step."""

    def _update(self):
        pass


class NoDelta(Dense):
    """Ignores its delta."""

    def backward(self, error):
        kept, self.delta = self.delta, 1.0
        back = super().backward(error)
        self.delta = kept
        return back


class Unregularized(Dense):
    """Has no regularization loss."""

    def calculate_regularization_loss(self):
        return 0.0


class Forgetful(Dense):
    """Omits its size from its configuration."""

    def config(self):
        return {}


class Growing(Dense):
    """Increases its size by one when constructed."""

    def check(self):
        self.size = self.size + 1


class Uncopied(Dense):
    """Cannot be copied."""

    def __deepcopy__(self, memo):
        raise TypeError("cannot be copied")


class SharedCopy(Dense):
    """Shares its weights with its copies."""

    def __deepcopy__(self, memo):
        return copy.copy(self)


class Careless(Dense):
    """Accepts a size of 0."""


class Doubled(Dense):
    """Adds its bias twice, in both passes."""

    def apply(self, x, *, weights, bias):
        return x @ weights + 2 * bias, x

    def grad(self, x, error):
        return {"weights": x.T @ error, "bias": 2 * error.sum(axis=0)}


class Rows(Dense):
    """y = x · W + b, with the size of the input from the configuration or from the first input."""

    rows: int | None = None

    def parameters(self, *inputs):
        rows = inputs[0].size(-1) if self.rows is None and inputs else self.rows
        if rows is None:
            raise ShapeError("the size of the input is not known yet", where=repr(self))
        return {
            "weights": Weight((rows, self.size), rows, self.size),
            "bias": Weight((self.size,), rows, self.size, kind="bias"),
        }


class ScaledWhereKnown(Rows):
    """Divides by the size of the input only if its configuration has it."""

    def apply(self, x, *, weights, bias):
        return x @ weights / (self.rows or 1) + bias, x

    def pull(self, x, error, *, weights):
        return error @ weights.T / (self.rows or 1)

    def grad(self, x, error):
        return {"weights": x.T @ error / (self.rows or 1), "bias": error.sum(axis=0)}


class EmptyWeights(Rows):
    """Returns no weights, rather than an error, before its first input."""

    def get_weights(self):
        return super().get_weights() if self.params else None


class Lookup(Layer):
    """Does not sum the gradients of repeated ids."""

    integer_inputs = (0,)

    def parameters(self, *inputs):
        return {"weights": Weight((5, 3), 5, 3)}

    def infer(self, ids):
        return ids.extended("feature", 3)

    def apply(self, ids, *, weights):
        return weights[ids], ids

    def pull(self, ids, error):
        return None

    def grad(self, ids, error):
        gradient = np.zeros((5, 3), error.dtype)
        gradient[ids] += error
        return {"weights": gradient}


class DeepDense(Dense):
    """Declares rowwise but sums only one of three axes."""

    rowwise = True

    def grad(self, x, error):
        rows = x.reshape(-1, x.shape[-1])
        return {
            "weights": rows.T @ error.reshape(-1, error.shape[-1]),
            "bias": error.sum(axis=0).reshape(-1, self.size)[0],
        }


WEIGHTS = [
    *(
        Wrong(Case(layer, {"size": 4} if layer in (Forgetful, Growing) else {}, ROWS))
        for layer in (
            TransposedPull, TransposedGrad, MeanGrad, BiasMean, FirstRowGrad, LastRowLost, NoBiasGrad, UnknownGrad,
            UnsummedBias, NegatedGrad, SingleGrad, WrittenWeights, BatchWeights, Unchecked, KeptReference, HandedOut,
            TransposedGet, AnyShape, HalfGradient, IgnoresInitializers, BiasInitialized, Unseeded, EarlyUpdate, TwoSteps,
            NoStep, NoDelta, Unregularized, Forgetful, Growing, Uncopied, SharedCopy,
        )
    ),
    Wrong(Case(ScaledWhereKnown, {"size": 4, "rows": 3}, ROWS)),
    Wrong(Case(EmptyWeights, {"size": 4}, ROWS)),
    Wrong(Case(Careless, {"size": 4}, ROWS, refused=[{"size": 0}])),
    Wrong(Case(Doubled, {"size": 4}, ROWS, reference=lambda x, weights, bias: x @ weights + bias)),
    Wrong(Case(Lookup, {}, np.array([[0, 4, 4], [1, 4, 0]]))),
    Wrong(Case(DeepDense, {}, "time=3, batch=2, feature=3")),
]  # fmt: skip
RIGHT = [
    Case(Dense, {"size": 4}, ROWS, reference=lambda x, weights, bias: np.einsum("bi,ij->bj", x, weights) + bias),
    Case(Rows, {"size": 4, "rows": 3}, ROWS),
]
