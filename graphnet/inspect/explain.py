"""How a graph is compiled, pass by pass, and why some of it runs node by node."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.arguments import explained
from graphnet.core.compile.pipeline import EVERY, explain_program
from graphnet.core.compile.plan import Call
from graphnet.core.compile.program import BACK_LOOP, LOOP, Instruction, PackRef, Program
from graphnet.core.compile.recurrences.split import NAMES, ONCE, ROWS, STEPS, Recurrence, Rest
from graphnet.core.compile.trace.spec import TraceSpec
from graphnet.core.concurrency.blas_threads import PROCESS
from graphnet.core.phase import Phase
from graphnet.core.run.context import BindOptions
from graphnet.core.run.numpy_backend.bound_program import BoundProgram
from graphnet.core.run.numpy_backend.program_policy import input_count
from graphnet.core.run.numpy_backend.region import MIN_NODES, BoundRegion
from graphnet.core.run.numpy_backend.scan import BoundScan
from graphnet.core.run.numpy_backend.split_pieces import BoundRest
from graphnet.core.run.numpy_backend.split_scan import SplitScan
from graphnet.core.run.numpy_backend.workspace import Workspace
from graphnet.core.run.reference.call_trace import untraceable
from graphnet.core.run.reference.steps import BoundStep
from graphnet.core.run.runner import Runner
from graphnet.inspect.doctor import backend_line
from graphnet.inspect.explanation import Explanation, Part
from graphnet.inspect.sizes import input_shapes
from graphnet.inspect.target import graph_of

#: For how many rows and steps a node of a Scan that was taken apart is computed.
ALL_STEPS = {ONCE: "once", ROWS: "once a row", STEPS: "all steps"}
#: What the author of a rule can do.
REMEDY = "Rules made of numpy functions, without assignment in place or branches on values, can be compiled."
#: Lifetimes of buffers.
LIFETIMES = {
    "full": "saved for every step",
    "block": "for a block of steps",
    "step": "for one step",
    "ring": "carried errors",
    "static": "once per run",
}


@explained
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

    ``target`` is a Model, a Graph, a Runner or a composite layer. The graph is bound as for a run, and the bound plan
    is described: for a Runner with its backend, passes and reach, else with the backend that is chosen by default.
    """
    graph = graph_of(target, "explain")
    inputs = input_shapes(graph, batch, steps, shapes)
    copied = copy.deepcopy(graph)  # binding may initialize weights
    runner = target.alike(copied, passes) if isinstance(target, Runner) else Runner(copied, passes=passes)
    with random.using(np.random.default_rng(0)):
        bound, inferred = runner.bound(inputs, dtype, phase)
    calls = {s.path: s for s in runner.plan.steps if isinstance(s, Call)}
    options = BindOptions(runner.layers, phase, dtype)
    needs = [True] * runner.plan.slot_count

    def single(step: Any) -> Part:
        path = step.checks.path
        reason = untraceable(calls[path], inferred, options, needs)
        few = f"fewer than {MIN_NODES} neighbouring nodes that can be compiled"
        return Part(path, "node", reason.removeprefix(f"{path}: ") if reason else few)

    selected = EVERY if runner.passes is None else runner.passes
    parts = [
        _part(step, selected) if isinstance(step, (BoundRegion, BoundScan)) else single(step) for step in bound.steps
    ]
    threads = [_threads(step) for step in bound.steps]
    nodes = [_nodes(step) for step in bound.steps]
    described = tuple(
        replace(part, threads=text, nodes=inside) for part, text, inside in zip(parts, threads, nodes, strict=True)
    )
    line = backend_line(runner.backend)
    advice = None if line == runner.backend else f"backend: {line}"
    if runner.backend == "reference":
        advice = "backend: reference, which runs node by node; this is how numpy would run it"
    return Explanation(graph.name, f"{phase.name} phase, batch {batch}, {steps} steps, {dtype}", described, advice)


def _nodes(step: Any) -> tuple[str, ...]:
    """The paths of the nodes in a bound step."""
    if isinstance(step, BoundRegion):
        return tuple(call.checks.path for call in step.calls)
    return (step.path if isinstance(step, BoundScan) else step.checks.path,)


def _threads(step: BoundStep) -> str:
    """The BLAS threads of a step in a pass with a backward pass."""
    uncontrolled = "" if PROCESS.libraries else " (no effect: no loaded BLAS supports setting its number of threads)"
    return f"{step.policy(True)}{uncontrolled}"


