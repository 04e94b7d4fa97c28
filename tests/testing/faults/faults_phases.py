"""Layers whose phases, buffers or random draws are wrong."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from faults_base import Drop, Fault, Norm, Squash

from graphnet import Layer, Phase, generator
from graphnet.testing import Case


class PlainPullInTest(Norm):
    """Batch normalization."""

    def pull(self, saved, error):
        return error if saved[0] is None else super().pull(saved, error)


class ConstantPullInTrain(Norm):
    """Batch normalization."""

    def pull(self, saved, error):
        return error * saved[1]


class FactorInTest(Squash):
    """``y = tanh(x)``."""

    def apply(self, x, *, phase):
        y = np.tanh(x)
        return y, (y, phase)

    def pull(self, saved, error):
        y, phase = saved
        return error * (1 - y * y) * (2 if phase is Phase.test else 1)


class FactorInTrain(FactorInTest):
    """``y = tanh(x)``."""

    def pull(self, saved, error):
        y, phase = saved
        return error * (1 - y * y) * (2 if phase is Phase.train else 1)


class BatchStatisticsInTest(Norm):
    """Batch normalization."""

    def apply(self, x, *, mean, variance, phase):
        return self.normalized(x, x.mean(0), x.var(0))


class BatchMeanInTest(Norm):
    """Batch normalization."""

    def apply(self, x, *, mean, variance, phase):
        if phase is Phase.train:
            return super().apply(x, mean=mean, variance=variance, phase=phase)
        scale = 1 / np.sqrt(variance + 1e-5)
        return (x - x.mean(0)) * scale, (None, scale, None, None)

    def pull(self, saved, error):
        return (error - error.mean(0)) * saved[1] if saved[0] is None else super().pull(saved, error)


class RunningInTrain(Norm):
    """Batch normalization."""

    def apply(self, x, *, mean, variance, phase):
        scale = 1 / np.sqrt(variance + 1e-5)
        return (x - mean) * scale, (None, scale, x.mean(0), x.var(0))


class RunningSwapped(Norm):
    """Batch normalization."""

    def update(self, saved, *, mean, variance, batches):
        new = super().update(saved, mean=mean, variance=variance, batches=batches)
        return {**new, "mean": new["variance"], "variance": new["mean"] ** 2}


class RunningFrozen(Norm):
    """Batch normalization."""

    def update(self, saved, *, mean, variance, batches):
        return {"batches": batches + 1}


class RunningHalfFrozen(Norm):
    """Batch normalization."""

    def update(self, saved, *, mean, variance, batches):
        return {**super().update(saved, mean=mean, variance=variance, batches=batches), "variance": variance}


class RunningOnce(Norm):
    """Batch normalization."""

    def update(self, saved, *, mean, variance, batches):
        return {} if float(batches) else super().update(saved, mean=mean, variance=variance, batches=batches)


class RunningMomentum(Norm):
    """Batch normalization; the larger the momentum, the slower the running statistics."""

    def update(self, saved, *, mean, variance, batches):
        keep = 1.0 if float(batches) else 0.0
        return {"mean": keep * mean + (1 - self.momentum) * saved[2],
                "variance": keep * variance + (1 - self.momentum) * saved[3], "batches": batches + 1}  # fmt: skip


class RunningNegative(Norm):
    """Batch normalization."""

    def update(self, saved, *, mean, variance, batches):
        return {**super().update(saved, mean=mean, variance=variance, batches=batches), "mean": -saved[2]}


class RunningOverRows(Norm):
    """Batch normalization."""

    def normalized(self, x, centre, spread):
        y, saved = super().normalized(x, centre, spread)
        return y, (*saved[:2], np.full_like(centre, x.mean()), saved[3])


class RunningUnused(Norm):
    """Batch normalization."""

    def apply(self, x, *, mean, variance, phase):
        if phase is Phase.train:
            return self.normalized(x, x.mean(0), x.var(0))
        return x * 1.0, (None, np.ones_like(variance), None, None)


class RunningShape(Norm):
    """Batch normalization."""

    def update(self, saved, *, mean, variance, batches):
        new = super().update(saved, mean=mean, variance=variance, batches=batches)
        return {**new, "mean": new["mean"][None]}


class RunningUnknown(Norm):
    """Batch normalization."""

    def update(self, saved, *, mean, variance, batches):
        new = super().update(saved, mean=mean, variance=variance, batches=batches)
        return {"average": new.pop("mean"), **new}


class UpdatesInTest(Norm):
    """Batch normalization."""

    def apply(self, x, *, mean, variance, phase):
        if phase is Phase.test:
            mean = 0.9 * self.buffer_values["mean"] + 0.1 * x.mean(0)
            self.store.replace_buffers({**self.buffer_values, "mean": mean})
        return super().apply(x, mean=mean, variance=variance, phase=phase)


class StatisticsInSelf(Norm):
    """Batch normalization, its running statistics where no file finds them."""

    def check(self):
        super().check()
        self.running = (0.0, 1.0)

    def buffers(self, *inputs):
        return {}

    def apply(self, x, *, phase):
        if phase is Phase.train:
            self.running = (x.mean(0), x.var(0))
            return self.normalized(x, *self.running)
        scale = 1 / np.sqrt(self.running[1] + 1e-5)
        return (x - self.running[0]) * scale, (None, scale, None, None)


class BuffersOfClass(StatisticsInSelf):
    """Batch normalization, its running statistics shared by all instances."""

    shared: ClassVar[list] = [(0.0, 1.0)]

    def apply(self, x, *, phase):
        self.running = self.shared[0]
        result = super().apply(x, phase=phase)
        self.shared[0] = self.running
        return result


class DropBiased(Drop):
    """Inverted dropout."""

    def draw(self, rng, *inputs):
        return {"mask": (rng.random(inputs[0].sizes) < self.keep) * 1.0}


class DropTwice(Drop):
    """Inverted dropout."""

    def draw(self, rng, *inputs):
        return {"mask": (rng.random(inputs[0].sizes) < self.keep) / self.keep**2}


class DropOther(Drop):
    """Inverted dropout; ``keep`` is the probability of keeping."""

    def draw(self, rng, *inputs):
        return {"mask": (rng.random(inputs[0].sizes) < 0.9 * self.keep) / self.keep}


class DropGlobal(Drop):
    """Inverted dropout."""

    def draw(self, rng, *inputs):
        return {"mask": (np.random.random(inputs[0].sizes) < self.keep) / self.keep}  # noqa: NPY002


class DropFixed(Drop):
    """Inverted dropout."""

    def draw(self, rng, *inputs):
        return {"mask": (np.random.default_rng(0).random(inputs[0].sizes) < self.keep) / self.keep}


class DropOwn(Drop):
    """Inverted dropout."""

    def check(self):
        super().check()
        self.own = np.random.default_rng()

    def draw(self, rng, *inputs):
        return {"mask": (self.own.random(inputs[0].sizes) < self.keep) / self.keep}


class DropOnce(Drop):
    """Inverted dropout."""

    def check(self):
        super().check()
        self.masks = {}

    def draw(self, rng, *inputs):
        sizes = inputs[0].sizes
        if sizes not in self.masks:
            self.masks[sizes] = (rng.random(sizes) < self.keep) / self.keep
        return {"mask": self.masks[sizes]}


class DropAlways(Drop):
    """Inverted dropout."""

    draws: ClassVar[tuple[str, ...]] = ()

    def apply(self, x):
        mask = ((generator().random(x.shape) < self.keep) / self.keep).astype(x.dtype)
        return x * mask, mask


class DropInApply(Drop):
    """Inverted dropout."""

    draws: ClassVar[tuple[str, ...]] = ()

    def apply(self, x, *, phase):
        if phase is Phase.test:
            return x, None
        mask = ((np.random.default_rng().random(x.shape) < self.keep) / self.keep).astype(x.dtype)
        return x * mask, mask


class DropTestScale(Drop):
    """Inverted dropout."""

    def apply(self, x, *, mask):
        return (x * self.keep, None) if mask is None else (x * mask, mask)

    def pull(self, mask, error):
        return error * self.keep if mask is None else error * mask


class DropSecondMask(Drop):
    """Inverted dropout."""

    draws: ClassVar[tuple[str, ...]] = ("mask", "other")

    def draw(self, rng, *inputs):
        return {name: super(DropSecondMask, self).draw(rng, *inputs)["mask"] for name in self.draws}

    def apply(self, x, *, mask, other):
        return (x, None) if mask is None else (x * mask, other)


class DropUnscaledPull(Drop):
    """Inverted dropout."""

    def pull(self, mask, error):
        return error if mask is None else error * (mask > 0)


class DropUndeclared(Drop):
    """Inverted dropout."""

    def draw(self, rng, *inputs):
        return {"masks": (rng.random(inputs[0].sizes) < self.keep) / self.keep}


class NoiseNotCentred(Layer):
    """``y = x + noise``; test phase: ``y = x``."""

    draws: ClassVar[tuple[str, ...]] = ("noise",)

    def draw(self, rng, x):
        return {"noise": rng.random(x.sizes)}

    def apply(self, x, *, noise):
        return (x if noise is None else x + noise), None

    def pull(self, saved, error):
        return error


NORM = {"size": 4}
B = "batch=6, feature=4"
FAULTS = [
    Fault("test phase's error", Case(PlainPullInTest, NORM, B), "in the test phase the error is not scaled"),
    Fault(
        "train phase's error", Case(ConstantPullInTrain, NORM, B), "in the train phase statistics count as constants"
    ),
    Fault("twice in the test phase", Case(FactorInTest), "in the test phase the error is twice the derivative"),
    Fault("twice in the train phase", Case(FactorInTrain), "in the train phase the error is twice the derivative"),
    Fault(
        "batch statistics in the test phase",
        Case(BatchStatisticsInTest, NORM, B),
        "the test phase ignores the running ones",
    ),
    Fault("batch mean in the test phase", Case(BatchMeanInTest, NORM, B), "the test phase uses the batch's mean"),
    Fault("running statistics in the train phase", Case(RunningInTrain, NORM, B), "batch statistics are not used"),
    Fault("running statistics swapped", Case(RunningSwapped, NORM, B), "running mean and variance are swapped"),
    Fault("running statistics frozen", Case(RunningFrozen, NORM, B), "running statistics are never updated"),
    Fault("running variance frozen", Case(RunningHalfFrozen, NORM, B), "the running variance is never updated"),
    Fault(
        "running statistics once", Case(RunningOnce, NORM, B), "only the first batch counts in the running statistics"
    ),
    Fault("running statistics grow", Case(RunningMomentum, NORM, B), "the old statistics are not scaled down"),
    Fault("running mean negative", Case(RunningNegative, NORM, B), "the running mean has the wrong sign"),
    Fault("running mean of all features", Case(RunningOverRows, NORM, B), "one running mean for all features"),
    Fault("running statistics unused", Case(RunningUnused, NORM, B), "the test phase changes nothing"),
    Fault("running mean's shape", Case(RunningShape, NORM, B), "update returns a buffer of another shape"),
    Fault("unknown buffer", Case(RunningUnknown, NORM, B), "update returns a buffer that was not declared"),
    Fault("updated in the test phase", Case(UpdatesInTest, NORM, B), "the test phase changes the running mean"),
    Fault("statistics in self", Case(StatisticsInSelf, NORM, B), "running statistics are in self: no file holds them"),
    Fault("statistics in the class", Case(BuffersOfClass, NORM, B), "running statistics are shared by all instances"),
    Fault("dropout without scaling", Case(DropBiased), "kept numbers are not divided by the probability"),
    Fault("dropout scaled twice", Case(DropTwice), "kept numbers are divided by the squared probability"),
    Fault("dropout a tenth low", Case(DropOther), "the train phase's mean is nine tenths of the test phase's"),
    Fault("dropout from numpy's generator", Case(DropGlobal), "masks come from numpy's global generator"),
    Fault("dropout with a fixed seed", Case(DropFixed), "every mask is the same"),
    Fault("dropout's own generator", Case(DropOwn), "masks come from a generator that no seed reaches"),
    Fault("dropout's first mask", Case(DropOnce), "the first mask of a shape is used for ever"),
    Fault("dropout in the test phase", Case(DropAlways), "the test phase drops as well"),
    Fault("dropout inside apply", Case(DropInApply), "apply draws from its own generator, which cannot be seeded"),
    Fault(
        "dropout scales in the test phase", Case(DropTestScale), "inverted dropout, and yet scaled in the test phase"
    ),
    Fault("dropout's other mask", Case(DropSecondMask), "pull uses another mask than apply"),
    Fault("dropout's unscaled error", Case(DropUnscaledPull), "pull leaves out the scaling"),
    Fault("dropout undeclared", Case(DropUndeclared), "draw returns another name than it declares"),
    Fault("noise off centre", Case(NoiseNotCentred), "the noise's mean is ½, not 0"),
]
