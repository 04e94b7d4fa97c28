"""Cells with linear recurrences, drawn in several ways, and cells that are nearly linear."""

from __future__ import annotations

import numpy as np

from graphnet import Cell, Layer, dense, outer_product
from graphnet.core.describe.parameter import Weight
from graphnet.core.describe.shapes import Shape
from graphnet.layers import Concatenate, LearnedArray, Reshape, VectorMatrix
from graphnet_recurrent.layers import Sigmoid

D, K, V = 3, 3, 4
MATRIX = f"batch, key={K}, value={V}"


def sigmoid(value):
    return Sigmoid()(value)


def read(vector, state):
    """``Sᵀ q``."""
    return VectorMatrix()(vector, state)


class Leaky(Layer):
    """``logistic(a) · s + b`` in one rule."""

    def apply(self, a, s, b):
        g = 1 / (1 + np.exp(-a))
        return g * s + b, (g, s)

    def pull(self, saved, error):
        g, s = saved
        return error * s * g * (1 - g), error * g, error


class Clipped(Layer):
    """x, whose errors are clipped: its backward rule is not the derivative."""

    def apply(self, x):
        return x, None

    def pull(self, saved, error):
        return np.clip(error, -0.5, 0.5)


class Weighed(Layer):
    """x, whose error is multiplied by another value."""

    def apply(self, x, other):
        return x, other

    def pull(self, other, error):
        return error * other, None


class Fused(Layer):
    """``a · S + k vᵀ`` in one rule, by einsum."""

    def infer(self, a, s, k, v):
        return s

    def apply(self, a, s, k, v):
        return np.einsum("bk,bkv->bkv", a, s) + np.einsum("bk,bv->bkv", k, v), (a, s, k, v)

    def pull(self, saved, error):
        a, s, k, v = saved
        return (error * s).sum(2), error * a[:, :, None], (error * v[:, None]).sum(2), (error * k[:, :, None]).sum(1)


class Scale(Layer):
    """A weight for each feature."""

    size: int = D

    def parameters(self, *inputs):
        return {"scale": Weight((self.size,))}

    def apply(self, x, *, scale):
        return x * scale, x

    def pull(self, x, error, *, scale):
        return error * scale

    def grad(self, x, error):
        return {"scale": (x * error).reshape(-1, x.shape[-1]).sum(0)}


def vector(next_state, states=None, contexts=()):
    """A cell of vectors; ``next_state`` maps the cell to its outputs."""
    cell = Cell("cell", sequences={"x": 2}, states=states or {"h": D}, contexts=contexts)
    return cell.build(**next_state(cell))


def lerps():
    """Ways to draw ``(1 - z) h + z g``."""

    def drawn(form):
        def outputs(c):
            z, g = sigmoid(dense(c.x, D)), dense(c.x, D)
            h = form(c.h, z, g)
            return {"y": np.tanh(h) * c.h, "h": h}

        return vector(outputs)

    forms = {
        "h + z(g - h)": lambda h, z, g: h + z * (g - h),
        "(1 - z)h + zg": lambda h, z, g: (1 - z) * h + z * g,
        "h - zh + gz": lambda h, z, g: h - z * h + g * z,
        "zg + h(1 - z)": lambda h, z, g: z * g + h * (1 - z),
        "(h/z + g)z": lambda h, z, g: (h / (1 + z) + g) * z,
        "-(zg - h)": lambda h, z, g: -(z * g - h * 0.5),
        "0.9h": lambda h, z, g: 0.9 * h + z,
        "mean": lambda h, z, g: (h + g) / 2,
        "leaky": lambda h, z, g: Leaky()(z, h, g),
        "shift": lambda h, z, g: z * g,
    }
    return {name: lambda form=form: drawn(form) for name, form in forms.items()}


def pair(c):
    a, b, u = sigmoid(dense(c.x, D)), dense(c.x, D), dense(c.x, D)
    p, q = a * c.p - b * c.q + u, b * c.p + a * c.q
    return {"y": p * q, "p": p, "q": q}


def general_pair(c):
    a, b, u = sigmoid(dense(c.x, D)), dense(c.x, D), dense(c.x, D)
    p, q = 0.5 * c.p + b * c.q, a * (c.p + u)
    return {"y": p - q * c.p, "p": p, "q": q}


def learned_rotation(c):
    """An LRU: decay and angle depend on weights alone."""
    size, angle = np.exp(-np.exp(LearnedArray(D, initial=-1.0)(c.x))), LearnedArray(D, initial=0.7)(c.x)
    a, b = size * np.cos(angle), size * np.sin(angle)
    p, q = a * c.p - b * c.q + dense(c.x, D), a * c.q + b * c.p + dense(c.x, D)
    return {"y": p, "p": p, "q": q}


