"""Analyses that a trace keeps: they hold until it changes."""

from __future__ import annotations

from dataclasses import replace

from graphnet.core.compile.analysis.phases import phases
from graphnet.core.compile.trace.ir import ROWS, Roles, Trace


def started():
    trace = Trace()
    x = trace.leaf("sequence", 0, ROWS, (3,))
    y, z = trace.ufunc("tanh", x), trace.ufunc("negative", x)
    trace.roles = Roles((y,), ())
    return trace, x, y, z


def test_live_values_follow_the_roles():
    trace, x, y, z = started()
    assert trace.live() == {x, y} == trace.live()
    trace.roles = replace(trace.roles, emitted=(z,))
    assert trace.live() == {x, z}
    assert phases(trace)[y] == "unused" and phases(trace)[z] != "unused"


def test_time_invariant_values_follow_what_is_added():
    trace, *_ = started()
    assert not trace.time_invariant()
    context = trace.leaf("context", 0, ROWS, (3,))
    square = trace.ufunc("multiply", context, context)
    assert trace.time_invariant() == {context, square}


def test_phases_can_be_changed_by_the_caller():
    trace, *_ = started()
    before = phases(trace)
    phases(trace)[:] = ["changed"] * len(trace)
    assert phases(trace) == before
