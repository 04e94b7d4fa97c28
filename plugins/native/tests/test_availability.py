"""Native code where it cannot run as it should: a level lower, or numpy, and one line says so.

What would fail a real device is a child process that behaves as one; what the operating system forbids is forbidden to
a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from small_layers import Tanh

import graphnet
from graphnet import Builder, Cell, FullyConnected, Runner, Scan, concatenate
from graphnet_native import availability, backend, cache, engine, features, self_test
from graphnet_native.executable import NativeExecutable
from graphnet_native.features import Features
from graphnet_native.ir import F32, F64

LEVELS = (Features("avx2", "+b", 32, True), Features("baseline", "+a", 16, False))


@pytest.fixture(autouse=True)
def _unknown_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHNET_CACHE", str(tmp_path))
    monkeypatch.setattr(backend, "_programs", type(backend._programs)())
    forget(monkeypatch)


def forget(monkeypatch):
    """As in a new process."""
    monkeypatch.setattr(availability, "_state", availability._State())
    monkeypatch.setattr(features, "_failed", 0)
    monkeypatch.setattr(cache, "problem", "")


def children(monkeypatch, *codes):
    """Trials run these pieces of Python, one after the other; returns the levels that were tried."""
    tried, left = [], list(codes)

    def command(level):
        tried.append(level.level)
        return [sys.executable, "-S", "-c", left.pop(0)]

    monkeypatch.setattr(self_test, "command", command)
    return tried


ILLEGAL = "import os, signal; os.kill(os.getpid(), signal.SIGILL)"
WRONG = "import sys; print('32-bit product: expected 1, received 2'); sys.exit(3)"
FORBIDDEN = "import sys; print('executable memory is forbidden: Permission denied'); sys.exit(4)"
BROKEN = "import sys; print('ModuleNotFoundError: no module'); sys.exit(1)"
GOOD = "pass"


def graph():
    cell = Cell("small", sequences="x", states={"h": 3})
    h = Tanh()(FullyConnected(None, 3, dtype="float64")(concatenate(cell.x, cell.h)))
    builder = Builder("graph")
    return builder.build(Scan(cell.build(output=h, h=h))(builder.input("x", "time, batch, feature=2")))


def run(name="native"):
    graphnet.seed(1)
    x = np.random.default_rng(0).normal(size=(5, 4, 2))
    return Runner(graph(), backend=name).forward({"x": x})["output"]


def check(expected_native):
    """A pass gives the right numbers, by native code or by numpy."""
    made = []
    original = NativeExecutable.__init__

    def watched(self, *arguments):
        made.append(self)
        original(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NativeExecutable, "__init__", watched)
        result = run()
    np.testing.assert_allclose(result, run("reference"), rtol=0, atol=1e-12)
    assert bool(made) == expected_native


def test_new_machine_is_tried_once(monkeypatch):
    tried = children(monkeypatch, GOOD)
    check(True)
    forget(monkeypatch)
    check(True)
    assert tried == [features.available()[0].level]
    status = availability.status()
    assert status.available and status.reason == "" and status.entries > 1 and status.bytes > 1000
    assert status.cache == cache.place()


@pytest.mark.parametrize(("code", "reason"), [(ILLEGAL, "SIGILL"), (WRONG, "expected 1, received 2")])
def test_level_that_fails_is_replaced_by_the_next(code, reason, monkeypatch):
    monkeypatch.setattr(features, "available", lambda: LEVELS)
    tried = children(monkeypatch, code, GOOD)
    for _ in range(2):  # tried, then remembered
        assert availability.settle()
        assert features.selected() == LEVELS[1]
        status = availability.status()
        assert status.available and status.level == "baseline" and reason in status.reason
        forget(monkeypatch)
    assert tried == ["avx2", "baseline"]


@pytest.mark.skipif(len(features.available()) < 2, reason="this machine has one level")
def test_program_is_compiled_for_the_lower_level(monkeypatch):
    levels = features.available()
    children(monkeypatch, ILLEGAL, GOOD)
    made = []
    original = backend.Compiled

    def watched(*arguments):
        made.append(features.selected())
        return original(*arguments)

    monkeypatch.setattr(backend, "Compiled", watched)
    check(True)
    assert made == [levels[0], levels[1]]


def test_machine_on_which_every_level_fails_runs_numpy(monkeypatch):
    monkeypatch.setattr(features, "available", lambda: LEVELS)
    tried = children(monkeypatch, ILLEGAL, ILLEGAL)
    for _ in range(2):
        assert not availability.settle()
        assert "SIGILL" in availability.status().reason
        with pytest.warns(graphnet.GraphnetWarning, match="numpy runs instead.*SIGILL"):
            check(False)
        with warnings.catch_warnings():  # once a process
            warnings.simplefilter("error")
            check(False)
        forget(monkeypatch)
    assert tried == ["avx2", "baseline"]


def test_forbidden_memory_is_not_remembered(monkeypatch):
    tried = children(monkeypatch, FORBIDDEN, GOOD)
    with pytest.warns(graphnet.GraphnetWarning, match="executable memory is forbidden"):
        check(False)
    forget(monkeypatch)
    check(True)
    assert len(tried) == 2


def test_known_machine_with_a_process_that_may_not_execute_memory(monkeypatch):
    children(monkeypatch, GOOD)
    check(True)
    forget(monkeypatch)

    def forbidden():
        raise OSError(13, "cannot allocate executable memory")

    monkeypatch.setattr(engine.binding(), "check_jit_execution", forbidden)
    with pytest.warns(graphnet.GraphnetWarning, match="cannot allocate executable memory"):
        check(False)


def test_child_that_cannot_import_does_not_decide(monkeypatch):
    children(monkeypatch, BROKEN)
    check(True)
    assert "no module" in availability.status().reason


def test_process_that_cannot_be_started_does_not_decide(monkeypatch):
    monkeypatch.setattr(self_test, "command", lambda level: ["/nonexistent/python"])
    check(True)
    assert "no process can be started" in availability.status().reason


def test_child_that_hangs_has_failed(monkeypatch):
    monkeypatch.setattr(features, "available", lambda: LEVELS[1:])
    monkeypatch.setattr(self_test, "PATIENCE", 0.2)
    children(monkeypatch, "import time; time.sleep(60)")
    assert not availability.settle()
    assert "took more than" in availability.status().reason


def test_every_level_of_this_machine_passes_its_trial():
    for level in features.available():
        assert self_test.Trial(level).outcome() == self_test.Outcome(self_test.GOOD)


@pytest.mark.parametrize("dtype", [F32, F64])
def test_trial_finds_wrong_functions_and_products(dtype, monkeypatch):
    level = features.selected()
    assert self_test.trial(dtype, level.vector_bytes, level.fused) == []
    original = self_test.apply

    def wrong(f, name, values, scalar):
        return values[0] if name == "tanh" else original(f, name, values, scalar)

    monkeypatch.setattr(self_test, "apply", wrong)
    assert "functions at" in self_test.trial(dtype, level.vector_bytes, level.fused)[0]


def python(code, tmp_path, *, path=(), **variables):
    environment = os.environ | {"GRAPHNET_CACHE": str(tmp_path / "cache"), **variables}
    environment["PYTHONPATH"] = os.pathsep.join([*map(str, path), environment.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done


PASS = """
import numpy as np
import graphnet
from graphnet import Builder, Runner, dense
from graphnet.core.run import backends
import graphnet_native
class Source:
    def find(self, name): return graphnet_native.NativeBackend() if name == 'native' else None
    def names(self): return ['native']
