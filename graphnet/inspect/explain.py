"""What the compiler makes of a graph, pass by pass, and why it leaves something alone."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.compile.analysis.finiteness import may_be_nonfinite
from graphnet.core.compile.analysis.phases import phases
from graphnet.core.compile.pipeline import EVERY, PASSES, compile_program, run_passes
from graphnet.core.compile.plan import Call
from graphnet.core.compile.program import BACKWARD, FORWARD, Instruction, PackRef, Program
from graphnet.core.compile.trace import tracer
from graphnet.core.compile.trace.ir import FIXED, LEAVES, ROWS, TOTAL, Trace
from graphnet.core.compile.trace.tracer import TraceSpec
from graphnet.core.concurrency.blas_threads import PROCESS
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.shapes import BATCH, TIME, Shape
from graphnet.core.errors import ShapeError, unknown
from graphnet.core.phase import Phase
from graphnet.core.run.context import BindOptions
from graphnet.core.run.numpy_backend.bound_program import BoundProgram
from graphnet.core.run.numpy_backend.plan import BoundStep, policy
from graphnet.core.run.numpy_backend.region import LEAST, BoundRegion, unreadable
from graphnet.core.run.numpy_backend.scan import BoundScan
from graphnet.core.run.numpy_backend.thread_policy import inputs as pack_inputs
from graphnet.core.run.numpy_backend.workspace import Workspace
from graphnet.core.run.runner import Runner
from graphnet.inspect.target import graph_of


@dataclass(frozen=True)
class Part:
    """One part of a graph: a Scan, neighbours outside Scans, or a single node.

    Attributes
    ----------
    path : str
        Of the Scan, or of the first and last node.
    kind : str
        'Scan', 'nodes' or 'node'.
    reason : str or None
        Why it runs node by node; None where it is compiled.
    notes : tuple of (str, str)
        What each pass did: its name, and a line.
    calls : tuple of (str, str)
        Every call, by phase, with the nodes that it works for.
    calls_forward, calls_backward : int
        Calls of numpy at each step of the loops; 0 without a loop.
    loop, outside : int
        Multiply-adds of products, in one step of the loops and outside them for one step, forward and backward.
    buffers : tuple of (str, int, int)
        How long buffers last, how many there are, and their bytes.
    threads : str
        How many BLAS threads it runs with, and because of which products.
    """

    path: str
    kind: str
    reason: str | None = None
    notes: tuple[tuple[str, str], ...] = ()
    calls: tuple[tuple[str, str], ...] = ()
    calls_forward: int = 0
    calls_backward: int = 0
    loop: int = 0
    outside: int = 0
    buffers: tuple[tuple[str, int, int], ...] = ()
    threads: str = ""

    def lines(self) -> list[str]:
        """The part as text."""
        head = f"{self.path} ({self.kind})"
        if self.reason is not None:
            return [head, f"    node by node: {self.reason}", f"    {'threads':<10} {self.threads}"]
        found = [head, *(f"    {name:<10} {note}" for name, note in self.notes)]
        if self.calls_forward or self.calls_backward:
            found.append(
                f"    {'calls':<10} {self.calls_forward} forward and {self.calls_backward} backward at each step"
            )
        madds = f"{self.loop:,} a step in the loops, {self.outside:,} a step outside"
        found.append(f"    {'products':<10} multiply-adds: {madds}")
        found.append(f"    {'threads':<10} {self.threads}")
        for kind, count, size in self.buffers:
            found.append(f"    {'buffers':<10} {kind}: {count}, {size / 1e6:.3g} MB")
        phase = ""
        for when, call in self.calls:
            found.append(f"      {when if when != phase else '':<13} {call}")
            phase = when
        return found


@dataclass(frozen=True)
class Explanation:
    """What :meth:`graphnet.Graph.explain` says; ``str`` of it is the text."""

    graph: str
    setting: str
    parts: tuple[Part, ...]

    def __str__(self) -> str:
        blocks = ["\n".join(part.lines()) for part in self.parts]
        return "\n\n".join([f"{self.graph}: {self.setting}", *blocks])

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


def explain(
    target: Any,
    *,
    batch: int = 32,
    steps: int = 50,
    dtype: str = "float32",
    phase: Phase = Phase.train,
    passes: Iterable[str] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> Explanation:
    """Return how a model or graph is compiled, pass by pass; see :meth:`graphnet.Graph.explain`.

    ``target`` is a Model, a Graph, a Runner or a composite layer. The graph is bound as a run binds it, and what is
    reported is what was bound.
    """
    graph = graph_of(target, "explain")
    # Weights that are made on the way are not the graph's own, and a graph without declared sizes takes those of its
    # last run.
    runner = Runner(copy.deepcopy(graph), passes=passes)
    inputs = sizes_of(graph, batch, steps, shapes)
    with random.using(np.random.default_rng(0)):
        bound, found = runner.bound(inputs, dtype, phase)
    chosen = EVERY if runner.passes is None else runner.passes
    alone = {s.path: s for s in runner.plan.steps if isinstance(s, Call)}
    setting = BindOptions(runner.layers, phase, dtype)
    every = [True] * runner.plan.slot_count

    def single(step: Any) -> Part:
        path = step.checks.path
        reason = unreadable(alone[path], found, setting, every)
        fewer = f"fewer than {LEAST} neighbours that the compiler can read are called one by one"
        return Part(path, "node", reason.removeprefix(f"{path}: ") if reason else fewer)

    made = (_part(s, chosen) if isinstance(s, (BoundRegion, BoundScan)) else single(s) for s in bound.steps)
    parts = tuple(replace(part, threads=_threads(s)) for part, s in zip(made, bound.steps, strict=True))
    return Explanation(graph.name, f"{phase.name} phase, batch {batch}, {steps} steps, {dtype}", parts)


def _threads(step: BoundStep) -> str:
    """The BLAS threads of a step in a pass with a backward pass."""
    uncontrolled = "" if PROCESS.libraries else " (of no effect: no BLAS is loaded whose number of threads can be set)"
    return f"{policy(step, True)}{uncontrolled}"


def sizes_of(
    graph: Graph, batch: int, steps: int, shapes: Mapping[str, Sequence[int]] | None = None
) -> list[Shape | None]:
    """The shape of each input, None for those that may be left out: as given, else as declared, with open times and
    batches filled in and other open sizes as in the last run.

    Raises
    ------
    ShapeError
        If a size is not known.
    UnknownNameError
        If there is no such input.
    """
    for name in shapes or {}:
        if name not in graph.inputs:
            raise unknown("input", name, graph.inputs, where=repr(graph))
    found: list[Shape | None] = []
    for name, declared in graph.inputs.items():
        if shapes is not None and name in shapes:
            found.append(_given(name, declared.shape, shapes[name]))
        elif declared.optional:
            found.append(None)
        else:
            found.append(_filled(name, declared.shape, graph.seen.get(name), batch, steps))
    return found


def _given(name: str, declared: Shape | None, sizes: Sequence[int]) -> Shape:
    if declared is not None and not declared.fits(tuple(sizes)):
        raise ShapeError("does not fit", where=f"input {name!r}", expected=declared, received=tuple(sizes))
    return Shape.of(tuple(sizes), None if declared is None else declared.names)


def _filled(name: str, declared: Shape | None, seen: Shape | None, batch: int, steps: int) -> Shape:
    shape = seen if declared is None else declared
    if shape is None:
        remedy = "Declare it ('batch, feature=4'), or give shapes={...}."
        raise ShapeError("has no declared shape", where=f"input {name!r}", remedy=remedy)
    usual = {TIME: steps, BATCH: batch}
    last = seen.sizes if seen is not None and seen.names == shape.names else (None,) * shape.rank
    axes = zip(shape.names, shape.sizes, last, strict=True)
    sizes = [usual.get(axis, before) if size is None else size for axis, size, before in axes]
    if None in sizes:
        remedy = f"Declare it, run the graph once, or give shapes={{{name!r}: (...)}}."
        raise ShapeError("a size is open", where=f"input {name!r}", received=shape, remedy=remedy)
    return Shape(shape.names, tuple(sizes))


def _part(step: BoundRegion | BoundScan, passes: frozenset[str]) -> Part:
    """A part that may be compiled, from what runs it."""
    kind = "nodes" if isinstance(step, BoundRegion) else "Scan"
    program = step.program(True) if isinstance(step, BoundRegion) else step.loop(True)
    if not isinstance(program, BoundProgram):
        return Part(step.path, kind, f"{step.reason}. {REMEDY}")
    return _compiled(step.path, kind, step.spec(True), passes, program)


#: What the author of a rule can do.
REMEDY = "Functions of whole arrays, without assignment in place or branches on values, can be read."


def _compiled(path: str, kind: str, spec: TraceSpec, passes: frozenset[str], bound: BoundProgram) -> Part:
    program, space = bound.program, bound.workspace().space
    trace = tracer.trace(spec)
    notes = [("trace", f"{_counted(trace)}, forward and backward, equal ones once")]
    over_time = kind == "Scan" or any(origin is not None for origin in spec.shapes.lengths)
    if over_time and may_be_nonfinite(trace):
        notes.append(("ragged", DELICATE + (": a copy of each state a step" if trace.has("state") else "")))
    before = trace
    for name, after in run_passes(trace, passes, spec.rows):
        notes.append((name, _change(name, before, after)))
        before = after
    notes += [(name, "left out") for name in PASSES[:5] if name not in passes]
    notes += _placed(before, program, spec, passes)
    forward = sum(s.phase == FORWARD[1] for s in program.instructions)
    inside, outside = _multiply_adds(program)
    return Part(
        path,
        kind,
        None,
        tuple(notes),
        tuple((s.phase, _told(s, path)) for s in program.instructions),
        forward,
        program.calls - forward,
        inside * bound.batch,
        outside * bound.batch,
        _buffers(program, space),
    )


#: Of a program that may fail on numbers that do not occur.
DELICATE = "rows that end early run on copies of valid steps"


# ---------------------------------------------------------------------- what passes did
def _made(trace: Trace) -> Counter[str]:
    alive = trace.ancestors(trace.roles.all())
    kinds = (ROWS, TOTAL)
    return Counter(
        o.name for v, o in enumerate(trace.values) if v in alive and o.kind in kinds and o.name not in LEAVES
    )


def _counted(trace: Trace) -> str:
    found = _made(trace)
    products = found["dot"] + found["dots"]
    sums = f"{found['outer']} sums of products over rows"
    return f"{sum(found.values())} operations, {products} products with weights, {sums}"


def _change(name: str, before: Trace, after: Trace) -> str:
    """What one pass changed, in a line."""
    old, new = _made(before), _made(after)
    products = f"{old['dot'] + old['dots']} products with weights -> {new['dot'] + new['dots']}"
    if old == new and (name not in ("order", "factor") or len(before) == len(after)):
        return f"left alone: {LEFT_ALONE[name]}"
    if name == "split":
        return f"{old['join'] + old['columns']} joins and cuts of rows -> {new['join'] + new['columns']}; {products}"
    if name == "order":
        folded = sum(o.name == "multiply" and o.kind == FIXED for o in after.values)
        fewer = old["multiply"] + old["add"] + old["subtract"] - new["multiply"] - new["add"] - new["subtract"]
        return f"sums in one order; {folded} arrays of weights took up a constant; {fewer} sums and products fewer"
    if name == "factor":
        return (
            f"{_hot(before)} products on carried errors -> {_hot(after)}; their coefficients are made outside the loop"
        )
    if name == "merge":
        return f"{products}: sums of products became deeper ones"
    if name == "augment":
        return f"{new['dots'] - old['dots']} sums with the input and the bias became one product in the loop"
    if name == "recompute":
        again = sorted({after.paths[v] for v, o in enumerate(after.values) if o.attr == "again"})
        return f"made again on the way back: {', '.join(again)}"
    return f"{sum(old.values())} operations -> {sum(new.values())}"


LEFT_ALONE = {
    "split": "nothing is joined or cut",
    "order": "no sum could be ordered better, and no constant be taken up by weights",
    "factor": "no chain of products hangs on a carried error",
    "merge": "no sum of products in a loop",
    "augment": "the products are too large to go back into the loop, or there is no sum with a sequence in one",
    "insert copies": "each next state and carried error has a place of its own",
    "legalize": "every value is read while it lives",
    "recompute": "nothing that the way back needs is cheaper to make than to keep",
}


def _hot(trace: Trace) -> int:
    """Products, number by number, that hang on a carried error."""
    alive, hot = trace.ancestors(trace.roles.all()), trace.depends(["carried_error"])
    return sum(hot[v] and o.name in ("multiply", "divide") and v in alive for v, o in enumerate(trace.values))


def _placed(trace: Trace, program: Program, spec: TraceSpec, passes: frozenset[str]) -> list[tuple[str, str]]:
    """What phases, lanes and place did."""
    when = Counter(p for p, o in zip(phases(trace, "phases" in passes), trace.values, strict=True) if o.kind == ROWS)
    told = ", ".join(f"{phase} {when[phase]}" for phase in (*FORWARD, *BACKWARD) if when[phase])
    sums = sum(len(s.terms) for s in program.accumulators)
    notes = [
        ("phases", f"operations: {told}; {sums} sums over rows after the loop, in {len(program.accumulators)} arrays")
    ]
    if "phases" not in passes:
        notes = [("phases", f"left out: {told}")]
    alone = compile_program(spec, passes - {"lanes"})
    calls = f"{len(alone.instructions)} calls -> {len(program.instructions)}"
    change = f"{calls}; in the loops {alone.calls} -> {program.calls} a step"
    notes.append(("lanes", change if "lanes" in passes else "left out"))
    apart = compile_program(spec, passes - {"place"})
    units = [sum(b.units for b in p.buffers) for p in (apart, program)]
    notes.append(("place", f"{units[0]} units of buffers -> {units[1]}" if "place" in passes else "left out"))
    return notes


# ---------------------------------------------------------------------- calls, products, buffers
def _told(step: Instruction, path: str) -> str:
    nodes = ", ".join(p.removeprefix(f"{path}/") for p in step.paths if p)
    width = step.output.width
    return f"{step.name} of {width} units" + (f": {nodes}" if nodes else "")


def _multiply_adds(program: Program) -> tuple[int, int]:
    """Multiply-adds for one row and step: in the loops, and outside."""
    inside = outside = 0
    for step in program.instructions:
        if step.name != "dot":
            continue
        pack = step.operands[1]
        assert isinstance(pack, PackRef)
        size = pack_inputs(program, pack) * step.output.width
        if step.phase in (FORWARD[1], BACKWARD[1]):
            inside += size
        else:
            outside += size
    outside += sum((section.rows[1] - section.rows[0]) * s.columns for s in program.accumulators for section in s.terms)
    return inside, outside


def _buffers(program: Program, space: Workspace) -> tuple[tuple[str, int, int], ...]:
    meaning = {
        "full": "kept for every step",
        "block": "for a block of steps",
        "step": "for one step",
        "ring": "carried errors",
        "static": "once a run",
    }
    found = []
    for kind, told in meaning.items():
        arrays = [a for b, a in zip(program.buffers, space.arrays, strict=True) if b.kind == kind]
        if arrays:
            found.append((told, len(arrays), sum(a.nbytes for a in arrays)))
    return tuple(found)


__all__ = ["Explanation", "Part", "explain"]
