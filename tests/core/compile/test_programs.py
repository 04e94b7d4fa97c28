"""Compiled programs against the reference backend: equal numbers for any cell, passes and options."""

import copy
import dataclasses
import itertools
import re

import numpy as np
import pytest
from helpers.random_models import Tanh

from graphnet import Builder, Cell, Layer, LayerNormalization, Phase, Runner, Scan, Split, concatenate, dense
from graphnet.core.compile.pipeline import PASSES
from graphnet.core.run.numpy_backend.region import BoundRegion
from graphnet.core.run.numpy_backend.scan import BoundScan

D, H = 3, 4


class Logistic(Layer):
    """1 / (1 + exp(-x)), written naively."""

    def apply(self, x):
        y = 1 / (1 + np.exp(-x))
        return y, y

    def pull(self, y, error):
        return error * y * (1 - y)


class Peephole(Layer):
    """x · w with a weight for each unit."""

    units: int

    def parameters(self, *inputs):
        from graphnet import Weight

        return {"w": Weight((self.units,), fan_in=1, fan_out=1)}

    def apply(self, x, *, w):
        return x * w, x

    def pull(self, x, error, *, w):
        return error * w

    def grad(self, x, error):
        return {"w": (error * x).sum(axis=0)}


class Odd(Layer):
    """Many elementwise functions: where, maximum, abs, sqrt, powers, comparison."""

    def apply(self, x):
        root = np.sqrt(np.abs(x) + 1.0)
        y = np.where(x > 0.1, root, x**2) + np.maximum(x, -0.3) * 0.5
        return y, (x, root)

    def pull(self, saved, error):
        x, root = saved
        slope = np.where(x > 0.1, np.sign(x) / (2.0 * root), 2.0 * x)
        return error * slope + error * (x > -0.3) * 0.5


class Between(Layer):
    """x between two numbers: products, sums and logic of booleans."""

    def apply(self, x):
        inside = (x > -0.4) * (x < 0.6)
        return np.where(inside, x, 0.1), x

    def pull(self, x, error):
        return np.where((x > -0.4) & ~(x >= 0.6), error, 0.0)


class Soft(Layer):
    """softmax over the features."""

    def apply(self, x):
        powers = np.exp(x - x.max(-1, keepdims=True))
        y = powers / powers.sum(axis=-1, keepdims=True)
        return y, y

    def pull(self, y, error):
        return y * (error - np.sum(error * y, axis=-1, keepdims=True))


class Blind(Layer):
    """tanh that cannot be traced."""

    def apply(self, x):
        y = np.tanh(np.asarray(x))
        return y, y

    def pull(self, y, error):
        return error * (1 - y * y)


def lstm(c):
    z = concatenate(c.x, c.h)
    i, f, o = (Logistic()(dense(z, H)) for _ in range(3))
    state = f * c.c + i * Tanh()(dense(z, H))
    h = o * Tanh()(state)
    return {"y": h, "h": h, "c": state}


def peepholes(c):
    z = concatenate(c.x, c.h)
    f = Logistic()(dense(z, H) + Peephole(H)(c.c))
    state = f * c.c + (1 - f) * Tanh()(dense(z, H))
    h = Logistic()(dense(z, H) + Peephole(H)(state)) * Tanh()(state)
    return {"y": h, "h": h, "c": state}


def gru(c):
    z = concatenate(c.x, c.h)
    r, u = Logistic()(dense(z, H)), Logistic()(dense(z, H))
    n = Tanh()(dense(c.x, H) + r * dense(c.h, H))
    h = (1 - u) * n + u * c.h
    return {"y": h, "h": h, "c": c.c * 0.5}


def wide(c):
    parts = Split(4)(dense(concatenate(c.x, c.h), 4 * H))
    i, f, o = (Logistic()(parts[f"part_{k}"] if k else parts) for k in range(3))
    state = f * c.c + i * Tanh()(parts["part_3"])
    h = o * Tanh()(state)
    return {"y": h, "h": h, "c": state}


def normalized(c):
    h = Tanh()(LayerNormalization()(dense(concatenate(c.x, c.h), H)) + Peephole(H)(c.c))
    return {"y": dense(h, 2), "h": h, "c": Soft()(h + c.c)}


def odd(c):
    h = Odd()(dense(c.x, H) + dense(c.h, H, bias=False))
    return {"y": Odd()(h) + Between()(h), "h": Tanh()(h), "c": Tanh()(h)}


def shifted(c):
    first = Tanh()(dense(c.x, H) - dense(c.c, H))
    return {"y": dense(concatenate(first, c.h, c.c), 3) * 2, "h": first, "c": c.h}


