"""Diagonal, 2x2 and max-plus recurrences, against loops over rows and steps."""

from __future__ import annotations

import numpy as np
import pytest
from recurrence_oracles import close, linear, slope, whole

from graphnet.core.recurrences import Order, diagonal, max_plus, pair, rotation

BATCH, STEPS = 4, 7
#: Rows of all steps, of some, of none.
RAGGED = np.array([7, 3, 0, 1])
ORDERS = [Order(), Order(reverse=True), Order(RAGGED), Order(RAGGED, True)]
#: Sizes of the inner axes, and for each coefficient which axes of (batch, steps, *inner) are broadcast.
FORMS = [((5,), (), ()), ((3, 2), (0, 1), ()), ((3, 2), (3,), (0,)), ((2, 3), (0, 2), (3,)), ((), (), (1,))]


def shaped(rng, inner, broadcast, steps=STEPS):
    shape = [1 if axis in broadcast else size for axis, size in enumerate((BATCH, steps, *inner))]
    return rng.normal(size=shape)


def spoiled(array, order, rng):
    """A copy with NaN, infinity and large numbers beyond the ends."""
    if order.lengths is None or array.shape[:2] != (BATCH, STEPS):
        return array
    array = array.copy()
    beyond = np.arange(STEPS) >= order.lengths[:, None]
    array[beyond] = rng.choice([np.nan, np.inf, -np.inf, 1e300], size=array[beyond].shape)
    return array


def laid_out(array):
    """The same numbers in time-major memory."""
    return np.ascontiguousarray(array.swapaxes(0, 1)).swapaxes(0, 1)


def lengths_of(order, steps=STEPS):
    return np.full(BATCH, steps) if order.lengths is None else order.lengths


def check_derivatives(loss, arguments, errors, rng):
    """Compare errors with derivatives in random directions."""
    for name, error in errors.items():
        assert error.shape == arguments[name].shape, name
        direction = rng.normal(size=error.shape)
        assert close((error * direction).sum(), slope(loss, arguments, name, direction)), name


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("form", FORMS)
def test_diagonal(order, form):
    rng = np.random.default_rng(1)
    inner, first, second = form
    arguments = {"a": shaped(rng, inner, first), "b": shaped(rng, inner, second), "s": rng.normal(size=(BATCH, *inner))}
    weights = [rng.normal(size=(BATCH, STEPS, *inner)) for _ in range(2)] + [rng.normal(size=(BATCH, *inner))]

    def states(x):
        inputs = {"a": whole(x["a"], BATCH, STEPS), "b": whole(x["b"], BATCH, STEPS)}
        return linear(
            lambda s, at: at["a"] * s + at["b"], lambda r: x["s"][r], inputs, lengths_of(order), order.reverse, STEPS
        )

    run = diagonal(
        spoiled(arguments["a"], order, rng), laid_out(spoiled(arguments["b"], order, rng)), arguments["s"], order
    )
    for found, expected in zip((run.before, run.after, run.final), states(arguments), strict=True):
        assert close(found, expected)
    errors = run.pull(spoiled(weights[1], order, rng), spoiled(weights[0], order, rng), weights[2])
    check_derivatives(
        lambda x: sum((w * s).sum() for w, s in zip(weights, states(x), strict=True)),
        arguments, {"a": errors.a, "b": errors.b, "s": errors.initial}, rng,
    )  # fmt: skip
    only = run.pull(final=weights[2], without=("a", "initial"))
    assert only.a is None and only.initial is None
    assert close(only.b, run.pull(np.zeros_like(weights[0]), None, weights[2]).b)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("broadcast", [(), (0, 1), (2,)])
def test_complex_pairs(order, broadcast):
    rng = np.random.default_rng(2)
    arguments = {name: shaped(rng, (3, 2), broadcast) for name in ("re", "im")}
    arguments |= {name: shaped(rng, (3, 2), ()) for name in ("b", "c")}
    arguments |= {name: rng.normal(size=(BATCH, 3, 2)) for name in ("x", "y")}
    weights = [rng.normal(size=(BATCH, STEPS, 2, 3, 2)) for _ in range(2)] + [rng.normal(size=(BATCH, 2, 3, 2))]

    def step(s, at):
        return np.stack([at["re"] * s[0] - at["im"] * s[1] + at["b"], at["re"] * s[1] + at["im"] * s[0] + at["c"]])

    def states(x):
        inputs = {n: whole(x[n], BATCH, STEPS) for n in ("re", "im", "b", "c")}
        return linear(step, lambda r: np.stack([x["x"][r], x["y"][r]]), inputs, lengths_of(order), order.reverse, STEPS)

    re, im, b, c = (spoiled(arguments[n], order, rng) for n in ("re", "im", "b", "c"))
    run = rotation(re, im, (b, c), (arguments["x"], arguments["y"]), order)
    before, after, last = states(arguments)
    for i in range(2):
        assert close(run.before[i], before[:, :, i])
        assert close(run.after[i], after[:, :, i])
        assert close(run.final[i], last[:, i])
    early, late = (tuple(spoiled(w[:, :, i], order, rng) for i in range(2)) for w in weights[:2])
    errors = run.pull(late, early, (weights[2][:, 0], weights[2][:, 1]))
    found = dict(zip(("re", "im", "b", "c", "x", "y"), (*errors.matrix, *errors.added, *errors.initial), strict=True))
    check_derivatives(
        lambda x: sum((w * s).sum() for w, s in zip(weights, states(x), strict=True)), arguments, found, rng
    )


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("given", ["xx xy yx yy b c", "xx yx yy b", "xy yx c", "xx yx yy c"])
def test_pairs(order, given):
    rng = np.random.default_rng(3)
    names = given.split()
    arguments = {name: shaped(rng, (3,), (0,) if name == "yx" else ()) for name in names}
    weights = rng.normal(size=(BATCH, STEPS, 2, 3))

    def step(s, at):
        part = lambda name: at.get(name, 0)  # noqa: E731
        return np.stack(
            [part("xx") * s[0] + part("xy") * s[1] + part("b"), part("yx") * s[0] + part("yy") * s[1] + part("c")]
        )

    def states(x):
        inputs = {n: whole(x[n], BATCH, STEPS) for n in names}
        kind = next(iter(x.values())).dtype
        return linear(step, lambda r: np.zeros((2, 3), kind), inputs, lengths_of(order), order.reverse, STEPS)

    spoil = {n: spoiled(arguments[n], order, rng) for n in names}
    matrix = tuple(spoil.get(n) for n in ("xx", "xy", "yx", "yy"))
    run = pair(matrix, (spoil.get("b"), spoil.get("c")), None, order)
    for i in range(2):
        assert close(run.after[i], states(arguments)[1][:, :, i])
    errors = run.pull(tuple(spoiled(weights[:, :, i], order, rng) for i in range(2)))
    found = dict(zip(("xx", "xy", "yx", "yy", "b", "c"), (*errors.matrix, *errors.added), strict=True))
    assert {n for n, e in found.items() if e is not None} == set(names)
    check_derivatives(lambda x: (weights * states(x)[1]).sum(), arguments, {n: found[n] for n in names}, rng)


