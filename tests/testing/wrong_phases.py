"""Layers with one fault each, in random draws or in buffers."""

from __future__ import annotations

import numpy as np
from wrong import ROWS, Wrong

from graphnet import Layer, Phase
from graphnet.authoring import Buffer
from graphnet.testing import Case


class Drop(Layer):
    """y = x · mask: the correct layer."""

    draws = ("mask",)

    def draw(self, rng, x):
        return {"mask": (rng.random(x.sizes) < 0.6) / 0.6}

    def apply(self, x, *, mask):
        return (x if mask is None else x * mask), mask

    def pull(self, mask, error):
        return error if mask is None else error * mask


class Unscaled(Drop):
    """Does not divide by the probability."""

    def draw(self, rng, x):
        return {"mask": (rng.random(x.sizes) < 0.6) * 1.0}


class ScaledInTest(Drop):
    """Multiplies by the probability in the test phase as well."""

    def apply(self, x, *, mask):
        return (x * 0.6 if mask is None else x * mask), mask

    def pull(self, mask, error):
        return error * 0.6 if mask is None else error * mask


class OwnGenerator(Drop):
    """Draws from a generator with a fixed seed."""

    def draw(self, rng, x):
        return super().draw(np.random.default_rng(1), x)


class Fresh(Drop):
    """Draws from a generator that cannot be seeded."""

    def draw(self, rng, x):
        return super().draw(np.random.default_rng(), x)


class Always(Drop):
    """Drops in the test phase as well."""

    def apply(self, x, *, mask):
        return super().apply(
            x, mask=np.random.default_rng(0).integers(0, 2, x.shape).astype(x.dtype) if mask is None else mask
        )


class Breaks(Drop):
    """Raises an error in the test phase, in which it has no mask."""

    def apply(self, x, *, mask):
        return x * mask, mask


class UnmaskedError(Drop):
    """Ignores the mask in the backward pass."""

    def pull(self, mask, error):
        return error


class TestPhaseError(Drop):
    """Returns a zero error in the test phase."""

    def pull(self, mask, error):
        return error * 0 if mask is None else error * mask


class Norm(Layer):
    """Batch normalisation by running statistics: the correct layer."""

    def buffers(self, x):
        return {"mean": Buffer((x.size(-1),)), "variance": Buffer((x.size(-1),), 1.0)}

    def apply(self, x, *, mean, variance, phase):
        if phase is Phase.test:
            return (x - mean) / np.sqrt(variance + 1e-3), (None, np.sqrt(variance + 1e-3), mean, variance)
        m, v = x.mean(axis=0), x.var(axis=0)
        s = np.sqrt(v + 1e-3)
        return (x - m) / s, ((x - m) / s, s, m, v)

    def pull(self, saved, error):
        y, s = saved[:2]
        if y is None:
            return error / s
        return (error - error.mean(axis=0) - y * (error * y).mean(axis=0)) / s

    def update(self, saved, *, mean, variance):
        return {"mean": 0.8 * mean + 0.2 * saved[2], "variance": 0.8 * variance + 0.2 * saved[3]}


class BatchInTest(Norm):
    """Normalises by the batch in the test phase."""

    def apply(self, x, *, mean, variance, phase):
        return super().apply(x, mean=mean, variance=variance, phase=Phase.train)


class Deviation(Norm):
    """Divides by the variance in the test phase."""

    def apply(self, x, *, mean, variance, phase):
        if phase is Phase.test:
            return (x - mean) / (variance + 1e-3), (None, variance + 1e-3, mean, variance)
        return super().apply(x, mean=mean, variance=variance, phase=phase)


class SwappedStatistics(Norm):
    """Swaps the running mean and the running variance."""

    def update(self, saved, *, mean, variance):
        return super().update((*saved[:2], saved[3], np.abs(saved[2])), mean=mean, variance=variance)


class NeverUpdated(Norm):
    """Never updates its running mean."""

    def update(self, saved, *, mean, variance):
        return {"mean": mean, "variance": 0.8 * variance + 0.2 * saved[3]}


class Summed(Norm):
    """Sums the means of all batches instead of averaging."""

    def update(self, saved, *, mean, variance):
        return {"mean": mean + 0.2 * saved[2], "variance": 0.8 * variance + 0.2 * saved[3]}


class WrittenBuffer(Norm):
    """Writes to its buffers."""

    def update(self, saved, *, mean, variance):
        mean *= 0.8
        mean += 0.2 * saved[2]
        return {"mean": mean, "variance": 0.8 * variance + 0.2 * saved[3]}


class Infinite(Norm):
    """Lets an unused buffer become infinite."""

    def buffers(self, x):
        return {**super().buffers(x), "noise": Buffer((1,))}

    def apply(self, x, *, mean, variance, noise, phase):
        return super().apply(x, mean=mean, variance=variance, phase=phase)

    def update(self, saved, *, mean, variance, noise):
        new = super().update(saved, mean=mean, variance=variance)
        return {**new, "noise": noise + np.inf}


class ConstantStatistics(Norm):
    """Treats the statistics of the batch as constants in the backward pass."""

    def pull(self, saved, error):
        return error / saved[1]


class BatchErrorInTest(Norm):
    """Uses the backward rule of the train phase in the test phase."""

    def pull(self, saved, error):
        return (error - error.mean(axis=0)) / saved[1] if saved[0] is None else super().pull(saved, error)


class MovedInTest(Layer):
    """Updates its state in the test phase as well."""

    def apply(self, x):
        self.seen = getattr(self, "seen", 0.0) + float(np.abs(x).sum())
        return x + 1e-6 * self.seen, None

    def pull(self, saved, error):
        return error


PHASES = [
    Wrong(Case(layer, {}, "batch=12, feature=5" if layer is Fresh else ROWS))  # so that two of its masks differ
    for layer in (
        Unscaled, ScaledInTest, OwnGenerator, Fresh, Always, Breaks, UnmaskedError, TestPhaseError, BatchInTest,
        Deviation, SwappedStatistics, NeverUpdated, Summed, WrittenBuffer, Infinite, ConstantStatistics, BatchErrorInTest,
        MovedInTest,
    )
]  # fmt: skip
RIGHT = [Case(Drop, {}, ROWS), Case(Norm, {}, ROWS)]
