"""Cells whose values have several inner axes: compiled programs against the reference backend."""

import numpy as np
import pytest
from helpers.random_models import Tanh

from graphnet import (
    Builder,
    Cell,
    Exp,
    FullyConnected,
    LayerNormalization,
    LearnedArray,
    Reshape,
    RMSNormalization,
    Runner,
    Scan,
    concatenate,
    dense,
)
from graphnet.core.compile.pipeline import PASSES
from graphnet.core.run.numpy_backend.scan import BoundScan

D, K, V = 3, 2, 5


def logistic(x):
    return 1.0 / (1.0 + Exp()(-x))


def retention(c):
    """S' = ½ S + k vᵀ, y = S'ᵀ q."""
    k, v, q = dense(c.x, K), dense(c.x, V), dense(c.x, K)
    s = 0.5 * c.s + k[..., None] * v[..., None, :]
    return {"y": (q[..., None] * s).sum(-2), "s": s}


def gated(c):
    """S' = a 1ᵀ ∘ S + k vᵀ with a decay for each key, and read-out with the state before the step, too."""
    k, v, q, a = dense(c.x, K), dense(c.x, V), dense(c.x, K), logistic(dense(c.x, K))
    before = (c.s * q[..., None]).sum(-2)
    s = a[..., None] * c.s + k[..., None] * v[..., None, :]
    return {"y": before + np.vecmat(q, s), "s": s}


def delta(c):
    """S' = S + β k (v - Sᵀ k)ᵀ."""
    k, v, q, b = Tanh()(dense(c.x, K)), dense(c.x, V), dense(c.x, K), logistic(dense(c.x, 1))
    wrong = v - np.vecmat(k, c.s)
    s = c.s + (b * k)[..., None] * wrong[..., None, :]
    return {"y": np.vecmat(q, s), "s": s}


def slots(c):
    """A memory of K slots of V numbers, addressed by content, with a tanh on the matrix."""
    key = dense(c.x, V)
    scores = np.matvec(c.s, key)
    weights = Exp()(scores * 0.5)
    weights = weights / weights.sum(-1, keepdims=True)
    written = Tanh()(c.s + weights[..., None] * key[..., None, :])
    return {"y": np.vecmat(weights, written), "s": written}


def matrices(c):
    """Products of two matrices in each row, transposed, and a learned matrix."""
    m = Reshape((K, K))(dense(c.x, K * K))
    a = LearnedArray((K, V))
    s = Tanh()(m @ c.s + a(c.s))
    return {"y": (s @ np.swapaxes(s, -1, -2) * 0.2).sum(-1), "s": s * 0.5}


def wide(c):
    """Concatenated, sliced and swapped inner axes, and means over several of them."""
    first, second = c.s[..., :2], c.s[..., 2:]
    joined = concatenate(second, Tanh()(first), axis=-1)
    turned = np.swapaxes(joined, -1, -2)
    s = np.swapaxes(turned * dense(c.x, V)[..., None], -1, -2) * 0.5 + c.s.mean((-2, -1), keepdims=True)
    return {"y": s.sum(-1) + c.s.mean(-1), "s": s}


def normalized(c):
    """Layers with weights on the last of two inner axes."""
    s = RMSNormalization()(LayerNormalization()(c.s + dense(c.x, V)[..., None, :]))
    return {"y": Reshape((K * 3,))(Tanh()(dense(s, 3))), "s": FullyConnected(V, V)(s) * 0.3}


CELLS = {f.__name__: f for f in (retention, gated, delta, slots, matrices, wide, normalized)}


def graph(name, reverse=False, bptt_length=None):
    c = Cell(name, sequences={"x": f"batch, feature={D}"}, states={"s": f"batch, key={K}, value={V}"})
    cell = c.build(**CELLS[name](c))
    g = Builder("model")
    x, s0 = g.input("x", f"time, batch, feature={D}"), g.input("s0", f"batch, key={K}, value={V}", optional=True)
    scanned = Scan(cell, reverse=reverse, bptt_length=bptt_length)(x, s0, name="scan")
    return g.build(y=scanned, s=scanned["s"])


def found(graph, backend, given, errors, lengths=None, passes=None):
    """Outputs, errors and gradients; whether every Scan ran compiled."""
    runner = Runner(graph, backend=backend, passes=passes)
    runner.materialize()
    rng = np.random.default_rng(3)
    for p in runner.parameters.values():
        p.value = rng.normal(size=p.value.shape) * 0.5
    outputs = runner.forward(given, lengths=lengths)
    pulled = runner.backward({name: errors[name] for name in outputs})
    scans = [s for s in runner.last_pass.bound.steps if isinstance(s, BoundScan)]
    return {
        **{f"out {n}": a for n, a in outputs.items()},
        **{f"error {n}": a for n, a in pulled.items() if a is not None},
        **{n: np.array(p.gradient) for n, p in runner.parameters.items()},
    }, [s.reason for s in scans]


def same(name, backend="numpy", steps=6, batch=3, lengths=None, passes=None, **how):
    rng = np.random.default_rng(5)
    given = {"x": rng.normal(size=(steps, batch, D)), "s0": rng.normal(size=(batch, K, V))}
    made = graph(name, **how)
    shapes = {n: a.shape for n, a in Runner(made, backend="reference").forward(given, lengths=lengths).items()}
    errors = {n: rng.normal(size=s) for n, s in shapes.items()}
    ours, reasons = found(made, backend, given, errors, lengths, passes)
    expected, _ = found(made, "reference", given, errors, lengths)
    assert reasons == [None]
    assert ours.keys() == expected.keys()
    for key, array in expected.items():
        scale = max(np.abs(array).max(), 1e-3)
        np.testing.assert_allclose(ours[key], array, rtol=0, atol=1e-11 * scale, err_msg=key)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("batch", [1, 3])
def test_cell_equals_reference(name, batch):
    same(name, batch=batch)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("how", [{}, {"reverse": True}, {"bptt_length": 2}])
def test_cell_with_ragged_rows_equals_reference(name, how):
    same(name, steps=7, batch=4, lengths=[7, 3, 0, 5], **how)


@pytest.mark.parametrize("name", CELLS)
def test_one_pass_left_out_equals_reference(name):
    for left_out in PASSES:
        same(name, steps=3, batch=2, passes=[p for p in PASSES if p != left_out])
    same(name, steps=3, batch=2, passes=[])
