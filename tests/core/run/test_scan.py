"""Scans: lengths, reversal, states in and out, contexts, truncation, and Scans in Scans."""

import numpy as np
import pytest
from autograd import grad
from autograd import numpy as anp

from graphnet import Affine, Builder, Cell, FullyConnected, GraphError, Layer, Phase, Runner, Scan, ShapeError, dense

pytestmark = pytest.mark.usefixtures("every_backend")

T, B, D, H = 5, 3, 2, 4


class Tanh(Layer):
    """tanh."""

    def apply(self, x):
        y = np.tanh(x)
        return y, y

    def pull(self, y, error):
        return error * (1 - y * y)


def cell(context=False):
    """h' = tanh(x·U + h·W (+ m)); the output is 2·h' - x·V."""
    c = Cell("plain", sequences="x", states={"h": H}, contexts="m" if context else ())
    total = dense(c.x, H, name="u") + dense(c.h, H, name="w")
    h = Tanh()(total + c.m if context else total, name="h_next")
    return c.build(output=h * 2 - dense(c.x, H, bias=False, name="v"), h=h)


def model(reverse=False, context=False, bptt_length=None):
    g = Builder("m")
    x = g.input("x", f"time, batch, feature={D}")
    h0 = g.input("h0", f"batch, feature={H}", optional=True)
    more = [g.input("m", "batch, feature")] if context else []
    scanned = Scan(cell(context), reverse=reverse, bptt_length=bptt_length)(x, h0, *more, name="scan")
    runner = Runner(g.build(y=scanned, h=scanned["h"]))
    runner.materialize()
    rng = np.random.default_rng(3)
    for p in runner.parameters.values():
        p.value = rng.normal(size=p.value.shape) * 0.8
    return runner


def weights(runner):
    return [runner.parameters[f"scan/{n}/weights"].value for n in "uwv"]


