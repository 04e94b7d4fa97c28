"""All passes in their order: from the rules of a cell to its program."""

from __future__ import annotations

from graphnet.core.compiler import joint
from graphnet.core.compiler.augment import augment
from graphnet.core.compiler.ends import ends
from graphnet.core.compiler.factor import factor
from graphnet.core.compiler.joint import Subject
from graphnet.core.compiler.lanes import groups
from graphnet.core.compiler.merge import merge
from graphnet.core.compiler.operations import Trace
from graphnet.core.compiler.phases import phases
from graphnet.core.compiler.place import Placing, program
from graphnet.core.compiler.program import Program
from graphnet.core.compiler.recompute import recompute
from graphnet.core.compiler.split import split
from graphnet.core.compiler.sums import order

#: The passes that may be left out; with none, a program runs the rules' operations one by one.
PASSES = ("split", "order", "factor", "merge", "augment", "phases", "recompute", "lanes", "place")
EVERY = frozenset(PASSES)


def rewritten(trace: Trace, passes: frozenset[str] = EVERY, rows: int = 1) -> Trace:
    """The trace after the passes that rewrite it."""
    for name, rewrite in (("split", split), ("order", order), ("factor", factor), ("merge", merge)):
        if name in passes:
            trace = rewrite(trace)
    if {"augment", "phases"} <= passes:
        trace = augment(trace, rows)
    trace = ends(trace)
    return recompute(trace) if {"recompute", "phases"} <= passes else trace


def compiled(subject: Subject, passes: frozenset[str] = EVERY) -> Program:
    """The program of a cell.

    Raises
    ------
    Untraceable
        If a rule cannot be read.
    """
    trace = rewritten(joint.trace(subject), passes, subject.rows)
    when = phases(trace, "phases" in passes)
    lanes = "lanes" in passes
    placing = Placing(trace, when, groups(trace, when, lanes, "merge" in passes), "place" in passes, lanes or "merge" in passes)
    return program(trace, placing)
