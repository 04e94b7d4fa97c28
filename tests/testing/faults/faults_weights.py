"""Gradients of weights, and the weights' declarations, that are wrong."""

from __future__ import annotations

import numpy as np
from faults_base import SEQUENCE, Dense, Fault, Gain, Table

from graphnet import Layer, ShapeError, Weight
from graphnet.testing import Case


class GradSign(Dense):
    """``y = x · weights + bias``."""

    def grad(self, x, error):
        found = super().grad(x, error)
        return {"weights": -found["weights"], "bias": found["bias"]}


class BiasGradSign(Dense):
    """``y = x · weights + bias``."""

    def grad(self, x, error):
        found = super().grad(x, error)
        return {"weights": found["weights"], "bias": -found["bias"]}


class GradMean(Dense):
    """``y = x · weights + bias``."""

    def grad(self, x, error):
        return {name: gradient / len(x) for name, gradient in super().grad(x, error).items()}


class GradTimesBatch(Gain):
    """``y = x · weights``."""

    def grad(self, x, error):
        return {"weights": (x * error).reshape(-1, self.size).sum(0) * len(x)}


class GradTwice(Dense):
    """``y = x · weights + bias``."""

    def grad(self, x, error):
        found = super().grad(x, error)
        return {**found, "weights": 2 * found["weights"]}


class GradTransposed(Dense):
    """``y = x · weights + bias``, square."""

    def grad(self, x, error):
        found = super().grad(x, error)
        return {**found, "weights": found["weights"].T}


class GradTransposedOblong(GradTransposed):
    """``y = x · weights + bias``, not square."""


class GradOneMissing(Dense):
    """``y = x · weights + bias``."""

    def grad(self, x, error):
        return {"weights": super().grad(x, error)["weights"]}


class GradOneZero(Dense):
    """``y = x · weights + bias``."""

    def grad(self, x, error):
        found = super().grad(x, error)
        return {**found, "bias": np.zeros_like(found["bias"])}


class GradEmpty(Gain):
    """``y = x · weights``."""

    def grad(self, x, error):
        return {}


class GradMisnamed(Gain):
    """``y = x · weights``."""

    def grad(self, x, error):
        return {"weight": super().grad(x, error)["weights"]}


class GradUnsummed(Dense):
    """``y = x · weights + bias``."""

    def grad(self, x, error):
        return {**super().grad(x, error), "bias": error}


class BiasMean(Dense):
    """``y = x · weights + bias``."""

    def grad(self, x, error):
        return {**super().grad(x, error), "bias": error.reshape(-1, self.units).mean(0)}


class GradFirstRow(Gain):
    """``y = x · weights``."""

    def grad(self, x, error):
        return {"weights": (x * error).reshape(-1, self.size)[0]}


class GradLastRow(Gain):
    """``y = x · weights``."""

    def grad(self, x, error):
        return {"weights": (x * error).reshape(-1, self.size)[-1]}


class GradSkipsFirst(Dense):
    """``y = x · weights + bias``."""

    def grad(self, x, error):
        return {**super().grad(x, error), "weights": x[1:].reshape(-1, self.size).T @ error[1:].reshape(-1, self.units)}


class GradFirstAxis(Gain):
    """``y = x · weights``, of rows; wrong for sequences alone."""

    def grad(self, x, error):
        product = x * error
        return {"weights": product.sum(0) if product.ndim == 2 else product.sum(0)[0]}


class BiasFirstStep(Dense):
    """``y = x · weights + bias``, right for rows."""

    def grad(self, x, error):
        return {**super().grad(x, error), "bias": error.sum(0) if error.ndim == 2 else error[0].sum(0)}


class GradMaximum(Gain):
    """``y = x · weights``."""

    def grad(self, x, error):
        return {"weights": (x * error).reshape(-1, self.size).max(0)}


class GradDecays(Dense):
    """``y = x · weights + bias``."""

    def grad(self, x, error, *, weights):
        found = super().grad(x, error)
        return {**found, "weights": found["weights"] + 0.01 * weights}


class GradClips(Dense):
    """``y = x · weights + bias``."""

    def grad(self, x, error):
        return {name: np.clip(gradient, -5, 5) for name, gradient in super().grad(x, error).items()}


