"""Random inputs to cells whose values have several inner axes, compared with the reference backend."""

import numpy as np

import graphnet
from graphnet import (
    Builder,
    Cell,
    Dropout,
    Exp,
    FullyConnected,
    Layer,
    LayerNormalization,
    LearnedArray,
    Reshape,
    RMSNormalization,
    Runner,
    Scan,
    Split,
    Weight,
    concatenate,
    dense,
)
from graphnet.core.compile.pipeline import PASSES
from helpers.random_models import Tanh

#: Passes with which every cell runs step by step.
STEPWISE = tuple(name for name in PASSES if name != "recurrences")
#: Features of the input.
D = 3


def logistic(x):
    return 1.0 / (1.0 + Exp()(-x))


def retention(c, K, V):
    """S' = ½ S + k vᵀ, y = S'ᵀ q."""
    k, v, q = dense(c.x, K), dense(c.x, V), dense(c.x, K)
    s = 0.5 * c.s + k[..., None] * v[..., None, :]
    return {"y": (q[..., None] * s).sum(-2), "s": s}


def gated(c, K, V):
    """S' = a 1ᵀ ∘ S + k vᵀ with a decay for each key, and read-out with the state before the step, too."""
    k, v, q, a = dense(c.x, K), dense(c.x, V), dense(c.x, K), logistic(dense(c.x, K))
    before = (c.s * q[..., None]).sum(-2)
    s = a[..., None] * c.s + k[..., None] * v[..., None, :]
    return {"y": before + np.vecmat(q, s), "s": s}


def delta(c, K, V):
    """S' = S + β k (v - Sᵀ k)ᵀ."""
    k, v, q, b = Tanh()(dense(c.x, K)), dense(c.x, V), dense(c.x, K), logistic(dense(c.x, 1))
    wrong = v - np.vecmat(k, c.s)
    s = c.s + (b * k)[..., None] * wrong[..., None, :]
    return {"y": np.vecmat(q, s), "s": s}


def slots(c, K, V):
    """A memory of K slots of V numbers, addressed by content, with a tanh on the matrix."""
    key = dense(c.x, V)
    scores = np.matvec(c.s, key)
    weights = Exp()(scores * 0.5)
    weights = weights / weights.sum(-1, keepdims=True)
    written = Tanh()(c.s + weights[..., None] * key[..., None, :])
    return {"y": np.vecmat(weights, written), "s": written}


def matrices(c, K, V):
    """Products of two matrices in each row, transposed, and a learned matrix."""
    m = Reshape((K, K))(dense(c.x, K * K))
    a = LearnedArray((K, V))
    s = Tanh()(m @ c.s + a(c.s))
    return {"y": (s @ np.swapaxes(s, -1, -2) * 0.2).sum(-1), "s": s * 0.5}


def wide(c, K, V):
    """Concatenated, sliced and swapped inner axes, and means over several of them."""
    first, second = c.s[..., :2], c.s[..., 2:]
    joined = concatenate(second, Tanh()(first), axis=-1)
    turned = np.swapaxes(joined, -1, -2)
    s = np.swapaxes(turned * dense(c.x, V)[..., None], -1, -2) * 0.5 + c.s.mean((-2, -1), keepdims=True)
    return {"y": s.sum(-1) + c.s.mean(-1), "s": s}


def normalized(c, K, V):
    """Layers with weights on the last of two inner axes."""
    s = RMSNormalization()(LayerNormalization()(c.s + dense(c.x, V)[..., None, :]))
    return {"y": Reshape((K * 3,))(Tanh()(dense(s, 3))), "s": FullyConnected(V, V)(s) * 0.3}


CELLS = {f.__name__: f for f in (retention, gated, delta, slots, matrices, wide, normalized)}


