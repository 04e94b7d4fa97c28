"""Random cells and graphs: the numpy backend agrees with the reference backend."""

import dataclasses
import secrets
import warnings

import numpy as np
import pytest

from fuzz import compare
from fuzz.compare import IllConditioned, NotCompared, difference, results
from fuzz.generate import trial
from fuzz.shrink import shrink
from graphnet.core.errors import CompilerWarning

pytestmark = pytest.mark.slow

#: The fixed trials: 250 cells and 100 graphs, 50 a test. `make soak` runs as many others as one wants.
CHUNKS = [*(("cell", k) for k in range(5)), *(("graph", k) for k in range(2))]


def failures(seeds, whole_graph, backend="numpy", wide=False):
    problems = []
    for seed in seeds:
        try:
            failure = difference(trial(seed, whole_graph, wide), backend)
        except NotCompared:
            continue
        if failure is not None:
            problems.append(f"seed {seed}: {failure.problem}")
    return problems


@pytest.mark.parametrize(("kind", "chunk"), CHUNKS)
def test_fixed_seeds_agree_with_reference(kind, chunk):
    assert failures(range(50 * chunk, 50 * chunk + 50), kind == "graph") == []


def test_fresh_seeds_agree_with_reference(capsys):
    start = secrets.randbelow(2**40)
    with capsys.disabled():
        print(f"\nfuzz: cells and graphs from seed {start}")
    assert failures(range(start, start + 70), False) + failures(range(start, start + 30), True) == []


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("whole_graph", [False, True])
def test_native_backend_agrees_with_reference(whole_graph, wide, tmp_path, monkeypatch):
    pytest.importorskip("graphnet_native")
    monkeypatch.setenv("GRAPHNET_CACHE", str(tmp_path))
    assert failures(range(8 if wide else 20), whole_graph, "native", wide) == []


def test_lists_of_calls_agree_with_reference(tmp_path, monkeypatch):
    calls = pytest.importorskip("graphnet_native.calls")
    monkeypatch.setenv("GRAPHNET_CACHE", str(tmp_path))
    monkeypatch.setattr(calls, "MANY", 1)  # otherwise, only programs of many instructions are such a list
    assert failures(range(40), True, "native") == []


def test_native_backend_has_the_same_bits_at_any_number_of_threads(tmp_path, monkeypatch):
    native = pytest.importorskip("graphnet_native")
    monkeypatch.setenv("GRAPHNET_CACHE", str(tmp_path))
    assert native
    different = []
    for seed in range(8):
        drawn, found = trial(seed, seed % 2 == 1), []
        for number in (1, 2, 3, 5):
            with monkeypatch.context() as patch:
                limit_threads(patch, number)
                with np.errstate(all="ignore"), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    warnings.simplefilter("error", CompilerWarning)
                    found.append(results(drawn, "native", drawn.passes))
        for result in found[1:]:
            different += [(seed, name) for name, array in found[0].items() if not same_bits(array, result[name])]
    assert different == []


def same_bits(a, b):
    return a is b is None or np.array_equal(a, b, equal_nan=True)


def limit_threads(patch, number):
    """Let the native backend use that number of threads for programs of every size."""
    from graphnet_native import backend, executable, pool

    for offset, value in ((48, 10**9), (72, 10**6)):  # workers are waited for, also on a busy machine
        pool.pool()._word(pool.team.SETTINGS + offset).value = value
    for module, name in ((backend, "useful"), (executable, "useful"), (executable, "allowed")):
        patch.setattr(module, name, lambda *_: number)
    patch.setattr(backend, "machine_threads", lambda: number)


@pytest.mark.parametrize("whole_graph", [False, True])
def test_native_code_stays_inside_its_arrays(whole_graph, monkeypatch):
    pytest.importorskip("graphnet_native")
    monkeypatch.setenv("GRAPHNET_NATIVE_DEBUG", "1")
    start = secrets.randbelow(2**40)
    assert failures(range(start, start + 8), whole_graph, "native") == []


@pytest.mark.parametrize(("error", "single"), [(3e-5, True), (1e-3, True), (3e-9, False)])
def test_error_of_a_well_conditioned_result_is_a_failure(error, single, monkeypatch):
    drawn = next(t for t in (dataclasses.replace(trial(seed, False), single=single) for seed in range(9)) if fine(t))
    inexact(monkeypatch, error)
    assert "off by" in difference(drawn, "numpy").problem


@pytest.mark.parametrize(("error", "single", "sensitivity"), [(3e-5, True, 1e3), (3e-9, False, 1e9)])
def test_result_that_rounding_of_the_input_changes_is_not_compared(error, single, sensitivity, monkeypatch):
    drawn = next(t for t in (dataclasses.replace(trial(seed, False), single=single) for seed in range(9)) if fine(t))
    inexact(monkeypatch, error, sensitivity=sensitivity)
    with pytest.raises(IllConditioned, match="off by"):
        difference(drawn, "numpy")


def fine(drawn):
    return difference(drawn) is None and len(results(drawn, "reference", None)) > 2


def inexact(patch, error, sensitivity=0.0):
    """Add an error to every result of numpy, and multiply what rounding of the inputs changes in the reference."""

    def changed(drawn, backend, passes, nudge=None):
        found = results(drawn, backend, passes)
        if nudge is not None:
            moved = results(drawn, backend, passes, nudge)
            return {k: a if a is None else a + (moved[k] - a) * sensitivity for k, a in found.items()}
        return {k: a if a is None or backend != "numpy" else a + a.dtype.type(error) for k, a in found.items()}

    patch.setattr(compare, "results", changed)


def test_most_trials_are_comparable():
    overflows = 0
    for seed in range(60):
        try:
            difference(trial(seed, seed % 3 == 2))
        except NotCompared:
            overflows += 1
    assert overflows < 6


def test_trials_contain_every_operation():
    kinds = set()

    def collect(body):
        for op in body.ops:
            kinds.add(op.kind)
            for inner in op.params[:1] if op.kind in ("nested", "scan") else ():
                collect(inner if op.kind == "nested" else inner.body)

    for seed in range(300):
        collect(trial(seed, seed % 3 == 2).graph)
    assert {"scan", "nested", "split", "concatenate", "mixture", "scaled", "dropout", "opaque", "lstm", "last"} <= kinds


def test_shrinking_preserves_the_failure():
    def fails(drawn):
        return any(op.kind == "scan" and any(o.kind == "tanh" for o in op.params[0].body.ops) for op in drawn.graph.ops)

    drawn = next(t for t in (trial(seed, True) for seed in range(100)) if fails(t))
    smaller = shrink(drawn, lambda t: difference(t) is None and fails(t))
    assert fails(smaller) and len(smaller.graph.ops) < len(drawn.graph.ops) / 2
    assert (smaller.steps, smaller.batch, smaller.lengths, smaller.passes) == (1, 1, None, None)
