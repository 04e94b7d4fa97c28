"""Recurrences of matrix states, against loops over rows and steps."""

from __future__ import annotations

import numpy as np
import pytest
from recurrence_oracles import close, matrix_outputs, slope

from graphnet.core.recurrences import Decay, Order, Read, delta, outer
from graphnet.core.recurrences.triangular import unit_inverse

BATCH = 3
#: Sizes of the axes (key, value) of a decay; None: without one.
DECAYS = {"none": None, "scalar": (1, 1), "key": (4, 1), "value": (1, 5), "full": (4, 5)}
VECTORS = {"outer": "keys values", "delta": "u w p", "keys and delta": "keys values u p", "all": "keys values u w p"}
SIZES = {"keys": 4, "values": 5, "u": 4, "w": 5, "p": 4}


def problem(rng, kind, decay, form, steps, heads=(2,)):
    """Named arguments: vectors, decay (values of both signs, or logarithms), two queries and the initial state."""
    given = {n: rng.normal(size=(BATCH, steps, *heads, SIZES[n])) / 2 for n in VECTORS[kind].split()}
    if heads and "keys" in given:
        given["keys"] = given["keys"][:, :, :1]  # shared by all heads
    size = DECAYS[decay]
    if size is not None and form == "values":
        given["a"] = rng.normal(size=(BATCH, steps, *heads, *size))
    elif size is not None:
        given["logs"] = -np.abs(rng.normal(size=(BATCH, steps, *heads, *size)))
        if form == "scaled":
            given["logs"] = given["logs"][..., :1, :]
            given["scale"] = np.abs(rng.normal(size=(*heads, 4, size[1])))
    given |= {f"q{i}": rng.normal(size=(BATCH if i else 1, steps, *heads, 4)) for i in range(2)}
    return given | {"initial": rng.normal(size=(BATCH, *heads, 4, 5))}


def spoiled(array, lengths, rng):
    """A copy with NaN, infinity and large numbers beyond the ends."""
    if lengths is None or len(array) != BATCH:
        return array
    array = array.copy()
    beyond = np.arange(array.shape[1]) >= lengths[:, None]
    array[beyond] = rng.choice([np.nan, np.inf, 1e300], size=array[beyond].shape)
    return array


def run_on(given, order, rng):
    """The recurrence of the framework on the arguments."""
    x = {n: a if n in ("initial", "scale") else spoiled(a, order.lengths, rng) for n, a in given.items()}
    decay = Decay(x.get("a"), x.get("logs"), x.get("scale"))
    queries = [Read(x["q0"]), Read(x["q1"], before=True)]
    if "u" not in x:
        return outer(x["keys"], x["values"], queries, decay, x["initial"], order)
    more = {"keys": x.get("keys"), "values": x.get("values")}
    return delta(x["u"], x["p"], x.get("w"), queries, decay, x["initial"], order, **more)


def check(given, order, steps, rng, tolerance=1e-11):
    lengths = np.full(BATCH, steps) if order.lengths is None else order.lengths
    heads = given["initial"].shape[1:-2]
    weights = [rng.normal(size=(BATCH, steps, *heads, 5)) for _ in range(2)] + [rng.normal(size=given["initial"].shape)]

    def results(x):
        read, last = matrix_outputs(x, [False, True], lengths, order.reverse, BATCH, steps)
        return [*read, last]

    run = run_on(given, order, rng)
    for found, expected in zip([*run.outputs, run.final], results(given), strict=True):
        assert close(found, expected, tolerance)
    errors = run.pull([spoiled(w, order.lengths, rng) for w in weights[:2]], weights[2])
    found = {n: getattr(errors, n) for n in SIZES} | {"initial": errors.initial}
    found |= {"a": errors.decay.values, "logs": errors.decay.logs, "scale": errors.decay.scale}
    found |= {f"q{i}": error for i, error in enumerate(errors.queries)}
    assert {n for n, error in found.items() if error is not None} == set(given)
    for name, array in given.items():
        assert found[name].shape == array.shape
        direction = rng.normal(size=array.shape)
        expected = slope(
            lambda x: sum((w * r).sum() for w, r in zip(weights, results(x), strict=True)), given, name, direction
        )
        assert close((found[name] * direction).sum(), expected, tolerance * 10), name


@pytest.mark.parametrize("form", ["values", "logs", "scaled"])
@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("kind", VECTORS)
def test_against_loops(kind, decay, form):
    if decay == "none" and form != "values":
        return
    rng = np.random.default_rng(1)
    heads = [(), (2,), (2, 1)][len(decay) % 3]
    check(problem(rng, kind, decay, form, 6, heads), Order(), 6, rng)


