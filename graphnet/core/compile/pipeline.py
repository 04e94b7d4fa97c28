"""All passes in their order: from the rules of a cell to its program."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from graphnet.core.compile.assemble import program
from graphnet.core.compile.delicate import apart, delicate
from graphnet.core.compile.passes.allocate import Placing
from graphnet.core.compile.passes.augment import augment
from graphnet.core.compile.passes.batch_calls import groups
from graphnet.core.compile.passes.factor import factor
from graphnet.core.compile.passes.insert_copies import insert_copies
from graphnet.core.compile.passes.legalize import legalize
from graphnet.core.compile.passes.merge import merge
from graphnet.core.compile.passes.phases import phases
from graphnet.core.compile.passes.reassociate import order
from graphnet.core.compile.passes.recompute import recompute
from graphnet.core.compile.passes.split import split
from graphnet.core.compile.program import Program
from graphnet.core.compile.trace import tracer
from graphnet.core.compile.trace.ir import Trace
from graphnet.core.compile.trace.tracer import Subject
from graphnet.core.compile.verify import verify


@contextmanager
def undisturbed() -> Iterator[None]:
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


def stages(trace: Trace, passes: frozenset[str] = EVERY, rows: int = 1) -> Iterator[tuple[str, Trace]]:
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
    for _, after in stages(trace, passes, rows):
        trace = after
    return trace


def compiled(subject: Subject, passes: frozenset[str] = EVERY) -> Program:
    """The program of a cell.

    Raises
    ------
    Untraceable
        If a rule cannot be read.
    """
    with undisturbed():
        return _program(subject, passes)


def _program(subject: Subject, passes: frozenset[str]) -> Program:
    trace = tracer.trace(subject)
    fragile = delicate(trace)
    trace = rewritten(apart(trace) if subject.apart else trace, passes, subject.rows)
    when = phases(trace, "phases" in passes)
    lanes, wide = "lanes" in passes, "merge" in passes
    found = None
    for pairs in (False, True) if lanes and trace.has("state") else (False,):
        grouped = groups(trace, when, lanes, wide, pairs)
        placing = Placing(trace, when, grouped, "place" in passes, lanes or wide)
        assembled = program(trace, placing)
        if found is None or assembled.calls < found[0].calls:
            found = assembled, placing
    assert found is not None
    verify(trace, found[1])
    return replace(found[0], delicate=fragile)
