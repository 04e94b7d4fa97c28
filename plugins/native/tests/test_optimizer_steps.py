"""Optimizer steps in native code: the same numbers as numpy's, to the bit, and the same errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from graphnet import Builder, Runner, StateError, dense
from graphnet.core.elementwise_kernels import Kernel, Recorder, Unrecordable
from graphnet.core.errors import RuleError
from graphnet.optimizers import Adam, AdamW, RMSprop, Sgd, SgdWithMomentum, fused_step
from graphnet.optimizers.fused import FusedOptimizer
from graphnet.optimizers.fused_step import FusedStep
from graphnet.regularizers import L1_Regularizer, L2_Regularizer
from graphnet.training import TrainingConfig
from graphnet.training.updates import Updates
from graphnet_native import kernels

OPTIMIZERS = [Sgd(0.1), SgdWithMomentum(0.1, 0.9), Adam(0.01), AdamW(0.01, weight_decay=0.1), RMSprop(0.01)]


@dataclass(eq=False)
class Lion(FusedOptimizer):
    """A stranger's rule, with comparisons and a number that differs from step to step."""

    elementwise = True
    state_names = ("average", "step_count")

    def rule(self, block):
        mixed = 0.9 * block.old[0] + (1 - 0.9) * block.gradient
        large = np.abs(mixed) > 1 / block.number
        np.subtract(block.weights, block.rate * np.where(large, np.sign(mixed), mixed), out=block.out)
        block.new[0][...] = 0.99 * block.old[0] + 0.01 * block.gradient


@dataclass(eq=False)
class Normalized(FusedOptimizer):
    """A rule that needs numbers, so it cannot be recorded."""

    elementwise = True

    def rule(self, block):
        scale = 1.0 if float(block.gradient[0]) > 0 else 2.0
        np.multiply(block.gradient, scale * block.rate, out=block.scratch)
        np.subtract(block.weights, block.scratch, out=block.out)


def updates(backend, optimizer, dtype, **options):
    builder = Builder()
    x = builder.input("x", "batch, feature=5")
    runner = Runner(builder.build(dense(dense(x, 7, dtype=dtype), 3, dtype=dtype)), backend=backend)
    runner.materialize()
    rng = np.random.default_rng(1)
    for parameter in runner.parameters.values():
        parameter.value = rng.normal(size=parameter.value.shape).astype(dtype)
    return runner, Updates(runner, TrainingConfig(optimizer=optimizer, **options))


def trained(backend, optimizer, dtype, steps=4, **options):
    """The weights and the states after some steps."""
    runner, steps_of = updates(backend, optimizer, dtype, **options)
    rng = np.random.default_rng(2)
    norms = []
    for _ in range(steps):
        for parameter in runner.parameters.values():
            parameter.gradient = rng.normal(size=parameter.value.shape).astype(dtype)
        norms.append(steps_of.step())
    state = [array for group in steps_of.groups for array in group.optimizer.state().values()]
    return [p.value for p in runner.parameters.values()] + state, norms, steps_of


@pytest.fixture
def compiled(monkeypatch):
    """The kernels that are asked for."""
    asked = []
    monkeypatch.setattr(FusedStep, "least", 0)
    original = kernels.elementwise
    monkeypatch.setattr(kernels, "elementwise", lambda *a: asked.append(a) or original(*a))
    return asked


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, Lion(0.1)], ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.5}, {"regularizer": L2_Regularizer(0.1), "clip_norm": 1e3}])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equal_to_numpy_to_the_bit(compiled, optimizer, options, dtype):
    expected, norms, _ = trained("numpy", optimizer, dtype, **options)
    assert not compiled
    found, native_norms, _ = trained("native", optimizer, dtype, **options)
    assert len(compiled) == 1  # one kernel for all steps
    assert norms == native_norms
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_other_regularizers_are_recorded_too(compiled):
    options = {"regularizer": L1_Regularizer(0.05)}
    for a, b in zip(
        trained("native", Adam(), "float64", **options)[0],
        trained("numpy", Adam(), "float64", **options)[0],
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
    assert compiled


def test_rule_that_needs_numbers_runs_on_numpy(compiled):
    for a, b in zip(
        trained("native", Normalized(0.1), "float64")[0], trained("numpy", Normalized(0.1), "float64")[0], strict=True
    ):
        np.testing.assert_array_equal(a, b)
    assert not compiled


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200])
def test_state_that_is_not_finite_is_an_error_and_changes_nothing(compiled, value):
    errors = []
    for backend in ("native", "numpy"):
        runner, steps = updates(backend, Adam(), "float64")
        for parameter in runner.parameters.values():
            parameter.gradient = np.ones_like(parameter.value)
        steps.step()
        before = [p.value for p in runner.parameters.values()] + list(steps.groups[0].optimizer.state().values())
        for parameter in runner.parameters.values():
            parameter.gradient = np.ones_like(parameter.value)
        list(runner.parameters.values())[-1].gradient[-1, -1] = value
        with pytest.raises((StateError, RuleError)) as caught:
            steps.step()
        errors.append(str(caught.value))
        after = [p.value for p in runner.parameters.values()] + list(steps.groups[0].optimizer.state().values())
        for a, b in zip(after, before, strict=True):
            np.testing.assert_array_equal(a, b)
    assert errors[0] == errors[1]


