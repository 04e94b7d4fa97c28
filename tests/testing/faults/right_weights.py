"""Right layers with weights, buffers or random draws that a careless kit would blame."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar

import numpy as np
from faults_base import SEQUENCE, Dense, Drop, Gain, Norm, Table

from graphnet import Layer, Phase, ShapeError, Weight
from graphnet.authoring import Buffer, positive, require
from graphnet.testing import Case


class Bilinear(Layer):
    """``y_k = a · W_k · b + bias_k`` of two inputs of different width."""

    units: int
    dtype: str = "float64"

    def check(self):
        positive(self, "units")

    def parameters(self, *inputs):
        if len(inputs) < 2 or None in (inputs[0].sizes[-1], inputs[1].sizes[-1]):
            raise ShapeError("sizes are not known yet", where=repr(self))
        left, right = inputs[0].sizes[-1], inputs[1].sizes[-1]
        weights = Weight((self.units, left, right), fan_in=left * right, fan_out=self.units)
        return {"weights": weights, "bias": Weight((self.units,), kind="bias")}

    def infer(self, a, b):
        if a.rank != 2 or b.rank != 2:
            raise ShapeError("no rows", where=repr(self), expected="(batch, feature)", received=f"{a} and {b}")
        return a.resized(-1, self.units)

    def apply(self, a, b, *, weights, bias):
        return np.einsum("ni,kij,nj->nk", a, weights, b) + bias, (a, b)

    def pull(self, saved, error, *, weights):
        a, b = saved
        return np.einsum("nk,kij,nj->ni", error, weights, b), np.einsum("nk,kij,ni->nj", error, weights, a)

    def grad(self, saved, error):
        a, b = saved
        return {"weights": np.einsum("nk,ni,nj->kij", error, a, b), "bias": error.sum(0)}


class Leaky(Layer):
    """``y = x`` above 0, else ``weights · x``: one slope a feature (He et al. 2015), which starts at ¼."""

    dtype: str = "float64"

    def parameters(self, *inputs):
        if not inputs or inputs[0].sizes[-1] is None:
            raise ShapeError("the size is not known yet", where=repr(self))
        return {"weights": Weight((inputs[0].sizes[-1],), kind="constant", value=0.25)}

    def apply(self, x, *, weights):
        return np.maximum(x, 0) + weights * np.minimum(x, 0), x

    def pull(self, x, error, *, weights):
        return error * np.where(x > 0, x.dtype.type(1), weights)

    def grad(self, x, error):
        return {"weights": (np.minimum(x, 0) * error).sum(tuple(range(x.ndim - 1)))}


class RowNorm(Gain):
    """``y = gain · (x - mean) / √(variance + 1e-5) + shift`` over the last axis."""

    def parameters(self, *inputs):
        shape = (self.size,)
        return {"gain": Weight(shape, kind="constant", value=1.0), "shift": Weight(shape, kind="bias", value=0.0)}

    def apply(self, x, *, gain, shift):
        centred = x - x.mean(-1, keepdims=True)
        scale = 1 / np.sqrt((centred * centred).mean(-1, keepdims=True) + 1e-5)
        return centred * scale * gain + shift, (centred * scale, scale)

    def pull(self, saved, error, *, gain):
        normal, scale = saved
        given = error * gain
        along = (given * normal).mean(-1, keepdims=True)
        return (given - given.mean(-1, keepdims=True) - normal * along) * scale

    def grad(self, saved, error):
        rows = tuple(range(error.ndim - 1))
        return {"gain": (saved[0] * error).sum(rows), "shift": error.sum(rows)}


class RootMeanSquareNorm(Gain):
    """``y = weights · x / √(mean(x²) + 1e-6)`` over the last axis (Zhang & Sennrich 2019)."""

    rowwise: ClassVar[bool] = True

    def apply(self, x, *, weights):
        scale = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6)
        return x * scale * weights, (x * scale, scale)

    def pull(self, saved, error, *, weights):
        normal, scale = saved
        given = error * weights
        return (given - normal * (given * normal).mean(-1, keepdims=True)) * scale

    def grad(self, saved, error):
        return {"weights": (saved[0] * error).reshape(-1, self.size).sum(0)}


class Tied(Gain):
    """``y = tanh(x · W) · Wᵀ``: the same weights ``(size, 3)`` twice."""

    def parameters(self, *inputs):
        return {"weights": Weight((self.size, 3), fan_in=self.size, fan_out=3)}

    def apply(self, x, *, weights):
        h = np.tanh(x @ weights)
        return h @ weights.T, (x, h)

    def pull(self, saved, error, *, weights):
        return ((error @ weights) * (1 - saved[1] ** 2)) @ weights.T

    def grad(self, saved, error, *, weights):
        x, h = saved
        inner = (error @ weights) * (1 - h * h)
        flat = [a.reshape(-1, a.shape[-1]) for a in (x, inner, error, h)]
        return {"weights": flat[0].T @ flat[1] + flat[2].T @ flat[3]}


class Mixed(Gain):
    """``y = Σ_k softmax(weights)_k · x^k`` for k = 1, 2, 3: weights of a fixed size."""

    def parameters(self, *inputs):
        return {"weights": Weight((3,))}

    def apply(self, x, *, weights):
        powers = np.exp(weights - weights.max())
        shares = powers / powers.sum()
        return shares[0] * x + shares[1] * x**2 + shares[2] * x**3, (x, shares)

    def pull(self, saved, error):
        x, shares = saved
        return error * (shares[0] + 2 * shares[1] * x + 3 * shares[2] * x**2)

    def grad(self, saved, error):
        x, shares = saved
        each = np.stack([(error * x**k).sum() for k in (1, 2, 3)])
        return {"weights": shares * (each - (shares * each).sum())}


class Padded(Table):
    """``y = weights[x]``; row 0 is for padding and does not learn."""

    def grad(self, rows, error):
        gradient = super().grad(rows, error)["weights"]
        gradient[0] = 0
        return {"weights": gradient}


class Peak(Layer):
    """``y = x``; the test phase clips at 0.9 of the largest |x| of each feature that training has seen."""

    size: int
    dtype: str = "float64"

    def check(self):
        positive(self, "size")

    def buffers(self, *inputs):
        return {"peak": Buffer((self.size,)), "batches": Buffer(())}

    def infer(self, x):
        if x.rank != 2 or x.size(-1) not in (None, self.size):
            raise ShapeError("does not fit", where=repr(self), expected=f"(batch, {self.size})", received=x)
        return x.resized(-1, self.size)

    def apply(self, x, *, peak, batches, phase):
        if phase is Phase.train or float(batches) == 0:
            return x, (None, np.abs(x).max(0))
        return np.clip(x, -0.9 * peak, 0.9 * peak), (np.abs(x) <= 0.9 * peak, None)

    def pull(self, saved, error):
        return error if saved[0] is None else np.where(saved[0], error, error.dtype.type(0))

    def update(self, saved, *, peak, batches):
        return {"peak": np.maximum(peak, saved[1]), "batches": batches + 1}


class Centre(Layer):
    """``y = x - running mean``: the mean of all rows seen before, a constant for the gradient in either phase."""

    size: int
    dtype: str = "float64"

    def check(self):
        positive(self, "size")

    def buffers(self, *inputs):
        return {"total": Buffer((self.size,)), "rows": Buffer(())}

    def infer(self, x):
        if x.rank != 2 or x.size(-1) not in (None, self.size):
            raise ShapeError("does not fit", where=repr(self), expected=f"(batch, {self.size})", received=x)
        return x.resized(-1, self.size)

    def apply(self, x, *, total, rows):
        return x - total / np.maximum(rows, 1), x

    def pull(self, x, error):
        return error

    def update(self, x, *, total, rows):
        return {"total": total + x.sum(0), "rows": rows + len(x)}


class BatchCentre(Layer):
    """``y = x - mean(x)`` over the rows, in both phases: rows mix, and say so."""

    def apply(self, x):
        return x - x.mean(0, keepdims=True), None

    def pull(self, saved, error):
        return error - error.mean(0, keepdims=True)


class DropChannels(Layer):
    """Inverted dropout of whole channels of (batch, channel, …): Tompson et al. 2015."""

    keep: float = 0.6

    draws: ClassVar[tuple[str, ...]] = ("mask",)

    def check(self):
        require(isinstance(self.keep, float) and 0 < self.keep <= 1, self, "keep", "in (0, 1]")

    def draw(self, rng, x):
        kept = rng.random(x.sizes[:2]) < self.keep
        return {"mask": (kept / self.keep).reshape(*kept.shape, *[1] * (x.rank - 2))}

    def apply(self, x, *, mask):
        return (x, None) if mask is None else (x * mask, mask)

    def pull(self, mask, error):
        return error if mask is None else error * mask


class Noise(Layer):
    """``y = x + sigma · n`` with normal n; test phase: ``y = x``."""

    sigma: float = 0.3

    draws: ClassVar[tuple[str, ...]] = ("noise",)

    def check(self):
        require(isinstance(self.sigma, (int, float)) and self.sigma >= 0, self, "sigma", "a number of at least 0")

    def draw(self, rng, x):
        return {"noise": self.sigma * rng.standard_normal(x.sizes)}

    def apply(self, x, *, noise):
        return (x if noise is None else x + noise), None

    def pull(self, saved, error):
        return error


class NoisySlope(Layer):
    """``y = max(x, 0) + slope · min(x, 0)`` with random slopes in [⅛, ⅓]; test phase: their mean (Xu et al. 2015)."""

    draws: ClassVar[tuple[str, ...]] = ("slope",)

    def draw(self, rng, x):
        return {"slope": rng.uniform(1 / 8, 1 / 3, x.sizes)}

    def apply(self, x, *, slope):
        if slope is None:
            slope = (1 / 8 + 1 / 3) / 2
        return np.where(x > 0, x, x * slope), (x > 0, slope)

    def pull(self, saved, error):
        positive_, slope = saved
        return np.where(positive_, error, error * slope)


class DropKernel(Dense):
    """Dense with a random half of its weights (Wan et al. 2013); test phase: all."""

    draws: ClassVar[tuple[str, ...]] = ("mask",)

    def draw(self, rng, *inputs):
        return {"mask": 2.0 * (rng.random((self.size, self.units)) < 0.5)}

    def apply(self, x, *, weights, bias, mask):
        return x @ (weights if mask is None else weights * mask) + bias, (x, mask)

    def pull(self, saved, error, *, weights):
        mask = saved[1]
        return error @ (weights if mask is None else weights * mask).T

    def grad(self, saved, error):
        x, mask = saved
        found = super().grad(x, error)
        return found if mask is None else {**found, "weights": found["weights"] * mask}


class AppendedBias(Layer):
    """``y = [x, 1] · weights``; the width of the input comes with the first one."""

    units: int
    size: int | None = None
    dtype: str = field(default="float64", kw_only=True)

    def check(self):
        positive(self, "units", "size")

    def rows(self, inputs):
        """The width of the input, or None."""
        return self.size if self.size is not None or not inputs else inputs[0].sizes[-1]

    def parameters(self, *inputs):
        rows = self.rows(inputs)
        if rows is None:
            raise ShapeError("the size is not known yet", where=repr(self))
        return {"weights": Weight((rows + 1, self.units), fan_in=rows, fan_out=self.units, bias_rows=1, value=0.5)}

    def infer(self, x):
        if x.rank < 2 or (self.size is not None and x.size(-1) not in (None, self.size)):
            raise ShapeError("does not fit", where=repr(self), expected=f"(batch, …, {self.size})", received=x)
        return x.resized(-1, self.units)

    def apply(self, x, *, weights):
        return x @ weights[:-1] + weights[-1], x

    def pull(self, x, error, *, weights):
        return error @ weights[:-1].T

    def grad(self, x, error):
        rows, errors = x.reshape(-1, x.shape[-1]), error.reshape(-1, self.units)
        return {"weights": np.concatenate([rows.T @ errors, errors.sum(0, keepdims=True)])}


DENSE, SIZE, TOKENS = {"size": 4, "units": 5}, {"size": 4}, np.array([[0, 3, 3], [6, 1, 0]])
RIGHT = [
    Case(Dense, DENSE, refused=[{"size": 0}]), Case(Dense, DENSE, SEQUENCE),
    Case(Dense, {**DENSE, "dtype": "float32"}), Case(Gain, SIZE), Case(Table, {"count": 7, "size": 5}, TOKENS),
    Case(Table, {"count": 7, "size": 5}, np.array([2, 2, 6, 0]), name="Table of single tokens"),
    Case(Padded, {"count": 7, "size": 5}, TOKENS, disclaims={"derivative"}),
    Case(Bilinear, {"units": 5}, ["batch=3, feature=4", "batch=3, feature=6"]), Case(Leaky), Case(Leaky, {}, SEQUENCE),
    Case(RowNorm, SIZE), Case(RootMeanSquareNorm, SIZE, SEQUENCE), Case(Tied, SIZE), Case(Mixed, SIZE),
    Case(Norm, SIZE, "batch=6, feature=4"), Case(Norm, {"size": 4, "momentum": 0.0}, "batch=6, feature=4"),
    Case(Peak, SIZE, "batch=6, feature=4", disclaims={"statistics"}),
    Case(Centre, SIZE, "batch=6, feature=4", disclaims={"statistics", "phases"}), Case(BatchCentre, disclaims={"rows"}),
    Case(Drop, {"keep": 0.7}), Case(Drop, {"keep": 1.0}, disclaims={"phases"}), Case(Drop, {"keep": 0.4}, SEQUENCE),
    Case(DropChannels, {}, "batch=3, channel=4, y=5, x=2"), Case(DropChannels, {}, "batch=3, channel=4"),
    Case(Noise), Case(NoisySlope), Case(DropKernel, DENSE),
    Case(AppendedBias, {"units": 5}), Case(AppendedBias, {"units": 5, "size": 4}, SEQUENCE),
]  # fmt: skip
