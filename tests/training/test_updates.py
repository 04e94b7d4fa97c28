"""Updates of flat groups equal updates array by array, are all or nothing, and write no array of the caller."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from graphnet import Builder, FullyConnected
from graphnet.core.describe.parameter import Parameter, Weight
from graphnet.core.errors import ConfigError, DataError, DtypeError, RuleError, ShapeError, StateError
from graphnet.losses import MeanSquaredError
from graphnet.optimizers import Adam, AdamW, Optimizer, RMSprop, Sgd, SgdWithMomentum
from graphnet.optimizers.fused import BLOCK, FusedOptimizer
from graphnet.regularizers import L1_Regularizer, L2_Regularizer, Regularizer
from graphnet.training import Trainer, TrainingConfig
from graphnet.training.array_pool import ArrayPool
from graphnet.training.flat_group import FlatGroup, is_fused
from graphnet.training.schedule import schedule_of
from graphnet.training.single_group import SingleGroup
from graphnet.training.updates import Updates

ALL = [Sgd(0.1), SgdWithMomentum(0.1, 0.8), Adam(0.1, 0.7, 0.9), AdamW(0.1, 0.7, 0.9, 0.2), RMSprop(0.1, 0.6, 1e-6)]
NAMES = [type(o).__name__ for o in ALL]
SHAPES = [((3, 4), "weights"), ((4,), "bias"), ((), "weights"), ((2, 3, 5), "weights"), ((0, 2), "weights")]


@pytest.fixture(params=ALL, ids=NAMES)
def optimizer(request):
    return copy.deepcopy(request.param)


def layers(dtypes=("float64",), deltas=(1.0,), seed=0, shapes=SHAPES):
    """A stand-in for a runner: layers with arrays of all shapes, one layer for each dtype and delta."""
    rng, result = np.random.default_rng(seed), {}
    for dtype in dtypes:
        for delta in deltas:
            parameters = {
                f"p{i}": Parameter(f"p{i}", Weight(shape, kind=kind), np.asarray(rng.normal(size=shape), dtype))
                for i, (shape, kind) in enumerate(shapes)
            }
            result[f"{dtype}-{delta}"] = SimpleNamespace(params=parameters, delta=delta)
    return SimpleNamespace(layers=result)


def parameters_of(runner):
    return [p for layer in runner.layers.values() for p in layer.params.values()]


def draw_gradients(runner, rng, scale=1.0):
    for p in parameters_of(runner):
        p.gradient = np.asarray(scale * rng.normal(size=p.value.shape), p.value.dtype)


def values_of(runner):
    return [p.value.copy() for p in parameters_of(runner)]


def moments_of(updates):
    return [(type(part), part.optimizer.state()) for part in updates.groups]


def assert_same_state(before, after):
    for (_, old), (_, new) in zip(before, after, strict=True):
        assert old.keys() == new.keys()
        for name, array in old.items():
            np.testing.assert_array_equal(array, new[name])


class ArrayByArray:
    """The same rules written plainly: an optimizer for each array, gradients scaled by the common norm."""

    def __init__(self, runner, config):
        self.deltas = [layer.delta for layer in runner.layers.values() for _ in layer.params]
        self.values = values_of(runner)
        self.kinds = [p.spec.kind for p in parameters_of(runner)]
        self.limit, self.regularizer = config.clip_norm, config.regularizer
        self.optimizers = [config.optimizer.fresh() for _ in self.values]

    def step(self, gradients, rate):
        live = [g for g, delta in zip(gradients, self.deltas, strict=True) if delta]  # frozen layers do not count
        norm = math.sqrt(sum(float(x) ** 2 for g in live for x in np.ravel(g)))
        factor = 1.0 if self.limit is None else min(1.0, self.limit / norm)
        for i, optimizer in enumerate(self.optimizers):
            optimizer.learning_rate, value = rate, self.values[i]
            new = optimizer.calculate_update(self.deltas[i], value, (gradients[i] * factor).astype(value.dtype))
            if self.regularizer is not None and self.kinds[i] != "bias":
                new = new - (rate * self.deltas[i] * self.regularizer.calculate(value)).astype(value.dtype)
            self.values[i] = np.asarray(new)
        return norm


@pytest.mark.parametrize(
    "schedule", [{}, {"schedule": "cosine", "decay": 0.2}, {"schedule": "step", "decay": 0.5, "decay_epochs": 2}]
)
@pytest.mark.parametrize("clip", [None, 0.7, 1e6])
@pytest.mark.parametrize("regularizer", [None, L1_Regularizer(0.3), L2_Regularizer(0.3)], ids=["none", "L1", "L2"])
def test_flat_equals_array_by_array(optimizer, regularizer, clip, schedule):
    config = TrainingConfig(optimizer=optimizer, regularizer=regularizer, clip_norm=clip, epochs=6, **schedule)
    runner = layers(("float64", "float32"), (1.0, 0.25, 0.0))
    oracle, updates, rng = ArrayByArray(runner, config), Updates(runner, config), np.random.default_rng(5)
    assert len(updates.groups) == (6 if regularizer is None else 12)
    for epoch in range(1, 7):
        draw_gradients(runner, rng, scale=float(rng.uniform(0.01, 20)))
        rate = updates.set_rate(schedule_of(config).factor(epoch - 1, 6))
        norm = oracle.step([p.gradient for p in parameters_of(runner)], rate)
        assert updates.step() == pytest.approx(norm, rel=1e-6)
    for p, expected in zip(parameters_of(runner), oracle.values, strict=True):
        assert p.value.dtype == expected.dtype and p.value.shape == expected.shape
        tolerance = 1e-12 if p.value.dtype == np.float64 and clip is None else 3e-6
        np.testing.assert_allclose(p.value, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("clip", [0.7, 40.0])
def test_clipping_float64_is_exact_to_rounding(optimizer, clip):
    config = TrainingConfig(optimizer=optimizer, clip_norm=clip)
    runner = layers(deltas=(1.0, 0.5))
    oracle, updates, rng = ArrayByArray(runner, config), Updates(runner, config), np.random.default_rng(6)
    for _ in range(5):
        draw_gradients(runner, rng, 7.0)
        norm = oracle.step([p.gradient for p in parameters_of(runner)], 0.1)
        assert updates.step() == pytest.approx(norm, rel=1e-13)
    for p, expected in zip(parameters_of(runner), oracle.values, strict=True):
        np.testing.assert_allclose(p.value, expected, rtol=1e-12, atol=1e-12)


def test_training_with_groups_equals_training_without():
    class Alone(Adam):
        """Does not say that it is elementwise."""

    rng = np.random.default_rng(2)
    x = rng.normal(size=(30, 3))
    y, result = np.sin(x @ rng.normal(size=(3, 2))), []
    for kind in (Adam, Alone):
        g = Builder("net")
        graph = g.build(FullyConnected(5, 2)(FullyConnected(3, 5)(g.input("x", "batch, feature=3"))))
        settings = {"loss": MeanSquaredError(), "epochs": 5, "batch_size": 7, "dtype": "float64", "clip_norm": 0.5}
        trainer = Trainer(graph, TrainingConfig(optimizer=kind(0.03), regularizer=L2_Regularizer(1e-3), **settings))
        history = trainer.fit(x, y)
        result.append(
            [*(p.value for p in trainer.runner.parameters.values()), np.array([e.loss for e in history.epochs])]
        )
    for one, other in zip(*result, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)


# ------------------------------------------------------------------ who is in a group
def test_groups_by_dtype_delta_and_regularizer():
    runner = layers(("float64", "float32"), (1.0, 2.0))
    parts = Updates(runner, TrainingConfig(regularizer=L2_Regularizer(0.1))).groups
    assert [len(part.members) for part in parts] == [4, 1] * 4
    assert all(isinstance(part, FlatGroup) and is_fused(part.optimizer) for part in parts)


def test_elementwise_is_not_inherited():
    @dataclass(eq=False)
    class ByNorm(Sgd):
        def rule(self, block):
            np.divide(block.gradient, np.linalg.norm(block.gradient), out=block.scratch)
            np.subtract(block.weights, block.scratch, out=block.out)

    class Centred(L2_Regularizer):
        def calculate(self, weights):
            return weights - weights.mean()

    shapes = [((3, 4), "weights"), ((4,), "bias")]
    assert not ByNorm().elementwise and Sgd.elementwise and not Centred(1.0).elementwise and not Regularizer.elementwise
    assert not Optimizer.elementwise
    runner = layers(shapes=shapes)
    updates = Updates(runner, TrainingConfig(optimizer=ByNorm()))
    assert all(isinstance(part, SingleGroup) for part in updates.groups)
    before = values_of(runner)
    draw_gradients(runner, np.random.default_rng(1))
    updates.step()
    for p, old in zip(parameters_of(runner), before, strict=True):
        np.testing.assert_allclose(p.value, old - p.gradient / np.sqrt(np.sum(p.gradient**2)))
    runner = layers(shapes=shapes)
    updates = Updates(runner, TrainingConfig(optimizer=Sgd(0.5), regularizer=Centred(1.0)))
    assert [type(part) for part in updates.groups] == [SingleGroup, FlatGroup]
    before = values_of(runner)
    draw_gradients(runner, np.random.default_rng(1))
    updates.step()
    weights, gradient = before[0], parameters_of(runner)[0].gradient
    np.testing.assert_allclose(
        parameters_of(runner)[0].value, weights - 0.5 * gradient - 0.5 * (weights - weights.mean())
    )


@dataclass(eq=False)
class Signs(Optimizer):
    """An elementwise rule without any of the fused machinery."""

    elementwise = True
    state_names = ("seen",)

    def step(self, rate, weights, gradient):
        self.keep(seen=gradient + 0.0)
        return weights - rate * np.sign(gradient)


class Bare:
    """An optimizer without a base class that returns a given value."""

    elementwise = True

    def __init__(self, answer=None):
        self.answer, self.shapes = answer, []

    def calculate_update(self, delta, weights, gradient):
        self.shapes = [*self.shapes, weights.shape]
        return weights - delta * gradient if self.answer is None else self.answer(weights)


def test_elementwise_optimizer_is_called_once():
    runner = layers()
    for optimizer in (Signs(0.5), Bare()):
        updates = Updates(runner, TrainingConfig(optimizer=optimizer))
        (group,) = updates.groups
        assert not group._fused
        for _ in range(3):
            before = values_of(runner)
            draw_gradients(runner, np.random.default_rng(3))
            updates.step()
            for p, old in zip(parameters_of(runner), before, strict=True):
                step = 0.5 * np.sign(p.gradient) if isinstance(optimizer, Signs) else p.gradient
                np.testing.assert_allclose(p.value, old - step, rtol=1e-14)
    assert group.optimizer.shapes == [(12 + 4 + 1 + 30,)] * 3
    assert updates.set_rate(0.5) is None


def test_subclass_wrapping_step_is_not_fused():
    @dataclass(eq=False)
    class Halved(Sgd):
        elementwise = True

        def step(self, rate, weights, gradient):
            return super().step(rate / 2, weights, gradient)

    runner = layers()
    before = values_of(runner)
    draw_gradients(runner, np.random.default_rng(3))
    Updates(runner, TrainingConfig(optimizer=Halved(1.0))).step()
    for p, old in zip(parameters_of(runner), before, strict=True):
        np.testing.assert_allclose(p.value, old - p.gradient / 2)


# ------------------------------------------------------------------ whose memory
def test_values_are_views_never_overwritten(optimizer):
    runner = layers()
    updates, rng = Updates(runner, TrainingConfig(optimizer=optimizer)), np.random.default_rng(4)
    held, copies = [], []
    for _ in range(6):
        held.append([p.value.T[...] for p in parameters_of(runner)])
        copies.append(values_of(runner))
        draw_gradients(runner, rng)
        updates.step()
        bases = {id(p.value.base) for p in parameters_of(runner)}
        assert len(bases) == 1 and all(p.value.flags.writeable for p in parameters_of(runner))
    for arrays, expected in zip(held, copies, strict=True):
        for array, old in zip(arrays, expected, strict=True):
            np.testing.assert_array_equal(array.T, old)


def test_gradients_are_not_written_even_when_clipped():
    runner = layers()
    draw_gradients(runner, np.random.default_rng(4), 50.0)
    before = [p.gradient.copy() for p in parameters_of(runner)]
    Updates(runner, TrainingConfig(clip_norm=0.1)).step()
    for p, old in zip(parameters_of(runner), before, strict=True):
        np.testing.assert_array_equal(p.gradient, old)


def test_pool_reuses_only_unreferenced_arrays():
    pool = ArrayPool(6, np.dtype(np.float32))
    first, second = pool.acquire(), pool.acquire()
    place = first.ctypes.data
    view = second.reshape(2, 3)[:, 1]
    view[:] = 7
    pool.release(first)
    pool.release(second)
    del first, second
    assert pool.acquire().ctypes.data == place  # the second is referenced by a view of a view, and dropped
    assert view.tolist() == [7, 7] and pool._free == []


def test_two_arrays_serve_any_number_of_steps():
    runner = layers(shapes=[((300, 40), "weights"), ((40,), "bias")])
    updates, rng, places = Updates(runner, TrainingConfig()), np.random.default_rng(4), []
    for _ in range(8):
        draw_gradients(runner, rng)
        updates.step()
        places.append(parameters_of(runner)[0].value.ctypes.data)
    assert places[2:] == places[:-2] and len(set(places)) == 2


def test_values_assigned_between_steps_count():
    runner = layers(shapes=[((3, 2), "weights"), ((3, 2), "weights"), ((2,), "bias")])
    one, two, three = parameters_of(runner)
    updates = Updates(runner, TrainingConfig(optimizer=Sgd(1.0)))

    def step():
        for p in (one, two, three):
            p.gradient = np.full(p.value.shape, 0.25)
        before = values_of(runner)
        updates.step()
        for p, old in zip((one, two, three), before, strict=True):
            np.testing.assert_allclose(p.value, old - 0.25, rtol=1e-7)
            assert p.value.dtype == np.float64

    step()
    one.value, two.value = two.value, one.value  # views of the group's own array
    step()
    one.value = two.value[::-1]
    step()
    two.value[1, 1] = 8.0  # in place
    step()
    assert two.value[1, 1] == 7.75
    three.value = np.array([1, 2], np.float32)
    step()
    three.value = np.array([5, 6])
    step()
    one.value = np.asfortranarray(np.arange(6.0).reshape(3, 2))
    mine = one.value
    step()
    np.testing.assert_array_equal(mine, np.arange(6.0).reshape(3, 2))


def test_values_that_do_not_fit_are_refused():
    runner = layers()
    updates = Updates(runner, TrainingConfig())
    draw_gradients(runner, np.random.default_rng(4))
    updates.step()
    state, p = moments_of(updates), parameters_of(runner)[0]
    good, others = p.value, values_of(runner)[1:]
    for value, error in ((np.ones((4, 3)), ShapeError), (np.ones((3, 4), complex), DtypeError)):
        p.value = value
        with pytest.raises(error, match="p0"):
            updates.step()
        assert p.value is value
    p.value = good
    assert_same_state(state, moments_of(updates))
    for q, old in zip(parameters_of(runner)[1:], others, strict=True):
        np.testing.assert_array_equal(q.value, old)


def test_gradient_in_place_is_not_copied():
    plain, runner = layers(), layers()
    one, other = Updates(plain, TrainingConfig()), Updates(runner, TrainingConfig())
    (group,) = other.groups
    for present in (range(5), (0, 3), (), range(5)):
        draw_gradients(plain, np.random.default_rng(7))
        pairs = zip(parameters_of(plain), parameters_of(runner), group.gradients, strict=True)
        for i, (p, q, view) in enumerate(pairs):
            q.gradient = p.gradient.copy()
            if i in present:
                view[...] = p.gradient
                q.gradient = view
        one.step()
        other.step()
        for p, q in zip(parameters_of(plain), parameters_of(runner), strict=True):
            np.testing.assert_array_equal(p.value, q.value)


def test_gradients_of_any_layout_or_dtype():
    runner = layers(shapes=[((3, 4), "weights"), ((2, 2), "weights"), ((5,), "bias")])
    one, two, three = parameters_of(runner)
    before = values_of(runner)
    one.gradient, two.gradient = np.arange(24.0).reshape(4, 6).T[::2], np.array(True)
    three.gradient = np.arange(5)
    with pytest.raises(DtypeError):
        Updates(runner, TrainingConfig(optimizer=Sgd(1.0))).step()
    two.gradient = np.array(3)
    Updates(runner, TrainingConfig(optimizer=Sgd(1.0))).step()
    np.testing.assert_allclose(one.value, before[0] - np.array([[0, 6, 12, 18], [2, 8, 14, 20], [4, 10, 16, 22]]))
    np.testing.assert_allclose(two.value, before[1] - 3.0)
    np.testing.assert_allclose(three.value, before[2] - [0, 1, 2, 3, 4])


# ------------------------------------------------------------------ all or nothing
@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("index", [1, 8])
def test_step_not_finite_changes_nothing(optimizer, bad, index):
    if isinstance(optimizer, (Adam, RMSprop)) and bad == math.inf:
        bad = -math.nan  # g / sqrt(g²) of infinity is not a number either
    config = TrainingConfig(optimizer=optimizer, regularizer=L1_Regularizer(0.1))
    runner, twin = layers(deltas=(1.0, 0.5)), layers(deltas=(1.0, 0.5))
    updates, others = Updates(runner, config), Updates(twin, config)
    rng, rng2 = np.random.default_rng(1), np.random.default_rng(1)
    for step in range(5):
        draw_gradients(runner, rng)
        draw_gradients(twin, rng2)
        if step in (0, 2, 3):
            p = parameters_of(runner)[index]
            good, p.gradient = p.gradient, p.gradient.copy()
            p.gradient[(0,) * p.gradient.ndim] = bad
            arrays, values, state = [q.value for q in parameters_of(runner)], values_of(runner), moments_of(updates)
            name = f"float64-{1.0 if index < 5 else 0.5}/p{index % 5}"
            with pytest.raises(RuleError, match=f"{name}.*not finite"), np.errstate(all="ignore"):
                updates.step()
            assert_same_state(state, moments_of(updates))
            for q, array, value in zip(parameters_of(runner), arrays, values, strict=True):
                assert q.value is array
                np.testing.assert_array_equal(q.value, value)
            p.gradient = good
        updates.step()
        others.step()
    for p, q in zip(parameters_of(runner), parameters_of(twin), strict=True):
        np.testing.assert_array_equal(p.value, q.value)


@pytest.mark.parametrize(
    "answer", [lambda w: w[:-1], lambda w: None, lambda w: w * math.nan, lambda w: w.reshape(1, -1)], ids=range(4)
)
def test_invalid_update_of_one_group_restores_all(answer):
    def second(weights):
        second.calls += 1
        return weights - 1.0 if second.calls < 2 else answer(weights)

    second.calls = 0
    runner = layers(deltas=(1.0, 2.0))
    updates = Updates(runner, TrainingConfig(optimizer=Bare(second)))
    draw_gradients(runner, np.random.default_rng(0))
    before = values_of(runner)
    with pytest.raises(RuleError, match=r"float64-2.0/p0 to float64-2.0/p4, optimizer Bare"):
        updates.step()
    assert [part.optimizer.shapes for part in updates.groups] == [[], []]
    for p, old in zip(parameters_of(runner), before, strict=True):
        np.testing.assert_array_equal(p.value, old)


def test_refused_step_changes_nothing():
    runner = layers()
    updates = Updates(runner, TrainingConfig())
    before = values_of(runner)
    with pytest.raises(StateError, match="no gradient yet"):
        updates.step()
    draw_gradients(runner, np.random.default_rng(0))
    parameters_of(runner)[3].gradient = np.ones((2, 3))
    with pytest.raises(ShapeError, match=r"expected \(2, 3, 5\), received \(2, 3\)"):
        updates.step()
    draw_gradients(runner, np.random.default_rng(0))
    updates.groups[0].optimizer.learning_rate = -1.0
    with pytest.raises(ConfigError, match="learning_rate"):
        updates.step()
    frozen = layers(deltas=(1.0, math.nan))
    draw_gradients(frozen, np.random.default_rng(0))
    with pytest.raises(ConfigError, match="individual_delta"):
        Updates(frozen, TrainingConfig()).step()
    for p, q, old in zip(parameters_of(runner), parameters_of(frozen), before, strict=False):
        np.testing.assert_array_equal(p.value, old)
        np.testing.assert_array_equal(q.value, old)


def test_clipping_refuses_not_finite_gradients():
    runner = layers()
    updates = Updates(runner, TrainingConfig(clip_norm=1.0))
    draw_gradients(runner, np.random.default_rng(0))
    parameters_of(runner)[3].gradient[1, 2, 3] = math.inf
    before = values_of(runner)
    with pytest.raises(DataError, match=r"float64-1.0/p3: a gradient is not finite"):
        updates.step()
    for p, old in zip(parameters_of(runner), before, strict=True):
        np.testing.assert_array_equal(p.value, old)
    assert moments_of(updates)[0][1] == {}


@pytest.mark.parametrize(
    ("size", "dtype"), [(1e200, "float64"), (1e-200, "float64"), (3e38, "float32"), (1e-30, "float32")]
)
@pytest.mark.parametrize("limit", [1e-3, 2.0])
def test_clipping_neither_overflows_nor_loses_small_gradients(size, dtype, limit):
    runner = layers((dtype,), shapes=[((4,), "bias"), ((5,), "weights")])
    updates = Updates(runner, TrainingConfig(optimizer=Sgd(1.0), clip_norm=limit))
    for p in parameters_of(runner):
        p.value, p.gradient = np.zeros_like(p.value), np.full_like(p.value, size)
    length = 3 * float(np.dtype(dtype).type(size))
    assert updates.step() == pytest.approx(length, rel=1e-6)
    for p in parameters_of(runner):
        np.testing.assert_allclose(-p.value, min(limit, length) / 3, rtol=1e-6)


def test_norm_of_large_float32_array_is_accurate():
    runner = layers(("float32",), shapes=[((1000, 1500), "weights")])
    draw_gradients(runner, np.random.default_rng(0))
    updates = Updates(runner, TrainingConfig(clip_norm=1.0))
    exact = np.linalg.norm(parameters_of(runner)[0].gradient.astype(np.float64))
    assert updates.step() == pytest.approx(exact, rel=1e-6)


# ------------------------------------------------------------------ rules in blocks
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_blocks_do_not_show_in_the_result(optimizer, dtype):
    rng, rows = np.random.default_rng(0), BLOCK // np.dtype(dtype).itemsize // 7
    shape = (2 * rows + 3, 7)
    weights, whole = rng.normal(size=shape).astype(dtype), optimizer.fresh()
    pieces = [(slice(i, i + 700), optimizer.fresh()) for i in range(0, shape[0], 700)]
    result, expected = weights, weights.copy()
    for gradient in rng.normal(size=(3, *shape)).astype(dtype):
        result = whole.calculate_update(0.5, result, gradient)
        for at, each in pieces:
            expected[at] = each.calculate_update(0.5, expected[at], gradient[at])
    np.testing.assert_array_equal(result, expected)
    rates = rng.uniform(size=shape).astype(dtype)
    fresh = optimizer.fresh().step(rates, weights, weights)
    for i in (0, 5, shape[0] - 1):
        np.testing.assert_array_equal(fresh[i], optimizer.fresh().step(rates[i], weights[i], weights[i]))


def test_update_into_keeps_replaced_moments():
    optimizer, spare, out = Adam(0.1), {}, np.empty(4)
    weights, gradient = np.arange(4.0), np.array([1.0, -2.0, 3.0, -4.0])
    optimizer.update_into(1.0, weights, gradient, out, spare)
    first = optimizer.state()
    optimizer.update_into(1.0, out.copy(), gradient, out, spare)
    np.testing.assert_array_equal(spare["first_moment"], first["first_moment"])
    np.testing.assert_array_equal(weights, np.arange(4.0))
    assert optimizer.step_count == 2
    with pytest.raises(ShapeError, match="fresh"):
        optimizer.update_into(1.0, np.ones(3), np.ones(3), np.empty(3), {})


def test_fused_optimizer_must_follow_its_contract():
    @dataclass(eq=False)
    class Writes(FusedOptimizer):
        elementwise = True

        def rule(self, block):
            block.weights[...] = 0

    with pytest.raises(RuleError, match="FusedOptimizer has no rule"):
        FusedOptimizer().calculate_update(1.0, np.ones(2), np.ones(2))
    with pytest.raises(ValueError, match="read-only"):
        Writes().calculate_update(1.0, np.ones(2), np.ones(2))
    runner = layers()
    draw_gradients(runner, np.random.default_rng(0))
    before = values_of(runner)
    with pytest.raises(ValueError, match="read-only"):
        Updates(runner, TrainingConfig(optimizer=Writes())).step()
    for p, old in zip(parameters_of(runner), before, strict=True):
        np.testing.assert_array_equal(p.value, old)


def test_invalid_group_regularizer_changes_nothing():
    class Odd(Regularizer):
        elementwise = True

        def calculate(self, weights):
            return np.ones(7)

        def norm(self, weights):
            return 0.0

    runner = layers()
    draw_gradients(runner, np.random.default_rng(0))
    updates, before = Updates(runner, TrainingConfig(regularizer=Odd(1.0))), values_of(runner)
    with pytest.raises(RuleError, match="calculate returned an invalid value"):
        updates.step()
    assert all(state == {} for _, state in moments_of(updates))
    for p, old in zip(parameters_of(runner), before, strict=True):
        np.testing.assert_array_equal(p.value, old)