def loose(c):
    kept = dense(c.x, H)
    return {"y": c.h * c.c + kept, "h": kept, "c": c.c}


def late(c):
    h = Tanh()(dense(c.x, H) + c.h)
    out = dense(Tanh()(dense(h, 5)), 2)
    return {"y": out, "h": h, "c": h + c.c}


def direct(c):
    h = (1 - (2 - c.h)) * 0.5 + 1 + dense(c.x, H)
    return {"y": 3 - (h + 1) * 2 - 1, "h": h, "c": h * c.c * 0.3 + (1 - c.c) - 1}


CELLS = {f.__name__: f for f in (lstm, peepholes, gru, wide, normalized, odd, shifted, loose, late, direct)}


def graph(name, reverse=False, bptt_length=None, context=False, rank=3):
    c = Cell(name, sequences="x", states={"h": H, "c": H}, contexts="m" if context else ())
    values = CELLS[name](c)
    if context:
        values["h"] = values["h"] + Tanh()(dense(c.m, H)) * 0.3
    cell = c.build(**values)
    g = Builder("model")
    x = g.input("x", f"time, batch, feature={D}" if rank == 3 else f"time, feature={D}")
    states = [g.input(s, f"batch, feature={H}", optional=True) for s in ("h0", "c0")]
    contexts = [g.input("m", "batch, feature=2")] if context else []
    scanned = Scan(cell, reverse=reverse, bptt_length=bptt_length)(x, *states, *contexts, name="scan")
    return g.build(y=scanned, h=scanned["h"], c=scanned["c"])


def weighted(runner, rng):
    runner.materialize()
    for p in runner.parameters.values():
        p.value = rng.normal(size=p.value.shape) * 0.7


def inputs(rng, steps, batch, context=False, states=True):
    given = {"x": rng.normal(size=(steps, batch, D))}
    if states:
        given |= {"h0": rng.normal(size=(batch, H)), "c0": rng.normal(size=(batch, H))}
    return given | ({"m": rng.normal(size=(batch, 2))} if context else {})


def both_ways(graph, given, rng, lengths=None, passes=None, errors=None):
    """Outputs, errors and gradients, compiled and by the reference backend."""
    found = []
    runners = [Runner(graph, passes=passes), Runner(graph, backend="reference")]
    weighted(runners[0], rng)
    for runner in runners:
        kept = {name: array.copy() for name, array in given.items()}
        outputs = runner.forward(given, lengths=lengths)
        if errors is None:
            errors = {name: rng.normal(size=array.shape) for name, array in outputs.items()}
        pulled = runner.backward(errors)
        pulled = {name: array for name, array in pulled.items() if array is not None}
        for name, array in kept.items():
            np.testing.assert_array_equal(given[name], array)
        gradients = {name: np.array(p.gradient) for name, p in runner.parameters.items()}
        found.append(
            {**{f"out {n}": a for n, a in outputs.items()}, **{f"error {n}": a for n, a in pulled.items()}, **gradients}
        )
    return runners[0], found


def same(found, tolerance=1e-12):
    ours, reference = found
    assert ours.keys() == reference.keys()
    for name, expected in reference.items():
        scale = max(np.abs(expected).max(), 1e-3)
        np.testing.assert_allclose(ours[name], expected, rtol=0, atol=tolerance * scale, err_msg=name)


def compiled(runner):
    """Whether every Scan and region of the last pass was compiled."""
    bound = runner.last_pass.bound
    steps = [s for s in bound.steps if isinstance(s, (BoundScan, BoundRegion))]
    return bool(steps) and all(s.reason is None for s in steps)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("batch", [1, 3])
def test_cell_equals_reference(name, batch):
    rng = np.random.default_rng(5)
    runner, found = both_ways(graph(name), inputs(rng, 6, batch), rng)
    same(found)
    assert compiled(runner)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize(
    "how", [{"reverse": True}, {"bptt_length": 4}, {"reverse": True, "bptt_length": 1}, {"context": True}]
)
def test_cell_with_ragged_rows_equals_reference(name, how):
    rng = np.random.default_rng(6)
    made = graph(name, **how)
    _, found = both_ways(made, inputs(rng, 7, 4, how.get("context", False)), rng, lengths=[7, 3, 0, 5])
    same(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("how", [{}, {"bptt_length": 50}, {"reverse": True}])
def test_many_blocks_equal_reference(name, how):
    rng = np.random.default_rng(7)
    runner, found = both_ways(graph(name, **how), inputs(rng, 130, 9), rng, lengths=rng.integers(0, 131, size=9))
    same(found, 1e-11)
    scan = runner.last_pass.bound.steps[0]
    assert len((scan.exact or scan.programs)[True].executable().workspace.blocks) > 2


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
def test_one_pass_left_out_equals_reference(name):
    for left_out in PASSES:
        rng = np.random.default_rng(8)
        _, found = both_ways(graph(name), inputs(rng, 5, 2), rng, passes=[p for p in PASSES if p != left_out])
        same(found)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "fewest"), [("peepholes", 0), ("shifted", 1)])