def stabiliser(c):
    f, i = np.log(sigmoid(dense(c.x, D))), dense(c.x, D)
    m = np.maximum(f + c.m, i)
    h = np.exp(f + c.m - m) * c.h + np.exp(i - m)
    return {"y": h / (1 + abs(c.h)), "h": h, "m": m}


def backward_reads(c):
    """A backward rule that reads a state, which the forward rule does not."""
    g = Weighed()(dense(c.x, D), c.h)
    return {"y": c.h * g, "h": 0.5 * c.h + dense(c.x, D)}


def several(c):
    """Two linear states, one that is not, one that is shifted, and a context."""
    r = np.tanh(dense(Concatenate()(c.x, c.r), D))
    h = c.h * sigmoid(dense(r, D)) + dense(c.c, D) * r
    k = dense(c.c, D) * h
    return {"y": h * c.k + r, "z": c.c, "h": h, "r": r, "k": k}


def matrix(next_state, states=None):
    cell = Cell("cell", sequences={"x": 2}, states=states or {"S": MATRIX})
    return cell.build(**next_state(cell))


def vectors(c):
    return dense(c.x, K), dense(c.x, V), dense(c.x, K), sigmoid(dense(c.x, K)), sigmoid(dense(c.x, 1))


def retention(c):
    k, v, q, *_ = vectors(c)
    s = 0.9 * c.S + k[:, :, None] * v[:, None, :]
    return {"y": (q[:, :, None] * s).sum(1), "S": s}


def gated(c):
    k, v, q, a, _ = vectors(c)
    s = a[..., None] * c.S + k[..., None] @ v[:, None]
    return {"y": read(q, s), "S": s}


def fused(c):
    k, v, q, a, _ = vectors(c)
    s = Fused()(a, c.S, k, v)
    return {"y": read(q, s), "S": s}


def bonus(c):
    """RWKV-6: the state before the step, and a bonus for the present one."""
    k, v, q, a, _ = vectors(c)
    kv = k[..., None] * v[:, None]
    return {"y": read(q, c.S + LearnedArray((K, 1), initial=0.3)(c.S) * kv), "S": a[..., None] * c.S + kv}


def delta(c):
    k, v, q, _, beta = vectors(c)
    s = c.S + beta[..., None] * (k[..., None] * (v - read(k, c.S))[:, None])
    return {"y": read(q, s), "S": s}


def gated_delta(c):
    k, v, q, a, beta = vectors(c)
    kept = a[..., None] * c.S
    s = kept - (beta * k)[..., None] * (read(k, kept))[:, None] + k[..., None] * v[:, None]
    return {"y": read(q, s) + v, "S": s}


def transposed(c):
    """The state is (value, key): read by its last axis."""
    k, v, q, a, _ = vectors(c)
    s = a[:, None] * c.S + v[..., None] * k[:, None]
    return {"y": (s * q[:, None]).sum(-1), "S": s}


def heads(c):
    q, k = (Reshape((2, K))(dense(c.x, 2 * K)) for _ in range(2))
    v = Reshape((2, V))(dense(c.x, 2 * V))
    s = Reshape((2, 1, 1))(sigmoid(dense(c.x, 2))) * c.S + k[..., None] * v[:, :, None]
    return {"y": Reshape((2 * V,))((q[..., None] * s).sum(2)), "S": s}


def exponential(c):
    """RWKV-6 with its decay as an exponential, heads, and a bonus for the present step."""
    k, q, w = (Reshape((2, K))(dense(c.x, 2 * K)) for _ in range(3))
    update = k[..., None] * Reshape((2, V))(dense(c.x, 2 * V))[:, :, None]
    bonus = Reshape((2, K))(LearnedArray(2 * K, initial=0.5)(c.x))
    s = np.exp(-np.exp(w))[..., None] * c.S + update
    return {"y": Reshape((2 * V,))(read(q, c.S + bonus[..., None] * update)), "S": s}


def delta_heads(c):
    """The delta rule with heads, and vectors that are products themselves."""
    q, k = (Reshape((2, K))(dense(c.x, 2 * K)) for _ in range(2))
    v, beta = Reshape((2, V))(dense(c.x, 2 * V)), Reshape((2, 1))(sigmoid(dense(c.x, 2)))
    k = k * (0.1 + sigmoid(k)) * 0.5
    s = c.S + outer_product(k, beta * (v - read(k, c.S)))
    return {"y": Reshape((2 * V,))(read(q, s)), "S": s}


def mlstm(c):
    k, v, q, *_ = vectors(c)
    i, f = dense(c.x, 1), np.log(sigmoid(dense(c.x, 1)))
    m = np.maximum(f + c.m, i)
    kept, new = np.exp(f + c.m - m), np.exp(i - m)
    s = kept[..., None] * c.S + new[..., None] * (k[..., None] * v[:, None])
    n = kept * c.n + new * k
    return {"y": read(q, s) / np.maximum(abs((n * q).sum(-1, keepdims=True)), np.exp(-m)), "S": s, "n": n, "m": m}