def graph(name, sizes=(2, 5), reverse=False, bptt_length=None):
    """A graph of one Scan over a cell: one of those above by its name, or a random one by its seed."""
    if name in CELLS:
        c = Cell(name, sequences={"x": f"batch, feature={D}"}, states={"s": f"batch, key={sizes[0]}, value={sizes[1]}"})
        cell = c.build(**CELLS[name](c, *sizes))
    else:
        cell, sizes = random_cell(name)
    g = Builder("model")
    x = g.input("x", f"time, batch, feature={D}")
    s0 = g.input("s0", ", ".join(["batch", *axes_of(sizes)]), optional=True)
    scanned = Scan(cell, reverse=reverse, bptt_length=bptt_length)(x, s0, name="scan")
    return g.build(y=scanned, s=scanned["s"])


def everything(graph, given, backend, lengths=None, passes=None):
    """Outputs, errors and gradients, with weights and errors that are the same each time; and what ran the Scan, step by step."""
    runner = Runner(graph, backend=backend, passes=STEPWISE if passes is None else passes)
    runner.materialize()
    rng = np.random.default_rng(3)
    dtype = given["x"].dtype
    for p in runner.parameters.values():
        p.value = (rng.normal(size=p.value.shape) * 0.5).astype(dtype)
    outputs = runner.forward(given, lengths=lengths)
    errors = {name: rng.normal(size=array.shape).astype(dtype) for name, array in sorted(outputs.items())}
    pulled = runner.backward(errors)
    found = {f"out {n}": a for n, a in outputs.items()}
    found |= {f"error {n}": a for n, a in pulled.items() if a is not None}
    found |= {n: np.array(p.gradient) for n, p in runner.parameters.items()}
    return found, runner.last_pass.bound.steps[0]


def inputs(sizes=(2, 5), steps=6, batch=3, dtype="float64"):
    rng = np.random.default_rng(5)
    given = {"x": rng.normal(size=(steps, batch, D)), "s0": rng.normal(size=(batch, *sizes))}
    return {name: array.astype(dtype) for name, array in given.items()}


def same(name, backend="numpy", sizes=(2, 5), steps=6, batch=3, dtype="float64", lengths=None, passes=None, **how):
    """Assert that a compiled cell gives the numbers of the reference backend; returns its program."""
    made = graph(name, sizes, **how)
    sizes = tuple(made.inputs["s0"].shape.sizes[1:])
    given = inputs(sizes, steps, batch, dtype)
    ours, scan = everything(made, given, backend, lengths, passes)
    exact = {key: array.astype("float64") for key, array in given.items()}
    expected, _ = everything(made, exact, "reference", lengths)
    assert scan.reason is None
    program = (scan.exact or scan.programs)[True]
    assert program.executable().backend == backend
    assert ours.keys() == expected.keys()
    tolerance = 1e-11 if dtype == "float64" else 1e-4
    for key, array in expected.items():
        scale = max(np.abs(array).max(), 1e-3)
        np.testing.assert_allclose(ours[key], array, rtol=0, atol=tolerance * scale, err_msg=key)
    return program.program


# ---------------------------------------------------------------------- random cells
def random_cell(seed):
    """A cell of random operations on values with one to three inner axes, a state of which has two or three."""
    rng = np.random.default_rng(seed)
    sizes = tuple(int(n) for n in rng.integers(1, 5, size=rng.integers(2, 4)))
    c = Cell("c", sequences={"x": f"batch, feature={D}"}, states={"s": ", ".join(["batch", *axes_of(sizes)])})
    values = [(c.s, sizes), (c.s, sizes)]
    for n in dict.fromkeys(sizes):
        values.append((dense(c.x, n), (n,)))
    for _ in range(int(rng.integers(4, 10))):
        made = random_value(rng, values)
        if made is not None and np.prod(made[1]) <= 64 and len(made[1]) <= 4:
            values.append(made)
    output = values[-1]
    state = Tanh()(c.s * 0.7 + dense_to(c, rng, values, sizes))
    return c.build(y=Reshape((int(np.prod(output[1])),))(output[0]) * 1.0, s=state), sizes


def axes_of(sizes):
    return [f"a{i}={n}" for i, n in enumerate(sizes)]


