"""Optimizers: closed forms, recurrences in plain Python, dtypes, state, and what they refuse."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import numpy as np
import pytest

from graphnet.core.errors import ConfigError, DataError, DtypeError, RuleError, ShapeError, StateError
from graphnet.optimizers import Adam, AdamW, Optimizer, RMSprop, Sgd, SgdWithMomentum, clip_by_global_norm
from graphnet.regularizers import L1_Regularizer, L2_Regularizer

ALL = [Sgd(0.1), SgdWithMomentum(0.1, 0.8), Adam(0.1, 0.7, 0.9), AdamW(0.1, 0.7, 0.9, 0.2), RMSprop(0.1, 0.6, 1e-6)]
STATEFUL = ALL[1:]
NAMES = [type(o).__name__ for o in ALL]


@pytest.fixture(params=ALL, ids=NAMES)
def optimizer(request):
    return copy.deepcopy(request.param)


@pytest.fixture(params=STATEFUL, ids=NAMES[1:])
def stateful(request):
    return copy.deepcopy(request.param)


def recurrence(kind, w, gradients, rate=0.1):
    """The published rules for one weight, in Python floats."""
    v = r = 0.0
    for t, g in enumerate(gradients, 1):
        if kind == "Sgd":
            w -= rate * g
        elif kind == "SgdWithMomentum":
            v = 0.8 * v - rate * g
            w += v
        elif kind == "RMSprop":
            r = 0.6 * r + 0.4 * g * g
            w -= rate * g / (math.sqrt(r) + 1e-6)
        else:
            v, r = 0.7 * v + 0.3 * g, 0.9 * r + 0.1 * g * g
            step = rate * (v / (1 - 0.7**t)) / (math.sqrt(r / (1 - 0.9**t)) + 1e-8)
            w -= step + (rate * 0.2 * w if kind == "AdamW" else 0.0)
    return w


def test_twenty_steps_equal_the_recurrence(optimizer):
    rng = np.random.default_rng(7)
    start, gradients = rng.normal(size=(3, 2)), rng.normal(size=(20, 3, 2)) * rng.uniform(0.01, 30, (3, 2))
    weights = start
    for gradient in gradients:
        weights = optimizer.calculate_update(1.0, weights, gradient)
    for place in np.ndindex(3, 2):
        expected = recurrence(type(optimizer).__name__, float(start[place]), [float(g[place]) for g in gradients])
        assert weights[place] == pytest.approx(expected, rel=1e-11)


def test_sgd_matches_formula():
    assert Sgd(1.0).calculate_update(1.0, 1.0, 1.0) == 0.0
    np.testing.assert_array_equal(Sgd(0.5).calculate_update(2.0, [1, 2], [3, -4]), [-2.0, 6.0])


def test_momentum_matches_formula():
    optimizer = SgdWithMomentum(1.0, 0.9)
    first = optimizer.calculate_update(1.0, 1.0, 1.0)
    assert first == 0.0
    assert optimizer.calculate_update(1.0, first, 1.0) == pytest.approx(-1.9)


def test_adam_matches_formula():
    optimizer = Adam(1.0, 0.01, 0.02)
    first = optimizer.calculate_update(1.0, 1.0, 1.0)
    assert first == pytest.approx(0.0, abs=1e-7)
    mean, square = 0.5049 / 0.9999, 0.2646 / 0.9996
    assert optimizer.calculate_update(1.0, first, 0.5) == pytest.approx(-mean / math.sqrt(square), abs=1e-7)


def test_delta_scales_the_rate(optimizer):
    other = copy.deepcopy(optimizer)
    other.learning_rate *= 0.25
    w, g = np.array([1.0, -2.0]), np.array([0.3, 5.0])
    np.testing.assert_allclose(optimizer.calculate_update(0.25, w, g), other.calculate_update(1.0, w, g), rtol=1e-14)


def test_elementwise_rate_matches_separate_layers(optimizer):
    rng = np.random.default_rng(3)
    w, g, rates = rng.normal(size=5), rng.normal(size=5), np.array([0.1, 0.1, 0.02, 0.02, 0.02])
    alone = [optimizer.fresh().step(rate, w[part], g[part]) for rate, part in ((0.1, slice(2)), (0.02, slice(2, 5)))]
    np.testing.assert_array_equal(optimizer.step(rates, w, g), np.concatenate(alone))


@pytest.mark.parametrize("regularizer", [L1_Regularizer(0.3), L2_Regularizer(0.3)], ids=["L1", "L2"])
def test_regularizer_does_not_enter_moments(optimizer, regularizer):
    plain, rng = optimizer.fresh(), np.random.default_rng(5)
    optimizer.add_regularizer(regularizer)
    weights = rng.normal(size=4)
    for gradient in rng.normal(size=(3, 4)):
        expected = plain.calculate_update(0.5, weights, gradient) - 0.05 * regularizer.calculate(weights)
        weights = optimizer.calculate_update(0.5, weights, gradient)
        np.testing.assert_allclose(weights, expected, rtol=1e-13)
    assert optimizer.state().keys() == plain.state().keys()
    for name, array in plain.state().items():
        np.testing.assert_array_equal(optimizer.state()[name], array)


def test_any_object_with_calculate_and_norm_regularizes():
    class Pull:
        def calculate(self, weights):
            return np.full_like(weights, 2.0)

        def norm(self, weights):
            return 7.0

    optimizer = Sgd(0.5)
    optimizer.add_regularizer(Pull())
    assert optimizer.calculate_update(1.0, 3.0, 0.0) == 2.0
    with pytest.raises(ConfigError, match="no calculate and no norm"):
        optimizer.add_regularizer(object())
    with pytest.raises(ConfigError, match="the regularizer has no norm"):
        optimizer.add_regularizer(type("Half", (), {"calculate": lambda self, w: w})())


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtype_is_kept_and_arguments_unchanged(optimizer, dtype):
    optimizer.add_regularizer(L2_Regularizer(0.1))
    weights, gradient = np.array([[1, -2], [3, 4]], dtype)[:, ::-1], np.array([[0.5, 6], [-7, 8]], np.float64)
    weights.flags.writeable = gradient.flags.writeable = False
    before = weights.copy(), gradient.copy()
    result = optimizer.calculate_update(1.0, weights, gradient)
    assert result.dtype == dtype and result.shape == (2, 2) and result.flags.writeable
    assert not np.shares_memory(result, weights)
    np.testing.assert_array_equal(weights, before[0])
    np.testing.assert_array_equal(gradient, before[1])
    for _ in range(3):
        result = optimizer.calculate_update(1.0, result, gradient)
    assert result.dtype == dtype
    moments = {a.dtype for name, a in optimizer.state().items() if name != "step_count"}
    assert moments <= {np.dtype(np.float64 if dtype is np.float64 else np.float32)}


def test_half_precision_squares_do_not_overflow():
    weights = Adam(0.5).calculate_update(1.0, np.ones(2, np.float16), np.array([60000, -60000], np.float16))
    np.testing.assert_allclose(weights, [0.5, 1.5], rtol=1e-3)


def test_scalars_lists_and_integers(optimizer):
    reference = optimizer.fresh().calculate_update(1.0, np.array([2.0, 3.0]), np.array([1.0, 1.0]))
    np.testing.assert_array_equal(optimizer.fresh().calculate_update(1, [2, 3], [1, 1]), reference)
    np.testing.assert_array_equal(optimizer.fresh().calculate_update(1, np.array([2, 3], np.uint8), 1), reference)
    for two in (2, 2.0, np.float64(2.0), np.int32(2)):
        scalar = optimizer.fresh().calculate_update(1, two, 1)
        assert isinstance(scalar, float) and scalar == reference[0]
    assert type(optimizer.fresh().calculate_update(1, np.float32(2), 1)) is np.float32
    axisless = optimizer.fresh().calculate_update(1, np.array(2.0), 1)
    assert isinstance(axisless, np.ndarray) and axisless.shape == () and axisless == reference[0]


def test_state_round_trip_continues_to_the_bit(optimizer):
    rng = np.random.default_rng(11)
    weights, gradients = rng.normal(size=(2, 3)).astype(np.float32), rng.normal(size=(9, 2, 3)).astype(np.float32)
    for gradient in gradients[:4]:
        weights = optimizer.calculate_update(1.0, weights, gradient)
    saved = optimizer.state()
    resumed = type(optimizer)(**optimizer.config())
    resumed.load_state(saved)
    for array in saved.values():
        array[...] = 99  # neither side may hold on to what was handed over
    other = weights.copy()
    for gradient in gradients[4:]:
        weights, other = (o.calculate_update(1.0, w, gradient) for o, w in ((optimizer, weights), (resumed, other)))
    assert weights.tobytes() == other.tobytes()


def test_state_is_lazy_and_named(stateful):
    assert stateful.state() == {} and stateful.step_count == 0
    stateful.calculate_update(1.0, np.ones((2, 3)), np.ones((2, 3)))
    assert tuple(sorted(stateful.state())) == tuple(sorted(stateful.state_names))
    assert all(a.shape == (() if n == "step_count" else (2, 3)) for n, a in stateful.state().items())
    stateful.load_state({})
    assert stateful.state() == {}


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, Optimizer.fresh], ids=["copy", "deepcopy", "fresh"])
def test_copies_do_not_mix_moments(stateful, twin):
    stateful.calculate_update(1.0, np.ones(3), np.ones(3))
    before = stateful.state()
    other = twin(stateful)
    other.calculate_update(1.0, np.ones(3), -5 * np.ones(3))
    for name, array in before.items():
        np.testing.assert_array_equal(stateful.state()[name], array)
    assert other.config() == stateful.config() and type(other) is type(stateful)


def test_another_weight_array_is_refused(stateful):
    stateful.calculate_update(1.0, np.ones((2, 3)), np.ones((2, 3)))
    before = stateful.state()
    with pytest.raises(ShapeError, match=r"expected \(2, 3\), received \(3,\).*one weight array.*fresh"):
        stateful.calculate_update(1.0, np.ones(3), np.ones(3))
    for name, array in before.items():
        np.testing.assert_array_equal(stateful.state()[name], array)
    stateful.fresh().calculate_update(1.0, np.ones(3), np.ones(3))


def test_sgd_serves_many_arrays():
    optimizer = Sgd(1.0)
    assert optimizer.calculate_update(1.0, np.ones(3), np.ones(3)).shape == (3,)
    assert optimizer.calculate_update(1.0, np.ones((2, 2)), np.ones((2, 2))).shape == (2, 2)
    assert optimizer.state() == {}


def test_bad_arrays_are_refused(optimizer):
    for weights, gradient, error in [
        (np.ones(3), np.ones((3, 1)), ShapeError),
        (1.0, np.ones(2), ShapeError),
        ([[1.0], [1.0, 2.0]], 1.0, ShapeError),
        (np.ones(2, complex), np.ones(2), DtypeError),
        (np.ones(2), np.array([True, False]), DtypeError),
        (np.ones(2), None, DtypeError),
        ("w", 1.0, DtypeError),
    ]:
        with pytest.raises(error):
            optimizer.calculate_update(1.0, weights, gradient)
    for delta in (-1.0, math.nan, math.inf, "1", None, True, np.ones(2)):
        with pytest.raises(ConfigError, match="individual_delta"):
            optimizer.calculate_update(delta, 1.0, 1.0)
    assert optimizer.state() == {}


def test_wrong_saved_state_is_refused(stateful):
    stateful.calculate_update(1.0, np.ones(2), np.ones(2))
    good = stateful.state()
    moment = next(name for name in stateful.state_names if name != "step_count")
    bad = [(good | {"else": np.ones(2)}, StateError), (good | {moment: np.array(["a", "b"])}, DtypeError)]
    bad += [({k: v for k, v in good.items() if k != moment} | {"x": np.ones(2)}, StateError)]
    if "step_count" in good:
        bad += [(good | {"step_count": n}, StateError) for n in (0, 1.5, [1, 2])]
        bad += [(good | {moment: np.ones(3)}, ShapeError)]
    for state, error in bad:
        with pytest.raises(error):
            stateful.load_state(state)
    for name, array in good.items():
        np.testing.assert_array_equal(stateful.state()[name], array)
    with pytest.raises(StateError, match="another kind"):
        Sgd(1.0).load_state(good)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Sgd(-0.1),
        lambda: Sgd(math.nan),
        lambda: Sgd("0.1"),
        lambda: Sgd(True),
        lambda: SgdWithMomentum(0.1, 1.0),
        lambda: SgdWithMomentum(0.1, -0.1),
        lambda: Adam(0.1, 1.0, 0.9),
        lambda: Adam(0.1, 0.9, 1.0),
        lambda: Adam(epsilon=0.0),
        lambda: AdamW(weight_decay=-1),
        lambda: AdamW(0.1, 0.9, math.inf),
        lambda: RMSprop(0.1, 1.5),
        lambda: RMSprop(epsilon=-1e-8),
    ],
)
def test_settings_out_of_range(build):
    with pytest.raises(ConfigError, match="expected a finite number in"):
        build()


def test_assigned_learning_rate_is_checked():
    optimizer = Sgd(1.0)
    optimizer.learning_rate = 0.25
    assert optimizer.calculate_update(1.0, 1.0, 1.0) == 0.75
    optimizer.learning_rate = math.nan
    with pytest.raises(ConfigError, match="learning_rate"):
        optimizer.calculate_update(1.0, 1.0, 1.0)


def test_config_and_repr_are_the_constructor():
    optimizer = AdamW(np.float32(0.5), 0.8, 0.9, 0.1, epsilon=1e-6)
    assert optimizer.config() == {
        "learning_rate": 0.5, "mu": 0.8, "rho": 0.9, "epsilon": 1e-6, "weight_decay": 0.1,
    }  # fmt: skip
    assert all(type(value) is float for value in optimizer.config().values())
    assert eval(repr(optimizer)).config() == optimizer.config()
    assert (Adam().mu, Adam().rho, Adam().epsilon) == (0.9, 0.999, 1e-8)


@dataclass(eq=False)
class Broken(Optimizer):
    answer: object = None
    state_names = ("seen",)

    def step(self, rate, weights, gradient):
        self.keep(seen=gradient)
        if isinstance(self.answer, str) and self.answer == "write":
            weights[...] = 0
        return weights if isinstance(self.answer, str) and self.answer == "same" else self.answer


@pytest.mark.parametrize("answer", [None, 1.0, np.ones(3), "text", [[1], [1, 2]], np.ones(2, complex)], ids=repr)
def test_invalid_rule_result_is_refused(answer):
    optimizer = Broken(0.1, answer)
    with pytest.raises(RuleError, match="step returned an invalid value"):
        optimizer.calculate_update(1.0, np.ones(2), np.ones(2))
    assert optimizer.state() == {}


def test_a_rule_cannot_reach_the_callers_arrays():
    weights = np.ones(2)
    with pytest.raises(ValueError, match="read-only"):
        Broken(0.1, "write").calculate_update(1.0, weights, weights)
    same = Broken(0.1, "same").calculate_update(1.0, weights, weights)
    same[0] = 5.0
    np.testing.assert_array_equal(weights, [1.0, 1.0])
    optimizer, gradient = Broken(0.1, "same"), np.array([3.0, 4.0])
    optimizer.calculate_update(1.0, weights, gradient)
    gradient[...] = 0.0
    np.testing.assert_array_equal(optimizer.state()["seen"], [3.0, 4.0])
    with pytest.raises(RuleError, match="no step"):
        Optimizer(0.1).calculate_update(1.0, 1.0, 1.0)


def test_invalid_regularizer_result_is_refused():
    optimizer = SgdWithMomentum(0.1)
    optimizer.add_regularizer(type("Odd", (), {"calculate": lambda s, w: np.ones(7), "norm": lambda s, w: 0.0})())
    with pytest.raises(RuleError, match="calculate returned an invalid value"):
        optimizer.calculate_update(1.0, np.ones(2), np.ones(2))
    assert optimizer.state() == {}


def test_adam_w_decays_and_adam_does_not():
    weights, zero = np.array([2.0, -3.0]), np.zeros(2)
    np.testing.assert_allclose(AdamW(0.1, weight_decay=0.5).calculate_update(1.0, weights, zero), 0.95 * weights)
    np.testing.assert_array_equal(Adam(0.1).calculate_update(1.0, weights, zero), weights)


@pytest.mark.parametrize(
    "optimizer", [Sgd(0.05), SgdWithMomentum(0.02), Adam(0.1), AdamW(0.1, weight_decay=0.0), RMSprop(0.02)], ids=NAMES
)
def test_every_optimizer_descends_a_bowl(optimizer):
    scales, weights = np.array([1.0, 4.0, 0.5]), np.array([3.0, -2.0, 1.0])
    for _ in range(600):
        weights = optimizer.calculate_update(1.0, weights, scales * weights)
    assert np.abs(weights).max() < 0.05


def test_clipping_scales_all_by_one_factor():
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(2, 3)), rng.normal(size=4).astype(np.float32), np.zeros((0, 2)), rng.normal(size=())]
    before = [a.copy() for a in arrays]
    expected = math.sqrt(sum(float(x) ** 2 for a in arrays for x in np.ravel(a)))
    clipped, norm = clip_by_global_norm(arrays, 0.5)
    assert norm == pytest.approx(expected, rel=1e-12)
    for old, new, copy_ in zip(arrays, clipped, before, strict=True):
        assert new.dtype == old.dtype and new.shape == old.shape
        np.testing.assert_array_equal(old, copy_)
        np.testing.assert_allclose(new, old * 0.5 / expected, rtol=1e-6)
    assert clip_by_global_norm(clipped, 9.0)[1] == pytest.approx(0.5, rel=1e-6)


def test_clipping_leaves_small_gradients_as_they_are():
    arrays = [np.array([0.3]), np.array([0.4])]
    clipped, norm = clip_by_global_norm(arrays, 0.6)
    assert norm == pytest.approx(0.5)
    for old, new in zip(arrays, clipped, strict=True):
        assert new == old and not np.shares_memory(new, old)
    assert clip_by_global_norm([], 1.0) == ([], 0.0)
    assert clip_by_global_norm([np.zeros(3)], 1.0)[1] == 0.0


@pytest.mark.parametrize(("size", "dtype"), [(1e200, np.float64), (1e-200, np.float64), (3e38, np.float32)])
def test_clipping_does_not_overflow(size, dtype):
    clipped, norm = clip_by_global_norm([np.full(4, size, dtype), np.full(5, size, dtype)], size)
    assert norm == pytest.approx(3 * float(dtype(size)), rel=1e-6)
    np.testing.assert_allclose(clipped[1] / dtype(size), 1 / 3, rtol=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_clipping_refuses_what_no_factor_makes_finite(bad):
    for place in (0, 1):
        arrays = [np.array([1.0, 2.0]), np.array([3.0, 4.0])]
        arrays[place][1] = bad
        with pytest.raises(DataError, match=rf"arrays \[{place}\]"):
            clip_by_global_norm(arrays, 1.0)
    with pytest.raises(DataError, match="too large"):
        clip_by_global_norm([np.full(4, 1.7e308)], 1.0)


def test_clipping_refuses_bad_arguments():
    with pytest.raises(ShapeError, match="list"):
        clip_by_global_norm(np.ones((2, 2)), 1.0)
    with pytest.raises(DtypeError, match=r"gradients\[1\]"):
        clip_by_global_norm([np.ones(2), None], 1.0)
    for limit in (0.0, -1.0, math.nan):
        with pytest.raises(ConfigError, match="limit"):
            clip_by_global_norm([np.ones(2)], limit)