@pytest.mark.parametrize("size", [1, 7, 16, 33, 1000])
def test_kernels_of_every_length(size):
    rng = np.random.default_rng(size)
    recorder = Recorder(2, "float64")
    a, b = recorder.inputs
    kernel = recorder.kernel([np.sqrt(a * a + 2.0 * b * b), np.where(a > b, a, b)])
    run = kernels.elementwise(kernel, "float64")
    x, y, memory = rng.normal(size=size), rng.normal(size=size), np.full((2, size + 2), 7.0)
    assert run((x, y), recorder.constants, (memory[0, 1:-1], memory[1, 1:-1]))
    np.testing.assert_array_equal(memory[:, 1:-1], [np.sqrt(x * x + 2 * y * y), np.maximum(x, y)])
    assert (memory[:, [0, -1]] == 7).all()
    x[size // 2] = np.inf
    assert not run((x, y), recorder.constants, (memory[0, 1:-1], memory[1, 1:-1]))


def test_arrays_are_checked_before_they_are_reached():
    run = kernels.elementwise(Kernel(1, 0, (("negative", (0,)),), (1,)), "float64")
    x = np.ones(4)
    for inputs, outputs in [((x,), (np.ones(3),)), ((x,), ()), ((x[::2],), (np.ones(2),)), ((x,), (np.ones(4, "f"),))]:
        with pytest.raises(ValueError, match="a kernel was called"):
            run(inputs, (), outputs)
    assert kernels.elementwise(Kernel(1, 0, (("spacing", (0,)),), (1,)), "float64") is None


def test_what_cannot_be_recorded_says_so():
    recorder = Recorder(1, "float32")
    (x,) = recorder.inputs
    for code in (lambda: x + np.float64(1), lambda: x[0], lambda: np.add.reduce(x), lambda: x.sum(), lambda: x + np.ones(3),
                 lambda: np.sum(x), lambda: np.negative(x, out=x), lambda: recorder.room() + 1, lambda: bool(x)):  # fmt: skip
        with pytest.raises(Unrecordable):
            code()


@dataclass(eq=False)
class Alternating(Adam):
    """A rule that depends on the number of the step by other ways than the factors."""

    elementwise = True

    def rule(self, block):
        if self.step_count % 2:
            np.copyto(block.out, block.weights)
            for new, old in zip(block.new, block.old, strict=True):
                np.copyto(new, old)
        else:
            super().rule(block)


@dataclass(eq=False)
class Slower(Adam):
    """A rule that calls another one at another rate."""

    elementwise = True

    def rule(self, block):
        super().rule(block._replace(rate=block.rate / 4))


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.5}])
def test_rules_with_factors_are_recorded_once_for_few_weights(optimizer, options, monkeypatch):
    recorded, original = [], fused_step.record
    monkeypatch.setattr(fused_step, "record", lambda *a: recorded.append(a) or original(*a))
    found, _, _ = trained("native", optimizer, "float32", steps=6, **options)
    assert len(recorded) == 1
    for a, b in zip(found, trained("numpy", optimizer, "float32", steps=6, **options)[0], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("optimizer", [Alternating(0.1), Slower(0.1)], ids=lambda o: type(o).__name__)
def test_rules_that_read_more_than_factors_are_not_recorded_once(optimizer, monkeypatch):
    for least in (0, FusedStep.least):
        monkeypatch.setattr(FusedStep, "least", least)
        found, expected = (trained(name, optimizer, "float64", steps=5)[0] for name in ("native", "numpy"))
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_settings_that_change_between_steps_apply():
    results = []
    for backend in ("native", "numpy"):
        runner, steps = updates(backend, Adam(0.01), "float64")
        for number in range(4):
            for parameter in runner.parameters.values():
                parameter.gradient = np.full_like(parameter.value, 0.5 + number)
            optimizer = steps.groups[0].optimizer
            optimizer.learning_rate, optimizer.mu, optimizer.epsilon = 0.1 / (1 + number), 0.5 + 0.1 * number, 1e-3
            steps.step()
        results.append([parameter.value for parameter in runner.parameters.values()])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)
