"""Reduce a failing trial as long as it still fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from fuzz.recipe import Body, CellRecipe, Op, Trial


def shrink(trial: Trial, fails: Callable[[Trial], bool], tries: int = 4000) -> Trial:
    """Return the smallest trial that a greedy search finds."""
    while tries:
        for smaller in candidates(trial):
            tries -= 1
            if _fails(smaller, fails):
                trial = smaller
                break
            if not tries:
                break
        else:
            return trial
    return trial


def _fails(trial: Trial, fails: Callable[[Trial], bool]) -> bool:
    try:
        return fails(trial)
    except Exception:  # not a valid graph, or refused by the reference backend
        return False


def candidates(trial: Trial) -> Iterator[Trial]:
    """Trials that are one step smaller."""
    if trial.lengths is not None:
        yield replace(trial, lengths=None)
    if trial.passes is not None:
        yield replace(trial, passes=None)
    for count in range(1, trial.steps):
        yield replace(trial, steps=count, lengths=trial.lengths and tuple(min(n, count) for n in trial.lengths))
    for count in range(1, trial.batch):
        yield replace(trial, batch=count, lengths=trial.lengths and trial.lengths[:count])
    for name in trial.errors if len(trial.errors) > 1 else ():
        yield replace(trial, errors=tuple(e for e in trial.errors if e != name))
    for name, _ in trial.graph.outputs if len(trial.graph.outputs) > 1 else ():
        if trial.errors != (name,):
            outputs = tuple(o for o in trial.graph.outputs if o[0] != name)
            errors = tuple(e for e in trial.errors if e != name)
            yield replace(trial, graph=replace(trial.graph, outputs=outputs), errors=errors)
    for smaller in bodies(trial.graph):
        yield replace(trial, graph=smaller)


def bodies(body: Body) -> Iterator[Body]:
    """Bodies with one operation fewer, or a smaller one."""
    read = {a for op in body.ops for a in op.args} | {v for _, v in body.outputs}
    for position in reversed(range(len(body.ops))):
        op = body.ops[position]
        if not read & {name for name, _ in op.outs}:
            yield body.without(position)
        yield from _bypassed(body, position)
        for smaller in inner(op):
            yield replace(body, ops=(*body.ops[:position], smaller, *body.ops[position + 1 :]))


def _bypassed(body: Body, position: int) -> Iterator[Body]:
    """An operation's value replaced by an earlier one of its width."""
    widths = body.widths()
    op = body.ops[position]
    earlier = [n for n, _ in body.inputs] + [n for o in body.ops[:position] for n, _ in o.outs]
    for name, width in op.outs:
        used = any(name in o.args for o in body.ops) or any(name == v for _, v in body.outputs)
        for other in [e for e in earlier if widths[e] == width][:4] if used else ():
            yield body.renamed(name, other)
    if op.kind in ("add", "multiply", "concatenate") and len(op.args) > 2 and op.kind != "concatenate":
        for skipped in range(len(op.args)):
            args = op.args[:skipped] + op.args[skipped + 1 :]
            yield replace(body, ops=(*body.ops[:position], replace(op, args=args), *body.ops[position + 1 :]))


def inner(op: Op) -> Iterator[Op]:
    """The operation with a smaller cell or nested graph."""
    if op.kind == "nested":
        yield from (replace(op, params=(body,)) for body in bodies(op.params[0]))
    if op.kind == "scan":
        recipe, reverse, bptt_length = op.params
        if reverse:
            yield replace(op, params=(recipe, False, bptt_length))
        if bptt_length:
            yield replace(op, params=(recipe, reverse, None))
        for position, arg in enumerate(op.args):
            if arg is not None and recipe.sequences <= position < recipe.sequences + recipe.states:
                args = (*op.args[:position], None, *op.args[position + 1 :])
                yield replace(op, args=args)
        for body in bodies(recipe.body):
            yield replace(op, params=(replace(recipe, body=body), reverse, bptt_length))
        yield from _fewer_inputs(op, recipe)


def _fewer_inputs(op: Op, recipe: CellRecipe) -> Iterator[Op]:
    """The operation without a sequence, state or context that its cell does not read, and without outputs."""
    body = recipe.body
    read = {a for o in body.ops for a in o.args} | {v for n, v in body.outputs}
    states = recipe.names[1]
    for position, (name, _) in enumerate(body.inputs):
        kind = 0 if position < recipe.sequences else 1 if position < recipe.sequences + recipe.states else 2
        if name in read or kind == 1 or (kind == 0 and recipe.sequences == 1):
            continue
        smaller = replace(body, inputs=body.inputs[:position] + body.inputs[position + 1 :])
        counts = (recipe.sequences - (kind == 0), recipe.states)
        args = op.args[:position] + op.args[position + 1 :]
        yield replace(op, args=args, params=(CellRecipe(smaller, *counts), *op.params[1:]))
    for number, (name, _) in enumerate(body.outputs):
        if name not in states and len(body.outputs) > len(states):
            smaller = replace(body, outputs=body.outputs[:number] + body.outputs[number + 1 :])
            yield replace(
                op,
                outs=op.outs[:number] + op.outs[number + 1 :],
                params=(CellRecipe(smaller, recipe.sequences, recipe.states), *op.params[1:]),
            )