def _part(step: BoundRegion | BoundScan, passes: frozenset[str]) -> Part:
    """A Scan or region, from its bound form."""
    kind = "nodes" if isinstance(step, BoundRegion) else "Scan"
    program = step.program(True)
    if isinstance(program, SplitScan) and isinstance(step, BoundScan):
        return _apart(step, program)
    found = () if isinstance(step, BoundRegion) else _recurrences(step)
    if not isinstance(program, BoundProgram):
        return Part(step.path, kind, f"{step.reasons[True]}. {REMEDY}", notes=found)
    part = _compiled(step.path, kind, step.spec(True), passes, program)
    return replace(part, notes=(*found, *part.notes))


def _recurrences(step: BoundScan) -> tuple[tuple[str, str], ...]:
    """What was found about the states of a Scan, one after the other."""
    split = step.split()
    found = [str(verdict) for verdict in split.verdicts]
    if split.reason:
        found.append(f"one loop: {split.reason}")
    elif split.cell is not None and not isinstance(step.program(True), SplitScan):
        found.append("one loop, which is faster at these sizes")
    return tuple(("recurrences" if not i else "", text) for i, text in enumerate(found))


def _apart(step: BoundScan, program: SplitScan) -> Part:
    """A Scan whose linear recurrences have left the loop."""
    calls = []
    for piece in program.split.pieces:
        if isinstance(piece, Call):
            calls.append((ALL_STEPS[program.split.stages[piece.outputs[0]]], piece.path.removeprefix(f"{step.path}/")))
        elif isinstance(piece, Recurrence):
            names = ", ".join(step.step.states[s] for s in piece.states)
            calls.append(("recurrence", f"{names}: {NAMES[piece.kind]}"))
        elif isinstance(piece, Rest):
            calls.append(("loop", ", ".join(step.step.states[s] for s in piece.states)))
    for piece in program.steps:
        if isinstance(piece, BoundRegion):
            piece.program(True)
        elif isinstance(piece, BoundRest):
            piece.scan.program(True)
    backends = {compiled.executable().backend for compiled in program.compiled()} or {"numpy"}
    return Part(
        step.path, "Scan", notes=_recurrences(step), calls=tuple(calls), backend=", ".join(sorted(backends)), apart=True
    )


def _compiled(path: str, kind: str, spec: TraceSpec, passes: frozenset[str], bound: BoundProgram) -> Part:
    program, space = bound.program, bound.executable().workspace
    _, notes = explain_program(spec, passes)
    over_time = kind == "Scan" or any(origin is not None for origin in spec.shapes.lengths)
    if over_time and program.may_be_nonfinite:
        copies = "; each state is copied at every step" if program.states else ""
        notes = (*notes, ("ragged", f"rows that end early run on copies of valid steps{copies}"))
    forward = sum(i.phase == LOOP for i in program.instructions)
    in_loops, outside = _multiply_adds(program)
    executable = bound.executable()
    return Part(
        path,
        kind,
        backend=executable.backend,
        fallback=executable.reason,
        notes=notes,
        calls=tuple((i.phase, _call(i, path)) for i in program.instructions),
        calls_forward=forward,
        calls_backward=program.calls - forward,
        loop=in_loops * bound.batch,
        outside=outside * bound.batch,
        buffers=_buffers(program, space),
    )


def _call(instruction: Instruction, path: str) -> str:
    nodes = ", ".join(p.removeprefix(f"{path}/") for p in instruction.paths if p)
    return f"{instruction.name} of {instruction.output.width} units" + (f": {nodes}" if nodes else "")


def _multiply_adds(program: Program) -> tuple[int, int]:
    """Multiply-adds for one row and step: in the loops, and outside."""
    in_loops = outside = 0
    for instruction in program.instructions:
        if instruction.name != "dot":
            continue
        pack = instruction.operands[1]
        assert isinstance(pack, PackRef)
        size = input_count(program, pack) * instruction.output.width
        if instruction.phase in (LOOP, BACK_LOOP):
            in_loops += size
        else:
            outside += size
    outside += sum((term.rows[1] - term.rows[0]) * a.columns for a in program.accumulators for term in a.terms)
    return in_loops, outside


def _buffers(program: Program, space: Workspace) -> tuple[tuple[str, int, int], ...]:
    buffers = []
    for kind, lifetime in LIFETIMES.items():
        arrays = [a for b, a in zip(program.buffers, space.arrays, strict=True) if b.kind == kind]
        if arrays:
            buffers.append((lifetime, len(arrays), sum(a.nbytes for a in arrays)))
    return tuple(buffers)


__all__ = ["Explanation", "Part", "explain"]