@pytest.mark.parametrize("order", ORDERS)
def test_max_plus(order):
    rng = np.random.default_rng(4)
    # Small whole numbers: ties are frequent, and the carried state gets the error there.
    f, i = (rng.integers(-2, 3, (BATCH, STEPS, 3)).astype(float) for _ in range(2))
    initial = np.where(rng.random((BATCH, 3)) < 0.5, -np.inf, 0.0)
    weights, last = rng.normal(size=(BATCH, STEPS, 3)), rng.normal(size=(BATCH, 3))
    step = lambda s, at: np.maximum(at["f"] + s, at["i"])  # noqa: E731
    before, after, final = linear(step, lambda r: initial[r], {"f": f, "i": i}, lengths_of(order), order.reverse, STEPS)
    run = max_plus(spoiled(f, order, rng), spoiled(i, order, rng), initial, order)
    for found, expected in ((run.before, before), (run.after, after), (run.final, final)):
        np.testing.assert_array_equal(found, expected)
    errors = run.pull(spoiled(weights, order, rng), None, last)
    expected = {"f": np.zeros_like(f), "i": np.zeros_like(f)}
    for row, length in enumerate(lengths_of(order)):
        steps = range(length) if order.reverse else range(length)[::-1]
        error = last[row].copy()
        for t in steps:
            error += weights[row, t]
            held = f[row, t] + before[row, t] >= i[row, t]
            expected["f"][row, t], expected["i"][row, t] = held * error, ~held * error
            error *= held
        assert close(errors.initial[row], error)
    assert close(errors.f, expected["f"])
    assert close(errors.i, expected["i"])


def test_errors_of_the_states_before_a_maximum():
    """Those before a step are those after the step before it."""
    rng = np.random.default_rng(5)
    f, i, weights = rng.normal(size=(3, 2, 5, 4))
    run = max_plus(f, i)
    shifted = np.concatenate([weights[:, 1:], np.zeros((2, 1, 4))], 1)
    one, two = run.pull(before=weights), run.pull(after=shifted)
    assert close(one.f, two.f)
    assert close(one.i, two.i)


@pytest.mark.parametrize("steps", [0, 1])
def test_few_steps(steps):
    b = np.ones((2, steps, 3))
    run = diagonal(b * 0.5, b, np.full((2, 3), 2.0))
    assert run.after.shape == (2, steps, 3)
    assert np.all(run.final == 2.0)
    assert np.all(run.pull(None, None, np.ones((2, 3))).initial == 0.5**steps)


@pytest.mark.parametrize("case", ["mild", "growing", "infinite"])
def test_long_sequences_of_narrow_states(case):
    """In chunks, or step by step where the product of the decays of a chunk is not finite."""
    rng = np.random.default_rng(6)
    steps = 2500
    a, b, weights = rng.normal(size=(3, 2, steps, 1)) / 2
    b, weights = (np.concatenate([x, rng.normal(size=x.shape)], 2) for x in (b, weights))
    if case != "mild":
        a[1, 1200:1210] = 1e20 if case == "growing" else 1e40
        a[1, 1210:1215] = 1e-60
        b[1, :1210] = 0
    initial = np.zeros((2, 2)) if case != "mild" else rng.normal(size=(2, 2))
    arguments = {"a": a, "b": b, "s": initial}

    def states(x):
        inputs = {n: np.broadcast_to(x[n], (2, steps, x[n].shape[2])) for n in ("a", "b")}
        return linear(lambda s, at: at["a"] * s + at["b"], lambda r: x["s"][r], inputs, [steps] * 2, False, steps)

    run = diagonal(a, b, initial, Order())
    assert close(run.after, states(arguments)[1])
    if case == "mild":
        errors = run.pull(weights)
        found = {"a": errors.a, "b": errors.b, "s": errors.initial}
        check_derivatives(lambda x: (weights * states(x)[1]).sum(), arguments, found, rng)
