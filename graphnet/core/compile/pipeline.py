"""The compiler: all passes in order, from the rules of a cell to its program."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator

from graphnet.core.compile import notes
from graphnet.core.compile.analysis.finiteness import may_be_nonfinite
from graphnet.core.compile.analysis.verify import verify
from graphnet.core.compile.assemble import assemble
from graphnet.core.compile.notes import Note
from graphnet.core.compile.passes.allocate import allocate
from graphnet.core.compile.passes.augment import augment
from graphnet.core.compile.passes.batch_calls import batch_calls
from graphnet.core.compile.passes.copy_states import copy_states
from graphnet.core.compile.passes.factor import factor
from graphnet.core.compile.passes.hoist import hoist
from graphnet.core.compile.passes.insert_copies import insert_copies
from graphnet.core.compile.passes.legalize import legalize
from graphnet.core.compile.passes.materialize import materialize
from graphnet.core.compile.passes.merge import merge
from graphnet.core.compile.passes.reassociate import reassociate
from graphnet.core.compile.passes.recompute import recompute
from graphnet.core.compile.passes.split import split
from graphnet.core.compile.passes.sum_factors import sum_factors
from graphnet.core.compile.program import Program
from graphnet.core.compile.trace import tracer
from graphnet.core.compile.trace.ir import Trace
from graphnet.core.compile.trace.spec import TraceSpec
from graphnet.core.errors import GraphnetDeprecationWarning, unknown
from graphnet.core.garbage import gc_paused

#: The passes that can be left out; without any, a program executes the operations of the rules one by one.
PASSES = (
    "recurrences",
    "split",
    "reassociate",
    "factor",
    "merge",
    "augment",
    "hoist",
    "recompute",
    "batch_calls",
    "allocate",
)
EVERY = frozenset(PASSES)
#: Former names of passes.
RENAMED = {"order": "reassociate", "phases": "hoist", "lanes": "batch_calls", "place": "allocate"}


def select_passes(names: Iterable[str]) -> frozenset[str]:
    """Return the passes with these names.

    Raises
    ------
    UnknownNameError
        If there is no such pass.

    Warns
    -----
    GraphnetDeprecationWarning
        For a former name.
    """
    selected = set()
    for name in names:
        if name in RENAMED:
            message = f"the pass {name!r} is now named {RENAMED[name]!r}; the old name will be removed"
            warnings.warn(message, GraphnetDeprecationWarning, stacklevel=3)
        elif name not in PASSES:
            raise unknown("pass", name, PASSES, where="passes")
        selected.add(RENAMED.get(name, name))
    return frozenset(selected)


def rewrites(trace: Trace, passes: frozenset[str] = EVERY, rows: int = 1) -> Iterator[tuple[str, Trace, Note]]:
    """Run the passes that rewrite a trace; yield each one's name, trace and note.

    A trace without a loop is split and legalized only: the other passes move work out of loops.
    """
    if "split" in passes:
        trace, note = split(trace)
        yield "split", trace, note
    if "hoist" in passes and trace.has("rowsum"):
        trace, note = sum_factors(trace)
        yield "sum_factors", trace, note
    loop = trace.has("state")
    for name, rewrite in (("reassociate", reassociate), ("factor", factor), ("merge", merge)):
        if loop and name in passes:
            trace, note = rewrite(trace)
            yield name, trace, note
    if loop and {"augment", "hoist"} <= passes:
        trace, note = augment(trace, rows)
        yield "augment", trace, note
    if trace.has("expand"):
        trace, note = materialize(trace)
        yield "materialize", trace, note
    trace, note = insert_copies(trace)
    yield "insert_copies", trace, note
    if loop and {"recompute", "hoist"} <= passes:
        trace, note = recompute(trace)
        yield "recompute", trace, note
    trace, note = legalize(trace, "hoist" in passes)
    yield "legalize", trace, note


def compile_program(spec: TraceSpec, passes: frozenset[str] = EVERY) -> Program:
    """Trace a cell or region and compile its program.

    Raises
    ------
    Untraceable
        If a rule cannot be traced.
    """
    with gc_paused():
        return _compile(spec, passes, [])


def explain_program(spec: TraceSpec, passes: frozenset[str] = EVERY) -> tuple[Program, tuple[tuple[str, str], ...]]:
    """Compile a program; return it with the name and note of every pass, in the order in which they ran."""
    log: list[tuple[str, Note]] = []
    program = _compile(spec, passes, log)
    log += [(name, lambda: "left out") for name in PASSES if name not in passes and name not in dict(log)]
    return program, tuple((name, note()) for name, note in log)


def _compile(spec: TraceSpec, passes: frozenset[str], log: list[tuple[str, Note]]) -> Program:
    trace = traced = tracer.trace(spec)
    log.append(("trace", lambda: notes.summary(traced)))
    nonfinite = may_be_nonfinite(trace)
    if spec.copy_states:
        trace, note = copy_states(trace)
        log.append(("copy_states", note))
    for name, rewritten, note in rewrites(trace, passes, spec.rows):
        trace = rewritten
        log.append((name, note))
    phase_of, note = hoist(trace, "hoist" in passes)
    log.append(("hoist", note))
    return _generate(trace, phase_of, passes, nonfinite, log)


def _generate(
    trace: Trace, phase_of: list[str], passes: frozenset[str], nonfinite: bool, log: list[tuple[str, Note]]
) -> Program:
    """Group calls, allocate buffers and assemble the program; of a loop, the better one of two groupings."""
    batch, merged, reuse = ("batch_calls" in passes, "merge" in passes, "allocate" in passes)
    best = None
    for pairs in (False, True) if batch and trace.has("state") else (False,):
        groups, batch_note = batch_calls(trace, phase_of, batch, merged, pairs)
        assignment, allocate_note = allocate(trace, phase_of, groups, reuse, batch or merged)
        program = assemble(assignment, nonfinite)
        if best is None or program.calls < best[0].calls:
            best = program, assignment, batch_note, allocate_note
    assert best is not None
    program, assignment, batch_note, allocate_note = best
    verify(assignment)
    log += [("batch_calls", batch_note), ("allocate", allocate_note)]
    return program