def dense_to(c, rng, values, sizes):
    """A sum of values that broadcast to some inner axes."""
    total = Reshape(sizes)(dense(c.x, int(np.prod(sizes))))
    for value, shape in values:
        if len(shape) == len(sizes) and all(a in (1, b) for a, b in zip(shape, sizes, strict=True)):
            total = total + Tanh()(value) * float(rng.normal() * 0.3)
    return total


def random_value(rng, values):
    """A value of one or two others, and its inner axes; None where the operation does not apply."""
    value, shape = values[rng.integers(len(values))]
    other, second = values[rng.integers(len(values))]
    axis, rank = -int(rng.integers(1, len(shape) + 1)), len(shape)
    kind = rng.choice(
        ["tanh", "sum", "mean", "swap", "new", "binary", "outer", "matmul", "slice", "join", "reshape", "norm", "gain",
         "dense", "softmax", "max", "split"]
    )  # fmt: skip
    if kind == "tanh":
        return Tanh()(value), shape
    if kind in ("sum", "mean") and rank > 1:
        keep = bool(rng.integers(2))
        reduced = getattr(value, kind)(axis, keepdims=keep)
        rest = tuple(1 if i == rank + axis else n for i, n in enumerate(shape) if keep or i != rank + axis)
        return reduced, rest
    if kind == "swap" and rank > 1:
        turned = list(shape)
        turned[-1], turned[axis] = turned[axis], turned[-1]
        return np.swapaxes(value, -1, axis), tuple(turned)
    if kind == "new":
        return value[..., None], (*shape, 1)
    if (
        kind == "binary"
        and rank == len(second)
        and all(a == b or 1 in (a, b) for a, b in zip(shape, second, strict=True))
    ):
        both = np.broadcast_shapes(shape, second)
        return [value * Tanh()(other), value - other, np.maximum(value, other)][rng.integers(3)], both
    if kind == "outer" and rank == len(second) == 1:
        return value[..., None] * other[..., None, :], (*shape, *second)
    if kind == "matmul" and min(rank, len(second)) > 1 and shape[-1] == second[-2] and shape[:-2] == second[:-2]:
        return value @ other, (*shape[:-1], second[-1])
    if kind == "slice" and shape[-1] > 1:
        return value[..., 1:], (*shape[:-1], shape[-1] - 1)
    if kind == "join" and shape[:-1] == second[:-1]:
        return concatenate(value, other, axis=-1), (*shape[:-1], shape[-1] + second[-1])
    if kind == "reshape":
        return Reshape(shape[::-1])(value), shape[::-1]
    if kind == "norm" and shape[-1] > 1:
        return (LayerNormalization() if rng.integers(2) else RMSNormalization())(value), shape
    if kind == "gain":
        return value * LearnedArray(shape[-int(rng.integers(1, rank + 1)) :])(value), shape
    if kind == "dense":
        return dense(value, 3), (*shape[:-1], 3)
    if kind == "softmax":
        powers = Exp()(Tanh()(value))
        return powers / powers.sum(-1, keepdims=True), shape
    if kind == "split" and shape[axis] % 2 == 0:
        return Split([shape[axis] // 2] * 2, axis=axis)(value)["part_1"], tuple(
            n // 2 if i == rank + axis else n for i, n in enumerate(shape)
        )
    return None


# ---------------------------------------------------------------------- other inputs and states
def with_contexts():
    """Matrices as sequence, state, context and output."""
    c = Cell(
        "c", sequences={"x": "batch, a=2, b=3"}, states={"s": "batch, a=2, b=3"}, contexts={"m": "batch, b=3, c=2"}
    )
    s = Tanh()(c.x + c.s * 0.5 + np.swapaxes(c.m, -1, -2))
    g = Builder("model")
    x, m = g.input("x", "time, batch, a=2, b=3"), g.input("m", "batch, b=3, c=2")
    scanned = Scan(c.build(y=s @ c.m, s=s))(x, None, m, name="scan")
    return g.build(y=scanned, s=scanned["s"]), {"x": (4, 3, 2, 3), "m": (3, 3, 2)}


def without_batch():
    """A sequence without a batch axis, and a state of one number."""
    c = Cell("c", sequences={"x": "batch, feature=3"}, states={"s": "batch, a=2, b=3", "n": "batch, one=1"})
    n = Tanh()(c.n + (c.x * c.x).sum(-1, keepdims=True))
    s = Tanh()(c.s + n[..., None] * c.x[..., None, :])
    g = Builder("model")
    scanned = Scan(c.build(y=s.sum(-2), s=s, n=n), reverse=True)(
        g.input("x", "time, feature=3"), None, None, name="scan"
    )
    return g.build(y=scanned), {"x": (5, 3)}


def with_dropout():
    """Random numbers for a matrix."""
    c = Cell("c", sequences={"x": "batch, feature=3"}, states={"s": "batch, a=2, b=3"})
    s = Tanh()(Dropout(0.5)(c.s + c.x[..., None, :]))
    g = Builder("model")
    scanned = Scan(c.build(y=s.sum(-2), s=s))(g.input("x", "time, batch, feature=3"), None, name="scan")
    return g.build(y=scanned), {"x": (5, 2, 3)}


class HeadMatrices(Layer):
    """A matrix for each head: y_hj = Σ_i x_hi w_hij."""

    heads: int
    size: int

    def parameters(self, *inputs):
        return {"w": Weight((self.heads, self.size, self.size), fan_in=self.size, fan_out=self.size)}

    def apply(self, x, *, w):
        return np.einsum("bhi,hij->bhj", x, w), x

    def pull(self, x, error, *, w):
        return (error[..., None, :] @ np.swapaxes(w, -1, -2))[..., 0, :]

    def grad(self, x, error):
        return {"w": np.einsum("bhi,bhj->hij", x, error)}


class Bilinear(Layer):
    """y_j = Σ x_i w_ikj z_k."""

    def parameters(self, *inputs):
        return {"w": Weight((3, 2, 4), fan_in=3, fan_out=4)}

    def infer(self, x, z):
        return x.resized(-1, 4)

    def apply(self, x, z, *, w):
        return np.einsum("bjk,bk->bj", np.einsum("bi,ikj->bjk", x, w), z), (x, z)

    def pull(self, saved, error, *, w):
        x, z = saved
        inner = np.stack([np.einsum("bi,ij->bj", x, w[:, k]) for k in range(2)], axis=-1)
        return np.einsum("ikj,bjk->bi", w, np.einsum("bj,bk->bjk", error, z)), np.vecdot(
            error[..., None], inner, axis=-2
        )

    def grad(self, saved, error):
        x, z = saved
        return {"w": np.einsum("bi,bkj->ikj", x, np.einsum("bj,bk->bkj", error, z))}


def with_einsum():
    """Layers of one's own with np.einsum."""
    c = Cell("c", sequences={"x": "batch, feature=3"}, states={"s": "batch, a=2, b=3"})
    s = Tanh()(HeadMatrices(2, 3)(c.s) + c.x[..., None, :])
    g = Builder("model")
    cell = c.build(y=Bilinear()(c.x, s.sum(-1)), s=s)
    return g.build(y=Scan(cell)(g.input("x", "time, batch, feature=3"), None, name="scan")), {"x": (5, 2, 3)}


OTHERS = {f.__name__: f for f in (with_contexts, without_batch, with_dropout, with_einsum)}


def same_inputs(name, backend, lengths=None):
    """Assert that one of the graphs above gives the numbers of the reference backend."""
    made, shapes = OTHERS[name]()
    rng = np.random.default_rng(7)
    given = {key: rng.normal(size=shape) for key, shape in shapes.items()}
    graphnet.seed(1)
    ours, scan = everything(made, given, backend, lengths)
    graphnet.seed(1)
    expected, _ = everything(made, given, "reference", lengths)
    assert scan.reason is None and ours.keys() == expected.keys()
    for key, array in expected.items():
        assert ours[key].shape == array.shape
        np.testing.assert_allclose(ours[key], array, rtol=0, atol=1e-12, err_msg=key)