class GradIgnoresInput(Gain):
    """``y = x · weights``."""

    def grad(self, x, error):
        return {"weights": error.reshape(-1, self.size).sum(0)}


class PullIgnoresWeights(Gain):
    """``y = x · weights``."""

    def pull(self, x, error, *, weights):
        return error


class TableOverwrites(Table):
    """``y = weights[x]``."""

    def grad(self, rows, error):
        gradient = np.zeros((self.count, self.size), error.dtype)
        gradient[rows] = error
        return {"weights": gradient}


class TableAddsOnce(Table):
    """``y = weights[x]``."""

    def grad(self, rows, error):
        gradient = np.zeros((self.count, self.size), error.dtype)
        gradient[rows] += error
        return {"weights": gradient}


class TableFirstColumn(Table):
    """``y = weights[x]``."""

    def grad(self, rows, error):
        gradient = np.zeros((self.count, self.size), error.dtype)
        np.add.at(gradient, rows[:, :1], error[:, :1])
        return {"weights": gradient}


class TablePadding(Table):
    """``y = weights[x]``."""

    def grad(self, rows, error):
        gradient = super().grad(rows, error)["weights"]
        gradient[0] = 0
        return {"weights": gradient}


class TableCounts(Table):
    """``y = weights[x]``."""

    def grad(self, rows, error):
        uses = np.bincount(rows.reshape(-1), minlength=self.count)
        gradient = super().grad(rows, error)["weights"]
        return {"weights": gradient / np.maximum(uses, 1).astype(error.dtype)[:, None]}


class SharedHalf(Gain):
    """``y = x · weights · weightsᵀ``: the same weights ``(size, 5)`` twice."""

    def parameters(self, *inputs):
        return {"weights": Weight((self.size, 5), fan_in=self.size, fan_out=5)}

    def apply(self, x, *, weights):
        return x @ weights @ weights.T, x

    def pull(self, x, error, *, weights):
        return error @ weights @ weights.T

    def grad(self, x, error, *, weights):
        return {"weights": x.reshape(-1, self.size).T @ (error @ weights).reshape(-1, 5)}


class TwoSwapped(Gain):
    """``y = x · gain + shift``, both ``(size,)``."""

    def parameters(self, *inputs):
        return {"gain": Weight((self.size,)), "shift": Weight((self.size,), kind="bias")}

    def apply(self, x, *, gain, shift):
        return x * gain + shift, x

    def pull(self, x, error, *, gain):
        return error * gain

    def grad(self, x, error):
        rows, errors = x.reshape(-1, self.size), error.reshape(-1, self.size)
        return {"gain": errors.sum(0), "shift": (rows * errors).sum(0)}


class PowerWeight(Gain):
    """``y = x · exp(weights)``."""

    def apply(self, x, *, weights):
        return x * np.exp(weights), x

    def pull(self, x, error, *, weights):
        return error * np.exp(weights)


class BatchWeights(Layer):
    """``y = x · weights``, one factor for each row and feature."""

    dtype: str = "float64"

    def parameters(self, *inputs):
        return {"weights": Weight(self.known(inputs))}

    def known(self, inputs):
        """The sizes of the input, once they are known."""
        if not inputs or not inputs[0].known:
            raise ShapeError("sizes are not known yet", where=repr(self))
        return inputs[0].sizes

    def apply(self, x, *, weights):
        return x * weights, x

    def pull(self, x, error, *, weights):
        return error * weights

    def grad(self, x, error):
        return {"weights": x * error}


class TimeWeights(BatchWeights):
    """``y = x · weights``, one factor for each step of a sequence (time, batch, feature)."""

    def parameters(self, *inputs):
        return {"weights": Weight((self.known(inputs)[0], 1, 1))}

    def grad(self, x, error):
        return {"weights": (x * error).sum((1, 2), keepdims=True)}


class WeightsUnused(Gain):
    """``y = x · weights``."""

    def apply(self, x, *, weights):
        return x * 1.0, x


