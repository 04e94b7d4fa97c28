"""All passes in their order: from the rules of a cell to its program."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from graphnet.core.compile.analysis.finiteness import may_be_nonfinite
from graphnet.core.compile.analysis.phases import phases
from graphnet.core.compile.analysis.verify import verify
from graphnet.core.compile.assemble import assemble
from graphnet.core.compile.passes.allocate import BufferAssignment
from graphnet.core.compile.passes.augment import augment
from graphnet.core.compile.passes.batch_calls import groups
from graphnet.core.compile.passes.copy_states import copy_states
from graphnet.core.compile.passes.factor import factor
from graphnet.core.compile.passes.insert_copies import insert_copies
from graphnet.core.compile.passes.legalize import legalize
from graphnet.core.compile.passes.merge import merge
from graphnet.core.compile.passes.reassociate import order
from graphnet.core.compile.passes.recompute import recompute
from graphnet.core.compile.passes.split import split
from graphnet.core.compile.program import Program
from graphnet.core.compile.trace import tracer
from graphnet.core.compile.trace.ir import Trace
from graphnet.core.compile.trace.tracer import TraceSpec


@contextmanager
def gc_paused() -> Iterator[None]:
    """Without collections of garbage: a compilation makes many small objects and few cycles."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


#: The passes that may be left out; with none, a program runs the rules' operations one by one.
PASSES = ("split", "order", "factor", "merge", "augment", "phases", "recompute", "lanes", "place")
EVERY = frozenset(PASSES)


def run_passes(trace: Trace, passes: frozenset[str] = EVERY, rows: int = 1) -> Iterator[tuple[str, Trace]]:
    """The trace after each of the passes that rewrite it, by name.

    Without a loop there is nothing to take out of it: such a trace stays as the rules wrote it, but for joins.
    """
    if "split" in passes:
        trace = split(trace)
        yield "split", trace
    loop = trace.has("state")
    for name, rewrite in (("order", order), ("factor", factor), ("merge", merge)):
        if loop and name in passes:
            trace = rewrite(trace)
            yield name, trace
    if loop and {"augment", "phases"} <= passes:
        trace = augment(trace, rows)
        yield "augment", trace
    trace = insert_copies(trace)
    yield "insert copies", trace
    if loop and {"recompute", "phases"} <= passes:
        trace = recompute(trace)
        yield "recompute", trace
    yield "legalize", legalize(trace, "phases" in passes)


def rewritten(trace: Trace, passes: frozenset[str] = EVERY, rows: int = 1) -> Trace:
    """The trace after all passes that rewrite it."""
    for _, after in run_passes(trace, passes, rows):
        trace = after
    return trace


def compile_program(spec: TraceSpec, passes: frozenset[str] = EVERY) -> Program:
    """The program of a cell.

    Raises
    ------
    Untraceable
        If a rule cannot be read.
    """
    with gc_paused():
        return _program(spec, passes)


def _program(spec: TraceSpec, passes: frozenset[str]) -> Program:
    trace = tracer.trace(spec)
    fragile = may_be_nonfinite(trace)
    trace = rewritten(copy_states(trace) if spec.copy_states else trace, passes, spec.rows)
    when = phases(trace, "phases" in passes)
    lanes, wide = "lanes" in passes, "merge" in passes
    found = None
    for pairs in (False, True) if lanes and trace.has("state") else (False,):
        grouped = groups(trace, when, lanes, wide, pairs)
        placing = BufferAssignment(trace, when, grouped, "place" in passes, lanes or wide)
        assembled = assemble(trace, placing)
        if found is None or assembled.calls < found[0].calls:
            found = assembled, placing
    assert found is not None
    verify(trace, found[1])
    return replace(found[0], may_be_nonfinite=fragile)
