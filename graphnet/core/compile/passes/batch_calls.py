"""Equal calls on neighbouring units become one call; the order of the units is searched for that.

Four gates' ``tanh`` become one over four times as many units; three of them then become sigmoids in one call, if the
order keeps the three together. Values are *mates* when they are made alike, from mates: the same operation, in the same
phase, of values that are mates in turn. Not applied to calls that share an operand (numpy pays more for stretching it
than for the calls). Costs a search over the orders of up to a dozen neighbours (see ``arrange``).
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence

from graphnet.core.compile.program import BACK_LOOP, BACKWARD, FORWARD, LOOP, STATIC
from graphnet.core.compile.trace.ir import CONSTANT, FIXED, LEAVES, ROWS, Trace

#: Crossing pairs up to which they are undone one by one, so that most stay.
MANY_STUCK = 8
#: Phases whose values are made by steps.
STEPPED = (STATIC, *FORWARD, *BACKWARD)


def groups(
    trace: Trace, when: Sequence[str], enabled: bool = True, wide: bool = True, pairs: bool = False
) -> dict[str, list[list[int]]]:
    """The values of each phase in an order in which they can be made, mates together.

    With ``pairs``, also two equal calls of a loop on values that are no mates, such as ``f · c`` and ``i · g``: one
    call if the places turn out so that ``f i`` and ``c g`` are neighbours.
    """
    labels = _labels(trace, when)
    mates: dict[tuple[str, int], list[int]] = defaultdict(list)
    for number, operation in enumerate(trace.values):
        if operation.kind == ROWS and when[number] in STEPPED and operation.name != "columns":
            together = wide if operation.name in ("dot", "dots") else enabled
            mates[when[number], labels[number] if together else -1 - number].append(number)
    found: dict[str, list[list[int]]] = {phase: [] for phase in STEPPED}
    for (phase, _), members in mates.items():
        alike = trace[members[0]].name in ("dot", "dots") or _apart(trace, members)
        found[phase] += [members] if alike else [[m] for m in members]
    if pairs:
        for phase in (LOOP, BACK_LOOP):
            found[phase] = _untangled(trace, found[phase], _paired(trace, when, found[phase]))
    return {phase: _scheduled(trace, members) for phase, members in found.items()}


def _untangled(trace: Trace, single: list[list[int]], paired: list[list[int]]) -> list[list[int]]:
    """The pairs, less those that wait for each other: neither member needs its partner, but two pairs may cross."""
    mates = {tuple(group) for group in single}
    while True:
        done = {value for group in _scheduled(trace, paired) for value in group}
        stuck = [i for i, group in enumerate(paired) if group[0] not in done and tuple(group) not in mates]
        if not stuck:
            return paired
        undone = set(stuck if len(stuck) > MANY_STUCK else stuck[-1:])
        paired = [part for i, group in enumerate(paired) for part in ([[v] for v in group] if i in undone else [group])]


def _paired(trace: Trace, when: Sequence[str], groups: list[list[int]]) -> list[list[int]]:
    """The groups of a loop with single calls of one kind in twos, where neither needs the other."""
    order = _scheduled(trace, groups)
    joined: list[list[int]] = []
    waiting: dict[tuple[str, int], int] = {}
    for group in order:
        operation = trace[group[0]]
        plain = len(group) == 1 and operation.elementwise and len(operation.args) == 2 and operation.name != "copy"
        if not plain or any(trace[a].kind != ROWS or trace[a].width != operation.width for a in operation.args):
            joined.append(group)
            continue
        key = (operation.name, operation.width)
        before = waiting.get(key)
        fits = before is not None and not set(trace[joined[before][0]].args) & set(operation.args)
        if before is not None and fits and not _hangs(trace, when, group[0], joined[before][0]):
            joined[before] = [*joined[before], *group]
            del waiting[key]
            continue
        waiting[key] = len(joined)
        joined.append(group)
    return joined


def _hangs(trace: Trace, when: Sequence[str], value: int, on: int) -> bool:
    """Whether a value of a loop is made of another one of the same loop, in the same step."""
    waiting, seen = [value], {value}
    while waiting:
        for arg in trace[waiting.pop()].args:
            if arg == on:
                return True
            if arg > on and arg not in seen and when[arg] == when[on]:
                seen.add(arg)
                waiting.append(arg)
    return False


def _labels(trace: Trace, when: Sequence[str]) -> list[int]:
    """For each value a number that mates share."""
    seen: dict[object, int] = {}
    labels: list[int] = []
    for number, operation in enumerate(trace.values):
        key: object
        if operation.kind == CONSTANT:
            key = ("constant", operation.attr)
        elif operation.kind == FIXED:
            key = ("fixed", operation.width == 1)
        elif operation.name == "dot":
            key = ("dot", operation.args[0], when[number])
        elif operation.name == "dots":
            key = ("dots", operation.args[::2], when[number])
        elif (
            operation.kind != ROWS
            or operation.name in LEAVES
            or not operation.elementwise
            or (operation.name == "copy" and operation.attr is not None)
        ):
            key = ("itself", number)
        else:
            # A stretched operand is never one of several side by side: each unit of it belongs to many of the result.
            stretched = tuple([None if trace.values[a].width == operation.width else a for a in operation.args])
            key = (operation.name, when[number], stretched, tuple([labels[a] for a in operation.args]))
        labels.append(seen.setdefault(key, len(seen)))
    return labels


def _apart(trace: Trace, members: list[int]) -> bool:
    """Whether no two members share an operand of rows."""
    if len(members) == 1:
        return True
    for operands in zip(*(trace[m].args for m in members), strict=True):
        rows = [a for a in operands if trace[a].kind == ROWS]
        if len(set(rows)) < len(rows):
            return False
    return True


def _scheduled(trace: Trace, groups: list[list[int]]) -> list[list[int]]:
    """The groups in an order in which each comes after what it needs."""
    owner = {value: i for i, group in enumerate(groups) for value in group}
    waits = [set[int]() for _ in groups]
    leads: list[list[int]] = [[] for _ in groups]
    values = trace.values
    for i, group in enumerate(groups):
        for value in group:
            for arg in values[value].args:
                while values[arg].name == "columns":
                    arg = values[arg].args[0]
                before = owner.get(arg)
                if before is not None and before != i and before not in waits[i]:
                    waits[i].add(before)
                    leads[before].append(i)
    ready = [(min(group), i) for i, group in enumerate(groups) if not waits[i]]
    heapq.heapify(ready)
    order: list[list[int]] = []
    while ready:
        _, i = heapq.heappop(ready)
        order.append(groups[i])
        for j in leads[i]:
            waits[j].discard(i)
            if not waits[j]:
                heapq.heappush(ready, (min(groups[j]), j))
    return order
