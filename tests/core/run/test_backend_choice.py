"""Which backend runs where none is named, and what happens where one cannot run."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from graphnet import Builder, Runner, dense
from graphnet.core.errors import BackendWarning, UnknownNameError
from graphnet.core.run import backend_choice, backends


class Counting:
    """Runs on numpy, and counts the plans that it binds."""

    priority = 5
    bound = 0

    def bind(self, plan, shapes, options, wanted):
        type(self).bound += 1
        return backends.NumpyBackend().bind(plan, shapes, options, wanted)


def backend(name, **attributes):
    return type(name, (Counting,), {"bound": 0, **attributes})


def offering(monkeypatch, **offered):
    class Source:
        def find(self, name):
            return offered[name]() if name in offered else None

        def names(self):
            return list(offered)

        def automatic(self):
            return list(offered.items())

    monkeypatch.delenv("GRAPHNET_BACKEND", raising=False)
    monkeypatch.setattr(backends, "_sources", [Source])
    monkeypatch.setattr(backend_choice, "_said", set())


def graph():
    builder = Builder("small")
    return builder.build(dense(dense(dense(builder.input("x", "batch, feature=3"), 4), 4), 2))


def run(runner):
    return runner.forward({"x": np.ones((2, 3))})["output"]


def test_highest_priority_runs(monkeypatch):
    slow, fast = backend("Slow", priority=1), backend("Fast", priority=7)
    offering(monkeypatch, slow=slow, fast=fast)
    runner = Runner(graph())
    assert runner.backend == "fast"
    run(runner)
    assert (slow.bound, fast.bound) == (0, 1)


def test_backend_without_a_positive_priority_runs_only_where_it_is_named(monkeypatch):
    plain = type("Plain", (), {"bind": Counting.bind, "bound": 0})
    offering(monkeypatch, plain=plain, zero=backend("Zero", priority=0), text=backend("Text", priority="high"))
    assert Runner(graph()).backend == "numpy"
    named = Runner(graph(), backend="plain")
    run(named)
    assert named.backend == "plain" and plain.bound == 1


def test_equal_priorities_are_ordered_by_name(monkeypatch):
    offering(monkeypatch, b=backend("B"), a=backend("A"))
    assert Runner(graph()).backend == "a"


def test_argument_and_environment_decide(monkeypatch):
    offering(monkeypatch, fast=backend("Fast"))
    assert Runner(graph(), backend="reference").backend == "reference"
    monkeypatch.setenv("GRAPHNET_BACKEND", "reference")
    runner = Runner(graph())
    monkeypatch.setenv("GRAPHNET_BACKEND", "nowhere")
    assert runner.backend == "reference"
    assert Runner(graph(), backend="fast").backend == "fast"
    with pytest.raises(UnknownNameError, match="nowhere"):
        Runner(graph())


def fails():
    raise OSError("no permission")


@pytest.mark.parametrize(
    ("check", "reason"), [(lambda: "no executable memory", "no executable memory"), (fails, "OSError: no permission")]
)
def test_unavailable_backend_is_replaced_with_one_line(check, reason, monkeypatch):
    away = backend("Away", priority=9, unavailable=staticmethod(check))
    offering(monkeypatch, away=away, next=backend("Next", priority=2))
    with pytest.warns(BackendWarning, match=reason) as raised:
        assert [Runner(graph()).backend for _ in range(3)] == ["next"] * 3
    assert len(raised) == 1
    monkeypatch.setattr(backend_choice, "_said", set())
    runner = Runner(graph(), backend="away")
    with pytest.warns(BackendWarning, match="'numpy' runs instead"):
        run(runner)
    assert runner.backend == "numpy" and away.bound == 0


def test_fault_that_is_found_while_running_changes_the_recorded_name(monkeypatch):
    late = backend("Late", failed=classmethod(lambda cls: "found late" if cls.bound else None))
    offering(monkeypatch, late=late)
    runner = Runner(graph())
    assert runner.backend == "late"
    run(runner)
    assert runner.backend == "numpy"


def test_copies_keep_the_choice(monkeypatch):
    offering(monkeypatch, fast=backend("Fast"))
    runner = Runner(graph())
    run(runner)
    offering(monkeypatch)
    assert copy.deepcopy(runner).backend == "fast"
    assert Runner(graph()).backend == "numpy"


def test_runner_can_be_pickled_before_and_after_the_choice(monkeypatch):
    offering(monkeypatch)
    runner = Runner(graph())
    assert pickle.loads(pickle.dumps(runner)).backend == "numpy"
    first = run(runner)
    np.testing.assert_array_equal(run(pickle.loads(pickle.dumps(runner))), first)


def test_choice_is_made_when_a_graph_first_runs():
    code = (
        "import sys, numpy as np, graphnet\n"
        "from graphnet import Builder, Runner, dense\n"
        "b = Builder(); x = b.input('x', 'batch, feature=3')\n"
        "runner = Runner(b.build(dense(x, 4)))\n"
        "loaded = [m for m in sys.modules if m.split('.')[0] in ('llvmlite', 'graphnet_native', 'pluggy')]\n"
        "assert not loaded, loaded\n"
        "runner.forward({'x': np.ones((2, 3))})\n"
        "assert 'llvmlite' not in sys.modules, 'one node is not compiled'\n"
        "assert 'graphnet.plugins.builtin' not in sys.modules, 'only plugins that announce a backend load'\n"
        "print(runner.backend)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "GRAPHNET_BACKEND"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    excluded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**environment, "GRAPHNET_PLUGINS": "none"}
    )
    assert excluded.stdout == "numpy\n", excluded.stderr