backends._sources[:] = [Source]
b = Builder(); x = b.input('x', 'batch, feature=3')
r = Runner(b.build(dense(dense(dense(x, 4), 4), 2)), backend='native')
for _ in range(2):
    y = r.forward({'x': np.ones((2, 3))})['output']
assert y.shape == (2, 2) and np.isfinite(y).all()
s = graphnet_native.status()
print(s.available, s.reason)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is of Linux")
def test_process_in_which_written_memory_may_not_be_executed(tmp_path):
    deny = (  # PR_SET_MDWE, of this process and its children
        "import ctypes, sys\nif ctypes.CDLL(None).prctl(65, 1, 0, 0, 0): print('old kernel'); sys.exit()\n"
    )
    done = python(deny + PASS, tmp_path)
    if "old kernel" in done.stdout:
        pytest.skip("the kernel cannot forbid it")
    assert "False executable memory is forbidden" in done.stdout
    assert done.stderr.count("numpy runs instead") == 1


@pytest.mark.parametrize(
    "text", ["raise ImportError('libffi.so.8: cannot open')", "version = 1", "raise OSError('bad ELF')"]
)
def test_llvmlite_that_is_missing_or_broken(text, tmp_path):
    (tmp_path / "llvmlite").mkdir()
    (tmp_path / "llvmlite" / "__init__.py").write_text(text)
    done = python(PASS, tmp_path, path=[tmp_path])
    assert "False llvmlite cannot be used" in done.stdout
    assert done.stderr.count("numpy runs instead") == 1


def test_folder_that_cannot_be_written_costs_time_only(tmp_path):
    (tmp_path / "file").write_text("no folder")
    done = python(PASS, tmp_path, GRAPHNET_CACHE=str(tmp_path / "file"))
    assert "True" in done.stdout
    assert done.stderr.count("compiled again in each process") == 1