def plain(u, w, v, x, h, m=0.0, reverse=False, late=None, k=0):
    """One sequence (time, feature) in autograd; the last k steps processed use the weights `late`."""
    order = list(range(len(x)))[:: -1 if reverse else 1]
    ys = {}
    for n, t in enumerate(order):
        a, b, c = late if late is not None and n >= len(x) - k else (u, w, v)
        h = anp.tanh(anp.dot(x[t], a[:-1]) + a[-1] + anp.dot(h, b[:-1]) + b[-1] + m)
        ys[t] = 2 * h - anp.dot(x[t], c)
    return anp.array([ys[t] for t in range(len(x))]), h


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("k", [None, 1, 2, T - 1, T, T + 5])
@pytest.mark.parametrize("lengths", [None, [5, 2, 3], [0, 5, 1]])
def test_every_gradient_row_by_row(reverse, k, lengths):
    rng = np.random.default_rng(8)
    runner = model(reverse, context=True, bptt_length=k)
    x, h0, m = rng.normal(size=(T, B, D)), rng.normal(size=(B, H)), rng.normal(size=(B, H))
    ey, eh = rng.normal(size=(T, B, H)), rng.normal(size=(B, H))
    found = runner.forward({"x": x, "h0": h0, "m": m}, lengths=lengths)
    pulled = runner.backward({"y": ey, "h": eh})
    rows = [T] * B if lengths is None else lengths
    u, w, v = weights(runner)

    def loss(late, x, h0, m):
        total = 0.0
        for b, n in enumerate(rows):
            if n == 0:
                total = total + (h0[b] * eh[b]).sum()
                continue
            ys, h = plain(u, w, v, x[:n, b], h0[b], m[b], reverse, late, T if k is None else k)
            total = total + (ys * ey[:n, b]).sum() + (h * eh[b]).sum()
        return total

    arguments = ((u, w, v), x, h0, m)
    masked = found["y"] if lengths is None else found["y"] * (np.arange(T)[:, None] < np.array(rows))[..., None]
    assert (masked * ey).sum() + (found["h"] * eh).sum() == pytest.approx(loss(*arguments), rel=1e-12)
    late, *errors = grad(loss, (0, 1, 2, 3))(*arguments)
    for name, expected in zip(("x", "h0", "m"), errors, strict=True):
        np.testing.assert_allclose(pulled[name], expected, rtol=1e-10, atol=1e-12)
    for name, expected in zip("uwv", late, strict=True):
        np.testing.assert_allclose(runner.parameters[f"scan/{name}/weights"].gradient, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("reverse", [False, True])
def test_nothing_beyond_a_rows_end_matters(reverse):
    rng = np.random.default_rng(9)
    runner = model(reverse)
    x, e = rng.normal(size=(T, B, D)), rng.normal(size=(T, B, H))
    lengths = np.array([5, 2, 0])
    beyond = np.arange(T)[:, None] >= lengths
    found = runner.forward({"x": x}, lengths=lengths)
    errors = runner.backward({"y": e})["x"]
    gradient = runner.parameters["scan/u/weights"].gradient
    x[beyond], e[beyond] = np.nan, np.inf
    again = runner.forward({"x": x}, lengths=lengths)
    np.testing.assert_array_equal(again["y"], found["y"])
    np.testing.assert_array_equal(again["h"], found["h"])
    np.testing.assert_array_equal(runner.backward({"y": e})["x"], errors)
    np.testing.assert_array_equal(runner.parameters["scan/u/weights"].gradient, gradient)
    assert not found["y"][beyond].any()
    assert not errors[beyond].any()
    assert not found["h"][2].any()


def test_single_sequence_without_batch_axis():
    rng = np.random.default_rng(1)
    g = Builder("m")
    scanned = Scan(cell())(g.input("x", f"time, feature={D}"), name="scan")
    runner = Runner(g.build(y=scanned, h=scanned["h"]))
    x, e = rng.normal(size=(T, D)), rng.normal(size=(T, H))
    found = runner.forward({"x": x})
    ys, h = plain(*weights(runner), x, np.zeros(H))
    np.testing.assert_allclose(found["y"], ys, rtol=1e-12)
    np.testing.assert_allclose(found["h"], [h], rtol=1e-12)
    expected = grad(lambda x: (plain(*weights(runner), x, np.zeros(H))[0] * e).sum())(x)
    np.testing.assert_allclose(runner.backward({"y": e})["x"], expected, rtol=1e-10, atol=1e-12)


def test_final_state_alone_propagates_errors():
    rng = np.random.default_rng(2)
    runner = model()
    x, eh = rng.normal(size=(T, B, D)), rng.normal(size=(B, H))
    runner.forward({"x": x})
    pulled = runner.backward({"h": eh})["x"]
    loss = lambda x: sum((plain(*weights(runner), x[:, b], np.zeros(H))[1] * eh[b]).sum() for b in range(B))  # noqa: E731
    np.testing.assert_allclose(pulled, grad(loss)(x), rtol=1e-10, atol=1e-12)


def words():
    """A Scan over words whose cell scans the letters of the word: (word, letter, batch, feature)."""
    letters = Cell("letters", sequences="x", states={"h": H}, contexts="m")
    h = Tanh()(dense(letters.x, H, name="u") + dense(letters.h, H, name="w") + letters.m)
    inner = letters.build(output=h, h=h)
    outer = Cell("words", sequences={"word": "letter, batch, feature"}, states={"s": H})
    scanned = Scan(inner)(outer.word, None, outer.s, name="inner")
    s = Tanh()(scanned["h"] + outer.s * 0.5)
    g = Builder("m")
    y = Scan(outer.build(output=s, s=s, letters=scanned))(
        g.input("x", f"word, letter, batch, feature={D}"), name="outer"
    )
    return Runner(g.build(y=y, letters=y["letters"]))


def test_a_scan_in_a_scan():
    rng = np.random.default_rng(4)
    runner = words()
    x = rng.normal(size=(3, T, B, D))
    ey, el = rng.normal(size=(3, B, H)), rng.normal(size=(3, T, B, H))
    found = runner.forward({"x": x})
    u, w = (runner.parameters[f"outer/inner/{n}/weights"].value for n in "uw")

    def loss(x, u, w):
        s, total = anp.zeros((B, H)), 0.0
        for i in range(3):
            h = anp.zeros((B, H))
            for t in range(T):
                h = anp.tanh(anp.dot(x[i, t], u[:-1]) + u[-1] + anp.dot(h, w[:-1]) + w[-1] + s)
                total = total + (h * el[i, t]).sum()
            s = anp.tanh(h + 0.5 * s)
            total = total + (s * ey[i]).sum()
        return total

    assert (found["y"] * ey).sum() + (found["letters"] * el).sum() == pytest.approx(loss(x, u, w), rel=1e-12)
    pulled = runner.backward({"y": ey, "letters": el})["x"]
    ex, eu, ew = grad(loss, (0, 1, 2))(x, u, w)
    np.testing.assert_allclose(pulled, ex, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(runner.parameters["outer/inner/u/weights"].gradient, eu, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(runner.parameters["outer/inner/w/weights"].gradient, ew, rtol=1e-10, atol=1e-12)


def test_state_changing_shape_raises():
    c = Cell("c", sequences="x", states={"h": 3})
    h = dense(c.x, 4)
    g = Builder("m")
    made = g.build(Scan(c.build(output=h, h=h))(g.input("x", "time, batch, feature=2"), name="scan"))
    with pytest.raises(
        ShapeError, match=r"scan: state 'h' leaves the cell in another shape.*feature=3\), received .*feature=4"
    ):
        Runner(made)


def test_uninferable_width_raises():
    c = Cell("c", sequences="x", states="h")
    g = Builder("m")
    made = g.build(Scan(c.build(output=c.x, h=Affine(0.5)(c.h)))(g.input("x", "time, batch, feature=2"), name="scan"))
    with pytest.raises(ShapeError, match="scan: cannot infer the width of state 'h'"):
        Runner(made).forward({"x": np.ones((T, B, 2))})


def test_initial_states_must_fit():
    runner = model()
    with pytest.raises(ShapeError, match=r"scan: initial state 'h' does not fit"):
        runner.forward({"x": np.ones((T, B, D)), "h0": np.ones((B + 1, H))})
    with pytest.raises(ShapeError, match="expected"):
        runner.forward({"x": np.ones((T, B, D)), "h0": np.ones((B, H + 1))})


def test_sequences_must_agree():
    c = Cell("c", sequences=("a", "b"), states={"h": D})
    h = c.a + c.b + c.h
    g = Builder("m")
    inputs = [g.input(n, f"time, batch, feature={D}") for n in "ab"]
    runner = Runner(g.build(Scan(c.build(output=h, h=h))(*inputs)))
    with pytest.raises(ShapeError, match="differ in their steps"):
        runner.forward({"a": np.ones((T, B, D)), "b": np.ones((T + 1, B, D))})
    with pytest.raises(ShapeError, match="differ in their rows"):
        runner.forward({"a": np.ones((T, B, D)), "b": np.ones((T, B + 1, D))})


def test_roles_are_checked():
    g = cell()
    with pytest.raises(GraphError, match="exactly one role"):
        type(g)(g.name, g.inputs, g.nodes, g.outputs, sequences=("x",))
    with pytest.raises(GraphError, match="role for 'q'"):
        type(g)(g.name, g.inputs, g.nodes, g.outputs, sequences=("x", "q"), states=("h",))


def test_cell_dropout_draws_every_step():
    from graphnet import Dropout, seed

    c = Cell("c", sequences="x", states={"h": D})
    x = Dropout(0.5)(c.x)
    g = Builder("m")
    runner = Runner(g.build(Scan(c.build(output=x, h=c.h))(g.input("x", f"time, batch, feature={D}"))))
    seed(0)
    y = runner.forward({"x": np.ones((50, 4, D))})["output"]
    assert set(np.unique(y)) == {0.0, 2.0}
    assert len({y[t].tobytes() for t in range(50)}) > 20
    np.testing.assert_array_equal(runner.backward({"output": np.ones_like(y)})["x"], y)
    assert (runner.forward({"x": np.ones((50, 4, D))}, phase=Phase.test)["output"] == 1).all()


def test_float32_throughout():
    runner = model()
    found = runner.forward({"x": np.ones((T, B, D), np.float32)}, lengths=[5, 2, 3])
    assert {a.dtype.name for a in found.values()} == {"float32"}
    pulled = runner.backward({"y": np.ones((T, B, H)), "h": np.ones((B, H))})
    assert pulled["x"].dtype == np.float32
    assert runner.parameters["scan/u/weights"].gradient.dtype == np.float64


def test_cell_weights_shared_outside():
    shared = FullyConnected(D, D)
    c = Cell("c", sequences="x", states={"h": D})
    h = Tanh()(shared(c.h + c.x, name="inside"))
    g = Builder("m")
    x = g.input("x", f"time, batch, feature={D}")
    runner = Runner(g.build(Scan(c.build(output=h, h=h))(shared(x, name="outside"), name="scan")))
    x = np.random.default_rng(0).normal(size=(T, B, D))
    runner.forward({"x": x})
    runner.backward({"output": np.ones((T, B, D))})
    assert list(runner.parameters) == ["outside/weights"]

    def loss(w):
        h, total = anp.zeros((B, D)), 0.0
        for t in range(T):
            given = anp.dot(x[t], w[:-1]) + w[-1]
            h = anp.tanh(anp.dot(h + given, w[:-1]) + w[-1])
            total = total + h.sum()
        return total

    np.testing.assert_allclose(shared.get_gradient_weights(), grad(loss)(shared.get_weights()), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("pooled", [True, False])
def test_ragged_context_keeps_lengths_in_cell(pooled):
    """A cell that reads a whole second sequence, row by row, at every step."""
    from graphnet import MeanOverTime

    rng = np.random.default_rng(6)
    read = Cell("read", sequences="u", states={"a": H})
    a = Tanh()(dense(read.u, H, name="from_u") + dense(read.a, H, name="from_a"))
    inner = read.build(output=a, a=a)
    outer = Cell("outer", sequences="x", states={"h": H}, contexts={"m": f"time, batch, feature={D}"})
    seen = dense(MeanOverTime()(outer.m), H, name="mean") if pooled else Scan(inner)(outer.m, name="inner")["a"]
    h = Tanh()(dense(outer.x, H, name="from_x") + dense(outer.h, H, name="from_h") + seen)
    g = Builder("m")
    x, m = (g.input(n, f"time, batch, feature={D}") for n in "xm")
    runner = Runner(g.build(y=Scan(outer.build(output=h, h=h))(x, None, m, name="outer")))
    runner.materialize()
    x, m, e = rng.normal(size=(T, B, D)), rng.normal(size=(4, B, D)), rng.normal(size=(T, B, H))
    lengths = {"x": [5, 2, 3], "m": [4, 1, 3]}
    m[1:, 1] = np.nan
    y = runner.forward({"x": x, "m": m}, lengths=lengths)["y"]
    pulled = runner.backward({"y": e})
    gradients = {n: p.gradient for n, p in runner.parameters.items()}
    total = {n: np.zeros_like(p) for n, p in gradients.items()}
    for b in range(B):
        n, k = lengths["x"][b], lengths["m"][b]
        alone = runner.forward({"x": x[:n, b : b + 1], "m": m[:k, b : b + 1]})["y"]
        np.testing.assert_allclose(y[:n, b], alone[:, 0], rtol=1e-12, atol=1e-14)
        back = runner.backward({"y": e[:n, b : b + 1]})
        np.testing.assert_allclose(pulled["x"][:n, b], back["x"][:, 0], rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(pulled["m"][:k, b], back["m"][:, 0], rtol=1e-11, atol=1e-13)
        assert not pulled["m"][k:, b].any()
        for name, p in runner.parameters.items():
            total[name] += p.gradient
    for name, found in gradients.items():
        np.testing.assert_allclose(found, total[name], rtol=1e-10, atol=1e-12)