@pytest.mark.parametrize("kind", ["outer", "all"])
@pytest.mark.parametrize("order", [Order(np.array([6, 0, 2])), Order(None, True), Order(np.array([5, 6, 0]), True)])
def test_orders(kind, order):
    rng = np.random.default_rng(2)
    for decay, form in (("scalar", "logs"), ("key", "values"), ("full", "scaled")):
        check(problem(rng, kind, decay, form, 6), order, 6, rng)


@pytest.mark.parametrize("kind", ["outer", "all"])
@pytest.mark.parametrize("steps", [1, 65, 130])
def test_chunks(kind, steps):
    rng = np.random.default_rng(3)
    order = Order(np.array([steps, steps // 2, 1]), reverse=steps == 130)
    given = problem(rng, kind, "key", "logs", steps, ())
    for name in ("u", "p"):
        if name in given:
            given[name] /= 4
    check(given, order, steps, rng, 1e-10)


def sizes(given, order=None):
    """The sizes of the chunks in which the steps were computed; 0: step by step."""
    return {size for _, size, _ in run_on(given, order or Order(), np.random.default_rng(0))._saved.blocks}


@pytest.mark.parametrize("kind", ["outer", "all"])
@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("mild", {32, 6}),
        ("steep", {32, 6}),
        ("negative", {32, 6}),
        ("growing", {32, 6}),
        ("zero", {32, 6}),
        ("tiny", {32, 6}),
        ("huge", {0}),
        ("minus infinity", {32, 6}),
    ],
)
def test_decays_that_limit_the_chunks(kind, case, expected):
    """Every decay gives the right numbers; only those that a chunk cannot represent are computed step by step."""
    rng = np.random.default_rng(4)
    steps = 70
    given = problem(rng, kind, "key", "logs", steps, ())
    for name in ("u", "p", "keys"):
        if name in given:
            given[name] /= 8
    logs = given.pop("logs") / 20
    if case in ("mild", "steep", "minus infinity"):
        given["logs"] = logs * (1 if case == "mild" else 500 if case == "steep" else 20)
        if case == "minus infinity":
            given["logs"][1, 30, 2] = -np.inf
    else:
        given["a"] = np.exp(logs)
        given["a"][:, ::3, 1] *= -1 if case == "negative" else 1
        given["a"][1, 30, 2] = {"zero": 0, "tiny": 1e-9, "huge": 1e250, "growing": 3}.get(case, given["a"][1, 30, 2])
        if case == "huge":
            given["a"][1, 31, 2] = 1e-250
    found = sizes(given)
    if kind == "all" and case in ("steep", "zero", "minus infinity"):  # what is left of the state has no simple bound
        assert min(found) < 6
    else:
        assert expected <= found if expected == {0} else expected == found
    if case not in ("huge", "minus infinity"):
        check(given, Order(), steps, rng, 1e-9)
    else:
        run = run_on(given, Order(), rng)
        read, last = matrix_outputs(given, [False, True], np.full(BATCH, steps), False, BATCH, steps)
        for output, wanted in zip([*run.outputs, run.final], [*read, last], strict=True):
            np.testing.assert_allclose(output, wanted, rtol=1e-9, atol=1e-9)
        errors = run.pull([np.ones_like(output) for output in run.outputs])
        assert np.isfinite(errors.values if kind == "outer" else errors.w).all()


@pytest.mark.parametrize("kind", ["outer", "all"])
def test_one_decay_for_the_state_may_be_anything(kind):
    """It limits no chunk: zeros, tiny, huge and negative decays in all places, also where products of them vanish."""
    rng = np.random.default_rng(8)
    steps = 70
    given = problem(rng, kind, "scalar", "values", steps, ())
    for name in ("u", "p", "keys"):
        if name in given:
            given[name] /= 8
    special = rng.random(given["a"].shape) < 0.4
    given["a"] = np.where(special, rng.choice([0, 1e-200, 1e-9, -0.5, 1.5, 1], given["a"].shape), given["a"] / 2)
    given["a"][1, 50] = 1e12
    assert sizes(given) == {32, 6}
    check(given, Order(), steps, rng, 1e-9)


def test_nan_reaches_later_steps_of_its_row_only():
    rng = np.random.default_rng(5)
    given = problem(rng, "outer", "scalar", "logs", 40, ())
    given["keys"][1, 20, 2] = np.nan
    output = run_on(given, Order(), rng).outputs[0]
    assert np.isnan(output[1, 20:]).all()
    assert np.isfinite(output[1, :20]).all()
    assert np.isfinite(output[[0, 2]]).all()


@pytest.mark.parametrize("kind", ["outer", "delta"])
@pytest.mark.parametrize("spread", [1, 5])
def test_single_precision(kind, spread):
    """Also gates that are nearly closed, whose error is far larger than that of their logarithm."""
    rng = np.random.default_rng(6)
    steps = 150
    given = problem(rng, kind, "key", "values", steps, ())
    given["a"] = 1 / (1 + np.exp(-spread * given["a"] - 2 / spread))
    for name in ("u", "p"):
        if name in given:
            given[name] /= 2 * np.linalg.norm(given[name], axis=-1, keepdims=True)
    weights = [rng.normal(size=(BATCH, steps, 5)) for _ in range(2)]
    exact, found = (
        run_on({n: a.astype(dtype) for n, a in given.items()}, Order(), rng) for dtype in ("float64", "float32")
    )
    assert min(size for _, size, _ in found._saved.blocks) > 0
    for a, b in zip(found.outputs, exact.outputs, strict=True):
        assert a.dtype == np.float32
        assert close(a, b, 1e-5)
    errors, expected = found.pull([w.astype("f") for w in weights]), exact.pull(weights)
    for name in ("keys", "values", "u", "w", "p"):
        if getattr(expected, name) is not None:
            assert close(getattr(errors, name), getattr(expected, name), 1e-4), name
    assert close(errors.decay.values, expected.decay.values, 1e-4)


def test_inverse_of_triangular_matrices():
    rng = np.random.default_rng(7)
    for size in (1, 3, 4, 17, 64):
        lower = np.tril(rng.normal(size=(2, 3, size, size)), -1) / 3
        assert close(unit_inverse(lower), np.linalg.inv(lower + np.eye(size)), 1e-10)


@pytest.mark.parametrize("size", ["scalar", "key"])
def test_decay_of_zero_ends_the_past(size):
    """In single precision, with a state far larger than what follows."""
    rng = np.random.default_rng(9)
    given = {n: a.astype("f") for n, a in problem(rng, "outer", size, "values", 40, ()).items()}
    given["a"] = np.full_like(given["a"], 0.99)
    given["a"][:, 20] = 0
    given["initial"] *= 1000
    output = run_on(given, Order(), rng).outputs[0]
    later = {n: a[:, 20:] for n, a in given.items() if n != "initial"}
    alone = run_on(later | {"initial": np.zeros_like(given["initial"])}, Order(), rng).outputs[0]
    assert close(output[:, 20:], alone, 1e-6)


@pytest.mark.parametrize(("batch", "steps"), [(0, 3), (2, 0)])
@pytest.mark.parametrize("size", [(1, 1), (4, 1), (4, 5)])
def test_nothing_to_compute(batch, steps, size):
    """Without rows, or without steps: the state stays what it was."""
    u, w, a = np.ones((batch, steps, 4)), np.ones((batch, steps, 5)), np.ones((batch, steps, *size))
    initial = np.full((batch, 4, 5), 3.0)
    for run in (
        outer(u, w, [Read(u)], Decay(a), initial),
        delta(u, u, w, [Read(u)], Decay(a), initial),
    ):
        assert run.outputs[0].shape == (batch, steps, 5)
        np.testing.assert_array_equal(run.final, initial)
        errors = run.pull([np.ones((batch, steps, 5))], np.ones((batch, 4, 5)))
        assert errors.decay.values.shape == a.shape
        np.testing.assert_array_equal(errors.initial, np.ones((batch, 4, 5)))


@pytest.mark.parametrize("added", [1.0, 1e-3, 0.0])
@pytest.mark.parametrize("left", [0.0, 1e-20])
def test_a_large_state_that_is_cleared_leaves_nothing(added, left):
    """In single precision, also beside small numbers that are added afterwards."""
    rng = np.random.default_rng(12)
    keys, values, query = (rng.normal(size=(2, 70, n)).astype(np.float32) for n in (6, 5, 6))
    decay = rng.uniform(0.8, 1, size=(2, 70, 6, 1)).astype(np.float32)
    decay[:, 20] = left
    keys[:, 20:] *= added
    initial = rng.normal(size=(2, 6, 5)).astype(np.float32) * 1e10
    found = outer(keys, values, [Read(query)], Decay(values=decay), initial).outputs[0]
    state, expected = np.zeros((2, 6, 5)), np.zeros((2, 50, 5))
    for t in range(20, 70):
        state = decay[:, t].astype(float) * state + keys[:, t, :, None].astype(float) * values[:, t, None]
        expected[:, t - 20] = (query[:, t, :, None] * state).sum(axis=1)
    np.testing.assert_allclose(found[:, 20:], expected, rtol=0, atol=1e-5 * added + 1e-8)