DENSE, SQUARE = {"size": 4, "units": 5}, {"size": 4, "units": 4}
TABLE, TOKENS = {"count": 7, "size": 5}, np.array([[0, 3, 3], [6, 1, 0]])
FAULTS = [
    Fault("sign of grad", Case(GradSign, DENSE), "the gradient of the weights has the wrong sign"),
    Fault("sign of the bias gradient", Case(BiasGradSign, DENSE), "the gradient of the bias has the wrong sign"),
    Fault("grad mean", Case(GradMean, DENSE), "gradients are means over the batch, not sums"),
    Fault("grad times batch", Case(GradTimesBatch, {"size": 4}), "the gradient is multiplied by the number of rows"),
    Fault("grad twice", Case(GradTwice, DENSE), "the gradient of the weights is twice what it must be"),
    Fault("grad transposed, square", Case(GradTransposed, SQUARE), "the gradient of square weights is transposed"),
    Fault("grad transposed, oblong", Case(GradTransposedOblong, DENSE), "the gradient has the transposed shape"),
    Fault("bias gradient missing", Case(GradOneMissing, DENSE), "grad leaves out one of two weights"),
    Fault("bias gradient zero", Case(GradOneZero, DENSE), "grad returns zeros for one of two weights"),
    Fault("grad empty", Case(GradEmpty, {"size": 4}), "grad returns nothing"),
    Fault("grad misnamed", Case(GradMisnamed, {"size": 4}), "grad speaks of a weight that is not there"),
    Fault("bias gradient unsummed", Case(GradUnsummed, DENSE), "the bias gradient is not summed over the rows"),
    Fault("bias gradient mean", Case(BiasMean, DENSE), "the bias gradient is a mean, the weights' a sum"),
    Fault("grad of the first row", Case(GradFirstRow, {"size": 4}), "only the first row counts in the gradient"),
    Fault("grad of the last row", Case(GradLastRow, {"size": 4}), "only the last row counts in the gradient"),
    Fault("grad skips the first row", Case(GradSkipsFirst, DENSE), "the first row does not count in the gradient"),
    Fault("grad of row 0 of a sequence", Case(GradFirstAxis, {"size": 4}, SEQUENCE), "of a sequence only row 0 counts"),
    Fault("bias gradient of step 0", Case(BiasFirstStep, DENSE, SEQUENCE), "of a sequence only step 0 counts"),
    Fault("grad maximum", Case(GradMaximum, {"size": 4}), "the maximum over the rows, not the sum"),
    Fault("grad decays", Case(GradDecays, DENSE), "grad adds weight decay"),
    Fault("grad clips", Case(GradClips, DENSE), "grad clips at 5"),
    Fault("grad ignores the input", Case(GradIgnoresInput, {"size": 4}), "the gradient leaves out the input"),
    Fault("pull ignores the weights", Case(PullIgnoresWeights, {"size": 4}), "pull leaves out the weights"),
    Fault("table overwrites", Case(TableOverwrites, TABLE, TOKENS), "of a repeated token only the last use counts"),
    Fault("table adds once", Case(TableAddsOnce, TABLE, TOKENS), "+= with repeated indices: each token counts once"),
    Fault("table of the first column", Case(TableFirstColumn, TABLE, TOKENS), "only each row's first token counts"),
    Fault("table with padding", Case(TablePadding, TABLE, TOKENS), "row 0 of the table never learns"),
    Fault("table averages", Case(TableCounts, TABLE, TOKENS), "a token's gradient is the mean over its uses"),
    Fault("shared weights, one use", Case(SharedHalf, {"size": 4}), "weights used twice, one use in the gradient"),
    Fault("two gradients swapped", Case(TwoSwapped, {"size": 4}), "two gradients of one shape are swapped"),
    Fault("inner derivative missing", Case(PowerWeight, {"size": 4}), "the gradient misses exp(weights)"),
    Fault("weights of the batch", Case(BatchWeights), "the weights' shape depends on the number of rows"),
    Fault("weights of the time", Case(TimeWeights, {}, SEQUENCE), "the weights' shape depends on the number of steps"),
    Fault("weights unused", Case(WeightsUnused, {"size": 4}), "apply does not use the weights that pull and grad use"),
]