def test_subset_of_passes_equals_reference(name, fewest):
    """Every subset: those of an even number of passes for one cell, the others for another one."""
    made = graph(name)
    for count in range(fewest, len(PASSES) + 1, 2):
        for chosen in itertools.combinations(PASSES, count):
            rng = np.random.default_rng(9)
            _, found = both_ways(made, inputs(rng, 3, 2), rng, passes=chosen)
            same(found)


@pytest.mark.parametrize("name", CELLS)
def test_sequence_without_batch_equals_reference(name):
    rng = np.random.default_rng(10)
    given = {"x": rng.normal(size=(5, D))}
    _, found = both_ways(graph(name, rank=2), given, rng)
    same(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("output", ["y", "h", "c"])
def test_error_of_one_output_equals_reference(name, output):
    rng = np.random.default_rng(11)
    made, given = graph(name), inputs(rng, 5, 3, states=False)
    shape = Runner(made).forward(given)[output].shape
    _, found = both_ways(made, given, rng, errors={output: rng.normal(size=shape)})
    same(found)


@pytest.mark.parametrize("name", CELLS)
def test_outputs_without_backward_are_equal(name):
    rng = np.random.default_rng(12)
    runner = Runner(graph(name))
    weighted(runner, rng)
    given = inputs(rng, 90, 8)
    kept = runner.forward(given, phase=Phase.test)
    alone = runner.forward(given, phase=Phase.test, keep=False)
    for output, array in kept.items():
        np.testing.assert_allclose(alone[output], array, rtol=1e-12, atol=1e-13)


def test_interleaved_passes_are_independent():
    """Passes of other shapes and a second backward do not change arrays that were returned."""
    rng = np.random.default_rng(13)
    runner = Runner(graph("lstm"))
    weighted(runner, rng)
    a, b = inputs(rng, 6, 3), inputs(rng, 6, 2)
    first = runner.forward(a)
    copies = {name: array.copy() for name, array in first.items()}
    error = rng.normal(size=first["y"].shape)
    once = runner.backward({"y": error})
    gradients = {name: p.gradient.copy() for name, p in runner.parameters.items()}
    runner.forward(b)
    runner.forward(inputs(rng, 6, 3))
    runner.forward(a)
    for _ in range(2):
        again = runner.backward({"y": error})
        for name, array in once.items():
            np.testing.assert_array_equal(again[name], array)
        for name, p in runner.parameters.items():
            np.testing.assert_array_equal(p.gradient, gradients[name])
    for name, array in first.items():
        np.testing.assert_array_equal(array, copies[name])


def test_pass_snapshot_survives_another_pass():
    rng = np.random.default_rng(14)
    runner = Runner(graph("gru"))
    weighted(runner, rng)
    given = inputs(rng, 6, 3)
    error = rng.normal(size=runner.forward(given)["y"].shape)
    once = runner.backward({"y": error})["x"]
    undo = runner.snapshot()
    runner.forward(inputs(rng, 6, 3))
    undo.restore()
    np.testing.assert_array_equal(runner.backward({"y": error})["x"], once)


def test_one_thread_reuses_its_bound_plan():
    g = Builder("dense")
    runner = Runner(g.build(y=dense(g.input("x", "batch, feature=3"), 2)))
    used = set()
    for _ in range(3):
        runner.forward({"x": np.ones((4, 3))})
        used.add(id(runner.last_pass.bound))
        assert not any(binding.idle for binding in runner._binder.bindings.values())
    assert len(used) == 1


def test_untraceable_rule_runs_uncompiled():
    rng = np.random.default_rng(15)
    c = Cell("blind", sequences="x", states={"h": H})
    h = Blind()(dense(concatenate(c.x, c.h), H), name="blind")
    g = Builder("model")
    scanned = Scan(c.build(y=h, h=h))(g.input("x", f"time, batch, feature={D}"), name="scan")
    runner, found = both_ways(g.build(y=scanned), {"x": rng.normal(size=(5, 2, D))}, rng)
    same(found)
    reason = runner.last_pass.bound.steps[0].reason
    assert "scan/blind" in reason
    assert "np.asarray" in reason


def test_region_outside_scans_equals_reference():
    rng = np.random.default_rng(16)
    g = Builder("model")
    x = g.input("x", "batch, feature=5")
    a = Tanh()(dense(x, 4))
    b = Logistic()(dense(concatenate(a, x), 4)) * a - dense(x, 4)
    blind = Blind()(b)
    runner, found = both_ways(g.build(y=Soft()(Odd()(blind)) + b, z=a), {"x": rng.normal(size=(700, 5))}, rng)
    same(found, 1e-11)
    kinds = [type(s).__name__ for s in runner.last_pass.bound.steps]
    assert "BoundRegion" in kinds
    assert "BoundCall" in kinds


def test_denormals_are_flushed_and_mode_restored():
    from graphnet.core.run.numpy_backend.denormals import LIBRARY, Flushed

    small = np.full(8, 1e-38, "float32")
    with Flushed():
        inside = small * np.float32(0.01)
    assert (small * np.float32(0.01)).all()
    if LIBRARY is not None:
        assert not inside.any()
    with pytest.raises(ZeroDivisionError), Flushed():
        1 / 0
    assert (small * np.float32(0.01)).all()


@pytest.mark.parametrize("options", [{"backend": "numpi"}, {"passes": ["splt"]}])
def test_unknown_name_is_refused(options):
    from graphnet import UnknownNameError

    with pytest.raises(UnknownNameError, match="Did you mean"):
        Runner(graph("direct"), **options)


def test_environment_variable_selects_backend(monkeypatch):
    monkeypatch.setenv("GRAPHNET_BACKEND", "reference")
    assert Runner(graph("direct")).backend == "reference"
    monkeypatch.setenv("GRAPHNET_BACKEND", "fast")
    with pytest.raises(LookupError, match="fast"):
        Runner(graph("direct"))


def plain(value):
    """Whether a value is plain data: numbers, strings, tuples, and frozen dataclasses of these."""
    if dataclasses.is_dataclass(value):
        return all(plain(getattr(value, f.name)) for f in dataclasses.fields(value))
    if isinstance(value, tuple):
        return all(plain(v) for v in value)
    return value is None or type(value) in (int, float, bool, str)


@pytest.mark.parametrize("name", CELLS)
def test_program_is_plain_data(name):
    found = []
    for _ in range(2):
        runner = Runner(graph(name))
        runner.forward(inputs(np.random.default_rng(1), 4, 3))
        found.append(runner.last_pass.bound.steps[0].programs[True])
    assert plain(found[0].program)
    assert found[0].program == found[1].program


def test_loop_source_contains_no_model_names():
    from graphnet.core.run.numpy_backend import codegen

    codegen._compiled.cache_clear()
    texts = []
    compile_ = compile
    codegen.compile = lambda text, *rest: texts.append(text) or compile_(text, *rest)
    try:
        Runner(graph("gru"), backend="numpy").forward(inputs(np.random.default_rng(1), 4, 3))
    finally:
        del codegen.compile
    words = set(re.findall(r"[a-zA-Z_]+", " ".join(texts)))
    assert texts and words <= {"def", "make", "run", "lists", "for", "in", "zip", "return", "c", "v", "out", "where"}


def test_copied_runner_has_separate_arrays():
    rng = np.random.default_rng(17)
    runner = Runner(graph("lstm"))
    weighted(runner, rng)
    given = inputs(rng, 5, 3)
    expected = runner.forward(given)
    for other in (copy.deepcopy(runner), copy.deepcopy(copy.deepcopy(runner))):
        for p in other.parameters.values():
            p.value = p.value * 0.5
        assert np.abs(other.forward(given)["y"] - expected["y"]).max() > 1e-3
        for name, array in runner.forward(given).items():
            np.testing.assert_array_equal(array, expected[name])


def test_idle_arrays_are_released(monkeypatch):
    from graphnet.core.run import binder as module

    monkeypatch.setattr(module, "IDLE_BYTES", 100_000)
    rng = np.random.default_rng(18)
    runner = Runner(graph("gru"))
    weighted(runner, rng)
    first = runner.forward(inputs(np.random.default_rng(0), 50, 3))["y"]
    for steps in range(51, 80):
        runner.forward(inputs(rng, steps, 3))
    assert len(runner._binder.bindings) == 30
    assert sum(bound.idle() for binding in runner._binder.bindings.values() for bound in binding.idle) < 300_000
    np.testing.assert_array_equal(runner.forward(inputs(np.random.default_rng(0), 50, 3))["y"], first)
