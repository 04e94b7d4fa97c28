"""Rows of different length, each of which must come out as if it were alone, whatever arises beyond its end."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from helpers import ragged_batches as padded

import graphnet
from graphnet import (
    Affine,
    Builder,
    Cell,
    Embedding,
    Flatten,
    Last,
    Layer,
    Phase,
    Runner,
    Scan,
    Shape,
    ShapeError,
    State,
    Weight,
    dense,
)
from graphnet.testing.every_backend import compiled_backends

BACKENDS = (*compiled_backends(), "reference")
LENGTHS = ([6, 3], [1, 6, 4], [3, 0, 5, 2], [0, 2, 0], [0, 0], [6, 6, 6])


def drawn(seeds):
    """Random graphs on every backend; one in seven where each has to be compiled to machine code."""
    every = [(seed, b) for seed in seeds for b in BACKENDS if b in ("numpy", "reference") or seed % 7 == 0]
    return pytest.mark.parametrize(("seed", "backend"), every)


def pairs(results):
    """The arrays of each backend beside those of the last one, which is the reference."""
    return [pair for found in results[:-1] for pair in zip(found, results[-1], strict=True)]


@pytest.mark.slow
@drawn(range(60))
def test_random_graph_gives_rows_alone(seed, backend):
    lengths = LENGTHS[seed % len(LENGTHS)]
    found, expected = padded.both(padded.graph(seed), padded.batch(seed, lengths), lengths, seed, backend=backend)
    padded.agree(found, expected, 1e-9)


@pytest.mark.slow
@drawn(range(60, 72))
def test_random_graph_in_float32(seed, backend):
    lengths = LENGTHS[seed % len(LENGTHS)]
    inputs = padded.batch(seed, lengths, "float32")
    found, expected = padded.both(padded.graph(seed), inputs, lengths, seed, backend=backend)
    assert all(a.dtype == np.float32 for part in found[:2] for a in part.values())
    padded.agree(found, expected, 2e-3)


@pytest.mark.slow
@drawn(range(100, 124))
def test_random_graph_with_reach(seed, backend):
    lengths = LENGTHS[seed % len(LENGTHS)]
    inputs = padded.batch(seed, lengths)
    found, expected = padded.both(padded.graph(seed), inputs, lengths, seed, backend=backend, reach=1 + seed % 4)
    padded.agree(found, expected, 1e-9)


@pytest.mark.parametrize("keep", [True, False])
@drawn(range(124, 130))
def test_test_phase_gives_the_same_outputs(seed, keep, backend):
    lengths = LENGTHS[seed % len(LENGTHS)]
    runner, inputs = padded.filled(padded.graph(seed), seed, backend=backend), padded.batch(seed, lengths)
    expected = runner.forward(inputs, lengths={"x": lengths})
    found = runner.forward(inputs, lengths={"x": lengths}, phase=Phase.test, keep=keep)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-12)


def counted_down(reverse=False):
    """A state that falls by one at each step, and its logarithm: one step more than a row has would be log 0."""
    cell = Cell("down", sequences="x", states={"h": 1})
    h = Affine(1.0, -1.0)(cell.h)
    cell = cell.build(output=padded.Log()(cell.h) * cell.x, h=h)
    g = Builder("counts")
    scan = Scan(cell, reverse=reverse)(g.input("x", "time, batch, feature=1"), g.input("h", "batch, feature=1"))
    return g.build(y=scan, last=scan["h"])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [[6, 3, 1], [2, 0, 5]])
def test_state_that_allows_no_further_step(lengths, reverse, backend):
    runner = Runner(counted_down(reverse), backend=backend)
    h = np.array(lengths, float)[:, None]
    x = np.random.default_rng(0).normal(size=(6, 3, 1))
    found = runner.forward({"x": x, "h": h}, lengths={"x": lengths})
    pulled = runner.backward({"y": np.ones((6, 3, 1)), "last": np.ones((3, 1))})
    for row, length in enumerate(lengths):
        left = np.arange(length, 0, -1.0)
        left = left[::-1] if reverse else left
        np.testing.assert_allclose(found["y"][:length, row, 0], np.log(left) * x[:length, row, 0], rtol=1e-12)
        assert not found["y"][length:, row].any()
        np.testing.assert_allclose(pulled["x"][:length, row, 0], np.log(left), rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(pulled["h"][row, 0], 1 + (x[:length, row, 0] / left).sum(), rtol=1e-12)
    assert not found["last"].any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_pieces_of_ending_rows(backend):
    runner = Runner(counted_down(), backend=backend)
    lengths, x = np.array([6, 3, 1]), np.ones((6, 3, 1))
    whole = runner.forward({"x": x, "h": lengths[:, None] * 1.0}, lengths={"x": lengths})
    state, parts = State(), []
    for start in range(0, 6, 2):
        given = {"x": x[start : start + 2], "h": lengths[:, None] * 1.0}
        counts = np.clip(lengths - start, 0, 2)
        parts.append(runner.forward(given, lengths={"x": counts}, state=state)["y"])
        state = runner.state
    np.testing.assert_array_equal(np.concatenate(parts), whole["y"])
    assert not next(iter(state.arrays.values())).any()


def test_batch_without_steps_keeps_state():
    runner = Runner(counted_down())
    given = {"x": np.ones((2, 2, 1)), "h": np.ones((2, 1))}
    kept = {"scan/h": [[5.0], [7.0]]}
    found = runner.forward(given, lengths={"x": [0, 0]}, state=kept)
    np.testing.assert_array_equal(found["last"], [[5.0], [7.0]])
    np.testing.assert_array_equal(runner.state.arrays["scan/h"], [[5.0], [7.0]])
    assert not runner.backward({"last": np.ones((2, 1))})["h"].any()


# ---------------------------------------------------------------------- several sequences
def two_sequences():
    """Two sequences, each through a logarithm, and their sum over the steps of the first."""
    g = Builder("two")
    a, b = (g.input(n, f"time, batch, feature={padded.WIDTH}") for n in "ab")
    u, v = padded.Log()(padded.Positive()(dense(padded.Log()(a), padded.WIDTH))), padded.LogDense()(b)
    return g.build(y=u + v, a=Last()(u), b=Last()(v))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("lengths", [([5, 2, 4], [3, 4, 4]), ([5, 0, 4], [0, 4, 1]), ([5, 5, 5], [1, 2, 5])])
def test_sequences_of_different_lengths(lengths, backend):
    """Where one sequence ends before the other, it counts as zero."""
    runner, rng = padded.filled(two_sequences(), 3, backend=backend), np.random.default_rng(4)
    inputs = {n: rng.uniform(0.5, 1.5, (5, 3, padded.WIDTH)) for n in "ab"}
    outputs = runner.forward(inputs, lengths=dict(zip("ab", lengths, strict=True)))
    errors = {n: rng.normal(size=y.shape) for n, y in outputs.items()}
    pulled = runner.backward(errors)
    w, v = (runner.parameters[n].value for n in ("fully_connected/weights", "log_dense/w"))
    gradients = [runner.parameters[n].gradient for n in ("fully_connected/weights", "log_dense/w")]

    def loss(a, b, w, v):
        total = 0.0
        for r, (n, k) in enumerate(zip(*lengths, strict=True)):
            z = anp.dot(anp.log(a[:n, r]), w[:-1]) + w[-1]
            z, q = anp.log(0.4 + z * z / (1 + z * z)), anp.dot(anp.log(b[:k, r]), v)
            both = min(n, k)
            total = total + (z * errors["y"][:n, r]).sum() + (q[:both] * errors["y"][:both, r]).sum()
            total = total + ((z[-1] * errors["a"][r]).sum() if n else 0) + ((q[-1] * errors["b"][r]).sum() if k else 0)
        return total

    expected = grad(loss, (0, 1, 2, 3))(inputs["a"], inputs["b"], w, v)
    assert sum((outputs[n] * errors[n]).sum() for n in outputs) == pytest.approx(
        loss(inputs["a"], inputs["b"], w, v), rel=1e-10
    )
    for found, right in zip((pulled["a"], pulled["b"], *gradients), expected, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-8, atol=1e-10)


class Total(Layer):
    """The sum over all steps, by a layer that asks for no lengths and mixes the steps."""

    def infer(self, x):
        return x.without(0)

    def apply(self, x):
        return x.sum(0), x.shape

    def pull(self, shape, error):
        return np.broadcast_to(error, shape)


@pytest.mark.parametrize("backend", BACKENDS)
def test_layer_that_mixes_steps_gets_zeros(backend):
    g = Builder("total")
    x = g.input("x", f"time, batch, feature={padded.WIDTH}")
    runner = padded.filled(g.build(y=Total()(padded.LogDense()(x))), 1, backend=backend)
    lengths, x = [4, 1, 0], padded.batch(1, [4, 1, 0])["x"]
    y = runner.forward({"x": x}, lengths=lengths)["y"]
    pulled = runner.backward({"y": np.ones_like(y)})["x"]
    w = runner.parameters["log_dense/w"].value
    for row, length in enumerate(lengths):
        np.testing.assert_allclose(y[row], np.log(x[:length, row]).sum(0) @ w, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(pulled[:length, row], w.sum(1) / x[:length, row], rtol=1e-12)
        assert not pulled[length:, row].any()


class Backwards(Layer):
    """Sums from the last step on, in a rule that cannot be traced: it must see zeros beyond the ends."""

    def parameters(self, *inputs):
        return {"w": Weight((padded.WIDTH,), 1, 1)}

    def apply(self, x, *, w):
        return np.cumsum(np.asarray(x)[::-1], axis=0)[::-1] * w, x

    def pull(self, x, error, *, w):
        return np.cumsum(error, axis=0) * w

    def grad(self, x, error):
        return {"w": (np.cumsum(x[::-1], axis=0)[::-1] * error).sum((0, 1))}


@pytest.mark.parametrize("backend", BACKENDS)
def test_opaque_layer_that_mixes_steps(backend):
    g = Builder("backwards")
    x = padded.Log()(g.input("x", f"time, batch, feature={padded.WIDTH}"))
    made, lengths = g.build(y=padded.OpaqueLogDense()(padded.Positive()(Backwards()(x)))), [3, 5, 0, 2]
    padded.agree(*padded.both(made, {"x": padded.batch(2, lengths)["x"]}, lengths, backend=backend), 1e-10)


def test_other_number_of_steps_is_refused():
    class Half(Layer):
        def infer(self, x):
            return x.resized(0, x.sizes[0] // 2 if x.sizes[0] else None)

        def apply(self, x):
            return x[::2], x

        def pull(self, x, error):
            found = np.zeros_like(x)
            found[::2] = error
            return found

    g = Builder("half")
    runner = Runner(g.build(y=Half()(g.input("x", "time, batch, feature=2"))))
    assert runner.forward({"x": np.ones((4, 2, 2))})["y"].shape == (2, 2, 2)
    with pytest.raises(ShapeError, match="half: .*number of steps"):
        runner.forward({"x": np.ones((4, 2, 2))}, lengths=[4, 1])


# ---------------------------------------------------------------------- cells
@pytest.mark.parametrize("bptt_length", [None, 2])
@pytest.mark.parametrize("lengths", [([5, 2, 3], [4, 1, 3]), ([5, 0, 3], [2, 4, 1]), ([1, 5, 5], [4, 0, 2])])
def test_ragged_context_with_inner_scan(lengths, bptt_length):
    width = padded.WIDTH
    read = Cell("read", sequences="u", states={"a": width})
    a = padded.Positive()(dense(padded.Log()(read.u), width) + padded.Log()(Affine(1.0, 0.5)(read.a)))
    outer = Cell("outer", sequences="x", states={"h": width}, contexts={"m": f"time, batch, feature={width}"})
    m = padded.Positive()(dense(padded.Log()(outer.m), width, name="from_m"))
    seen = Scan(read.build(output=padded.Log()(a), a=a))(padded.Positive()(padded.LogDense()(m)), name="inner")["a"]
    h = padded.Positive()(dense(padded.Log()(outer.x), width, name="from_x") + outer.h + seen)
    g = Builder("m")
    x, m = (g.input(n, f"time, batch, feature={width}") for n in "xm")
    cell = outer.build(output=padded.Log()(h), h=h)
    runner = padded.filled(g.build(y=Scan(cell, bptt_length=bptt_length)(x, None, m, name="outer")), 8)
    rng, (counts, others) = np.random.default_rng(9), lengths
    inputs = {n: rng.uniform(0.2, 0.9, (k, 3, width)) for n, k in (("x", 5), ("m", 4))}
    y = runner.forward(inputs, lengths={"x": counts, "m": others})["y"]
    e = rng.normal(size=y.shape)
    pulled = runner.backward({"y": e})
    gradients = {n: p.gradient for n, p in runner.parameters.items()}
    total = {n: np.zeros_like(p) for n, p in gradients.items()}
    for b, (n, k) in enumerate(zip(counts, others, strict=True)):
        if n == 0:
            assert not y[:, b].any()
            continue
        given = {"x": inputs["x"][:n, b : b + 1], "m": inputs["m"][: max(k, 1), b : b + 1]}
        alone = runner.forward(given, lengths={"m": [k]})["y"]
        np.testing.assert_allclose(y[:n, b], alone[:, 0], rtol=1e-10)
        back = runner.backward({"y": e[:n, b : b + 1]})
        np.testing.assert_allclose(pulled["x"][:n, b], back["x"][:, 0], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(pulled["m"][:k, b], back["m"][:k, 0], rtol=1e-9, atol=1e-12)
        assert not pulled["m"][k:, b].any()
        for name, p in runner.parameters.items():
            total[name] += p.gradient
    for name, found in gradients.items():
        np.testing.assert_allclose(found, total[name], rtol=1e-9, atol=1e-12, err_msg=name)


class Noise(Layer):
    """x · (1 + u), for a random u of each step: an exponential distribution, so that no number is like another."""

    draws = ("u",)

    def draw(self, rng, x):
        return {"u": rng.exponential(size=x.sizes)}

    def apply(self, x, *, u):
        factor = 1 if u is None else 1 + u
        return x * factor, factor

    def pull(self, factor, error):
        return error * factor


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("fragile", [False, True])
@pytest.mark.parametrize("lengths", [[5, 2, 4], [3, 0, 1], [4, 4, 0]])
def test_random_draws_equal_reference(lengths, fragile, reverse):
    cell = Cell("noisy", sequences="x", states={"h": padded.WIDTH})
    h = padded.Positive()(Noise()(dense(cell.x + Noise()(cell.h), padded.WIDTH)))
    cell = cell.build(output=padded.Log()(h) if fragile else h, h=h)
    g = Builder("noisy")
    x = Noise()(g.input("x", f"time, batch, feature={padded.WIDTH}"))
    x = padded.Log()(Noise()(padded.Positive()(x))) if fragile else Noise()(Affine(2.0)(x))
    scan = Scan(cell, reverse=reverse)(x)
    made = g.build(y=Noise()(scan), last=scan["h"])
    results = []
    for backend in BACKENDS:
        graphnet.seed(5)
        found = []
        runner = padded.filled(made, 2, backend=backend)
        graphnet.seed(6)
        outputs = runner.forward({"x": padded.batch(3, lengths, steps=5)["x"]}, lengths=lengths)
        found += outputs.values()
        found += runner.backward({n: np.ones_like(y) for n, y in outputs.items()}).values()
        results.append([*found, *(p.gradient for p in runner.parameters.values())])
    for ours, reference in pairs(results):
        assert np.isfinite(reference).all()
        np.testing.assert_allclose(ours, reference, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("backend", BACKENDS)
def test_state_overflowing_beyond_end(backend):
    """h ← h²: 10¹⁰⁰ has one step, and a second one would be infinite."""
    cell = Cell("square", sequences="x", states={"h": 1})
    h = cell.h * cell.h
    cell = cell.build(output=h * cell.x, h=h)
    g = Builder("m")
    scan = Scan(cell)(g.input("x", "time, batch, feature=1"), g.input("h", "batch, feature=1"))
    runner = Runner(g.build(y=scan, last=scan["h"]), backend=backend)
    found = runner.forward({"x": np.ones((5, 2, 1)), "h": [[1e100], [1.01]]}, lengths={"x": [1, 5]})
    np.testing.assert_allclose(found["last"][:, 0], [1e200, 1.01**32], rtol=1e-12)
    pulled = runner.backward({"y": np.ones((5, 2, 1)), "last": np.ones((2, 1))})
    np.testing.assert_allclose(pulled["h"][0], 4e100, rtol=1e-12)
    np.testing.assert_allclose(pulled["x"][:, 0, 0], [1e200, 0, 0, 0, 0], rtol=1e-12)


@pytest.mark.parametrize(
    ("expression", "fragile"),
    [
        (lambda c: c.h * 0.5 + c.x, False),
        (lambda c: Affine(0.5, 0.1)(c.h) - c.x, False),
        (lambda c: c.h * c.x, True),
        (lambda c: padded.Log()(c.x) + c.h, True),
        (lambda c: padded.Quotient()(c.x, c.h), True),
        (lambda c: padded.Root()(c.h) + c.x, True),
    ],
)
def test_delicate_programs_are_recognized(expression, fragile):
    cell = Cell("c", sequences="x", states={"h": 2})
    h = expression(cell)
    g = Builder("m")
    graph = g.build(y=Scan(cell.build(output=h, h=h))(g.input("x", "time, batch, feature=2")))
    assert ("copies of valid steps" in str(graph.explain())) is fragile


class Doubled(Layer):
    """x, and 2 x where rows differ in length: a rule that can be traced and depends on it."""

    def apply(self, x, *, lengths):
        factor = 1.0 if lengths is None else 2.0
        return x * factor, factor

    def pull(self, factor, error):
        return error * factor


class Ramp(Layer):
    """x · (t + 1) / length, by a layer that reads the lengths."""

    def apply(self, x, *, lengths):
        if lengths is None:
            return x * 1.0, 1.0
        ramp = np.arange(1.0, len(x) + 1)[:, None, None] / np.maximum(lengths, 1)[:, None]
        return x * ramp, ramp

    def pull(self, ramp, error):
        return error * ramp


@pytest.mark.parametrize("layer", [Ramp, Doubled])
@pytest.mark.parametrize("lengths", [None, [6, 2]])
def test_layer_among_traced_gets_lengths(layer, lengths):
    g = Builder("m")
    x = g.input("x", f"time, batch, feature={padded.WIDTH}")
    y = padded.Positive()(dense(layer()(padded.Positive()(dense(x, padded.WIDTH))), padded.WIDTH))
    results = []
    for backend in BACKENDS:
        runner = padded.filled(g.build(y=padded.Log()(y)), 1, backend=backend)
        y_out = runner.forward({"x": padded.batch(0, lengths or [6, 6])["x"]}, lengths=lengths)["y"]
        pulled = runner.backward({"y": np.ones_like(y_out)})["x"]
        results.append([y_out, pulled, *(p.gradient for p in runner.parameters.values())])
    for ours, reference in pairs(results):
        np.testing.assert_allclose(ours, reference, rtol=1e-11, atol=1e-13)


# ---------------------------------------------------------------------- shapes
@pytest.mark.parametrize("backend", BACKENDS)
def test_values_of_higher_rank(backend):
    """Sequences of matrices: through a logarithm, a cell that keeps them, and Flatten."""
    g = Builder("m")
    x = g.input("x", "time, batch, channel=2, feature=3")
    cell = Cell("keep", sequences="x", states={"h": Shape.parse("batch, channel=2, feature=3")})
    h = padded.Positive()(padded.Log()(cell.x) + padded.Log()(Affine(1.0, 0.1)(cell.h)))
    y = Scan(cell.build(output=padded.Log()(h), h=h))(padded.Log()(Affine(1.0, 1.0)(x)), name="scan")
    y = dense(padded.Log()(padded.Positive()(Flatten()(y))), 2)
    runner, lengths = padded.filled(g.build(y=y), 1, backend=backend), [3, 0, 5]
    x = np.random.default_rng(0).uniform(0.5, 1.5, (5, 3, 2, 3))
    found = runner.forward({"x": x}, lengths=lengths)["y"]
    error = np.random.default_rng(1).normal(size=found.shape)
    pulled = runner.backward({"y": error})["x"]
    gradient, total = runner.parameters["fully_connected/weights"].gradient, 0.0
    for row, length in enumerate(lengths):
        assert not found[length:, row].any()
        assert not pulled[length:, row].any()
        if length:
            alone = slice(None, length), slice(row, row + 1)
            np.testing.assert_allclose(found[alone], runner.forward({"x": x[alone]})["y"], rtol=1e-12)
            np.testing.assert_allclose(pulled[alone], runner.backward({"y": error[alone]})["x"], rtol=1e-10)
            total = total + runner.parameters["fully_connected/weights"].gradient
    np.testing.assert_allclose(gradient, total, rtol=1e-10)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("layer", [padded.Quotient, padded.OpaqueQuotient])
def test_row_value_beside_sequence(layer, backend):
    """x[t, b] / z[b], broadcast; a row without steps does not change the others."""
    g = Builder("m")
    x, z = g.input("x", "time, batch, feature=3"), g.input("z", "batch, feature=3")
    runner = Runner(g.build(y=layer()(padded.Log()(x), z)), backend=backend)
    x, z = (np.random.default_rng(2).uniform(0.5, 1.5, shape) for shape in ((4, 3, 3), (3, 3)))
    z[1] = 0  # the row has no step, and this means nothing
    y = runner.forward({"x": x, "z": z}, lengths={"x": [4, 0, 2]})["y"]
    pulled = runner.backward({"y": np.ones_like(y)})
    there = np.arange(4)[:, None, None] < np.array([4, 0, 2])[:, None]
    divisor = np.where(z == 0, 1, z)
    np.testing.assert_allclose(y, np.where(there, np.log(x) / divisor, 0), rtol=1e-12)
    np.testing.assert_allclose(pulled["x"], np.where(there, 1 / (x * divisor), 0), rtol=1e-12)
    expected = np.where(there, -np.log(x) / divisor**2, 0).sum(0)
    np.testing.assert_allclose(pulled["z"], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("backend", BACKENDS)
def test_embedded_tokens(backend):
    """Whole numbers, and a token beyond the ends that the table does not have."""
    g = Builder("m")
    y = Embedding(5, padded.WIDTH)(g.input("x", "time, batch", integer=True), name="embedding")
    made = g.build(y=padded.LogDense()(padded.Positive()(y)))
    lengths, rng = [4, 1, 0, 2], np.random.default_rng(0)
    x = rng.integers(0, 5, (4, 4))
    x[np.arange(4)[:, None] >= lengths] = 99
    runner = padded.filled(made, 1, backend=backend)
    y = runner.forward({"x": x}, lengths=lengths)["y"]
    error = rng.normal(size=y.shape)
    runner.backward({"y": error})
    found = {n: p.gradient for n, p in runner.parameters.items()}
    total = {n: np.zeros_like(a) for n, a in found.items()}
    for row, length in enumerate(lengths):
        assert not y[length:, row].any()
        if length:
            alone = slice(None, length), slice(row, row + 1)
            np.testing.assert_allclose(y[alone], runner.forward({"x": x[alone]})["y"], rtol=1e-12)
            runner.backward({"y": error[alone]})
            for name, p in runner.parameters.items():
                total[name] += p.gradient
    for name, gradient in found.items():
        np.testing.assert_allclose(gradient, total[name], rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("steps", [2, 3])
def test_inner_sequence_in_ragged_scan_raises(backend, steps):
    inner = Cell("inner", sequences={"x": 2}, states={"h": 2})
    h = inner.x + inner.h
    outer = Cell("outer", sequences={"z": 2, "q": "time, batch, feature=2"}, states={"s": 2})
    y = Scan(inner.build(output=h, h=h))(outer.q)
    cell = outer.build(output=y, s=outer.s + Last()(y) + outer.z)
    g = Builder("g")
    scan = Scan(cell)(g.input("x", "time, batch, feature=2"), g.input("q", "steps, time, batch, feature=2"))
    runner = Runner(g.build(y=scan, s=scan["s"]), backend=backend)
    inputs = {"x": np.ones((4, 3, 2)), "q": np.ones((4, steps, 3, 2))}
    assert runner.forward(inputs)["y"].shape == (4, steps, 3, 2)
    with pytest.raises(ShapeError, match="need the batch as axis 0 of each step's value; expected"):
        runner.forward(inputs, lengths={"x": [4, 2, 1]})