def selective(c):
    """Mamba: decay by channel and state."""
    step, u = sigmoid(dense(c.x, V)), dense(c.x, V)
    a = -np.exp(LearnedArray((V, K), initial=None)(c.S))
    s = np.exp(step[..., None] * a) * c.S + (step * u)[..., None] * dense(c.x, K)[:, None]
    return {"y": (s * dense(c.x, K)[:, None]).sum(-1), "S": s}


def whole_state(c):
    """A matrix state that is read as it is."""
    k, v, _, a, _ = vectors(c)
    s = a[..., None] * c.S + k[..., None] * v[:, None]
    return {"y": Reshape((K * V,))(np.tanh(s)), "S": s}


HEADS = Shape.of((None, 2, K, V))
PAIR = {"p": D, "q": D}
#: How each cell is made, and the classes that are found in it, state by state.
CELLS = {name: (make, {"h": "diagonal"}) for name, make in lerps().items()} | {
    "pair": (lambda: vector(pair, PAIR), {"p, q": "rotation"}),
    "general pair": (lambda: vector(general_pair, PAIR), {"p, q": "pair"}),
    "learned rotation": (lambda: vector(learned_rotation, PAIR), {"p, q": "rotation"}),
    "stabiliser": (lambda: vector(stabiliser, {"h": D, "m": D}), {"m": "max_plus", "h": "diagonal"}),
    "backward reads": (lambda: vector(backward_reads), {"h": "diagonal"}),
    "several": (
        lambda: vector(several, {"h": D, "r": D, "k": D}, {"c": 2}),
        {"r": None, "h": "diagonal", "k": "diagonal"},
    ),
    "retention": (lambda: matrix(retention), {"S": "outer"}),
    "gated": (lambda: matrix(gated), {"S": "outer"}),
    "fused": (lambda: matrix(fused), {"S": "outer"}),
    "bonus": (lambda: matrix(bonus), {"S": "outer"}),
    "delta": (lambda: matrix(delta), {"S": "delta"}),
    "gated delta": (lambda: matrix(gated_delta), {"S": "delta"}),
    "transposed": (lambda: matrix(transposed, {"S": f"batch, value={V}, key={K}"}), {"S": "outer"}),
    "exponential": (lambda: matrix(exponential, {"S": HEADS}), {"S": "outer"}),
    "delta heads": (lambda: matrix(delta_heads, {"S": HEADS}), {"S": "delta"}),
    "heads": (lambda: matrix(heads, {"S": HEADS}), {"S": "outer"}),
    "mlstm": (lambda: matrix(mlstm, {"S": MATRIX, "n": K, "m": 1}), {"m": "max_plus", "S": "outer", "n": "diagonal"}),
    "selective": (lambda: matrix(selective, {"S": f"batch, channel={V}, state={K}"}), {"S": "outer"}),
    "whole state": (lambda: matrix(whole_state), {"S": "diagonal"}),
}


def nearly():
    """Next states that are not linear in the state, by what breaks the linearity."""
    forms = {
        "tanh": lambda c, z: z * np.tanh(c.h),
        "absolute": lambda c, z: z * abs(c.h) + z,
        "maximum": lambda c, z: np.maximum(c.h, 0 * z) * 0.5 + z,
        "twice the maximum": lambda c, z: np.maximum(2 * c.h, z),
        "square": lambda c, z: z * c.h * c.h,
        "power": lambda c, z: z + 0.1 * c.h**2,
        "own gate": lambda c, z: sigmoid(c.h + z) * c.h,
        "divided": lambda c, z: z / (2 + c.h * 0.1),
        "dense": lambda c, z: z + dense(c.h, D),
        "concatenated": lambda c, z: z + dense(Concatenate()(c.x, c.h), D),
        "mixed features": lambda c, z: z + c.h.sum(-1, keepdims=True) * 0.1,
        "reversed": lambda c, z: z + c.h[:, ::-1],
        "clipped errors": lambda c, z: z * Clipped()(c.h) + z,
        "minimum": lambda c, z: np.minimum(c.h + z, z),
    }
    return {
        name: lambda form=form: vector(lambda c: {"y": c.h, "h": form(c, sigmoid(dense(c.x, D)))})
        for name, form in forms.items()
    }


def nearly_matrix():
    """The same for a matrix state."""

    def drawn(change):
        def outputs(c):
            k, v, q, a, _ = vectors(c)
            s = change(c.S, a) + k[..., None] * v[:, None]
            return {"y": read(q, s), "S": s}

        return matrix(outputs)

    forms = {
        "tanh": lambda s, a: a[..., None] * np.tanh(s),
        "normalized": lambda s, a: s / (1 + (s * s).sum(1, keepdims=True)),
        "own read": lambda s, a: s + (read(a, s))[:, None] * s,
    }
    return {name: lambda change=change: drawn(change) for name, change in forms.items()}
